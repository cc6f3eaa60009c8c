"""A timed comparison that nobody ran, with numbers that are easy to reckon with."""

from benchmarks.matrix.spec import BenchCell, CellSeconds, CommandSeconds, MatrixBench, MatrixBenchSpec

ENVIRONMENT = {
    "device": "cpu",
    "cpu": "A processor",
    "cpu_count": 4,
    "peer_threads": 4,
    "load_before": 0.25,
    "torch": "2.0",
    "lightning": "2.6",
    "commit": "abc",
    "none": None,
}


def command(training: float, start_up: float = 2.0) -> CommandSeconds:
    return CommandSeconds(wall=training + start_up, start_up=start_up)


def matrix_bench(**settings: object) -> MatrixBench:
    """Return three rounds of a cnn at two batch sizes: 10 s and 5 s of training, of which the others timed a fifth."""
    fields = {"templates": "cnn", "batch_sizes": "2,32", "seeds": 5, "rounds": 3, **settings}
    cells = [
        CellSeconds(
            cell=BenchCell(template="cnn", batch_size=size),
            normzoo=(command(training), command(training * 9), command(training / 9)),
            peers={"lightning": (16, 1, 99), "bare": (4, 4, 4), "process": (80, 80, 80)},
        )
        for size, training in ((2, 10.0), (32, 5.0))
    ]
    return MatrixBench(
        spec=MatrixBenchSpec.model_validate(fields),
        environment=ENVIRONMENT,
        cells=tuple(cells),
        whole=(command(8.0), command(8.0), command(80.0)),
    )
