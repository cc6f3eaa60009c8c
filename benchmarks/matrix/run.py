"""Times a comparison in every way, in turns, each in processes of its own. Torch-free."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.matrix.peer import RESULT, Job, PeerWay
from benchmarks.matrix.spec import OURS, BenchCell, CellSeconds, CommandSeconds, MatrixBench, MatrixBenchSpec, Way
from normzoo.bench.spec import incomplete
from normzoo.errors import NormzooError
from normzoo.experiment.config.environment import describe_environment
from normzoo.interrupts import interrupts_deferred, interrupts_raised
from normzoo.registry import TEMPLATES

CHECKOUT = Path(__file__).parents[2]
"""The root of the checkout, from which the processes of the other ways import ``benchmarks``."""


def run_matrix_bench(
    spec: MatrixBenchSpec, on_step: Callable[[str], None], on_measured: Callable[[MatrixBench], None]
) -> MatrixBench:
    """Measure all that a spec asks for.

    Args:
        spec: what to measure.
        on_step: called ``spec.steps()`` times with a description of what is timed next.
        on_measured: called after each step with all that is measured so far.

    Raises:
        NormzooError: a command or a peer's process ended with an error; the message holds its last line.
    """
    order, cells = random.Random(0), spec.cells()  # noqa: S311
    ours: dict[BenchCell, list[CommandSeconds]] = {cell: [] for cell in cells}
    peers: dict[BenchCell, dict[Way, list[float]]] = {cell: {way: [] for way in spec.peers()} for cell in cells}
    whole: list[CommandSeconds] = []

    def so_far() -> MatrixBench:
        measured = [
            CellSeconds(
                cell=cell, normzoo=tuple(ours[cell]), peers={way: tuple(each) for way, each in peers[cell].items()}
            )
            for cell in cells
        ]
        done = len(whole) + sum(len(each.normzoo) + sum(map(len, each.peers.values())) for each in measured)
        return MatrixBench(
            spec=spec,
            environment=environment,
            cells=tuple(measured),
            whole=tuple(whole) if len(cells) > 1 else measured[0].normzoo,
            start_up="planned",
            incomplete=incomplete(done, spec.steps()),
        )

    with interrupts_raised():
        environment = {**describe_environment(), "load_before": _load(), **_peer_environment(spec)}
        for _ in range(spec.rounds):
            for cell in cells:
                for way in order.sample(spec.ways, len(spec.ways)):
                    on_step(f"{cell}: {way}")
                    if way == OURS:
                        ours[cell].append(time_command(spec, [cell.template], [cell.batch_size]))
                    else:
                        peers[cell][way].append(time_peer(spec, cell, way))
                    on_measured(so_far())
            if len(cells) > 1:
                on_step("the whole matrix")
                whole.append(time_command(spec, spec.templates, spec.batch_sizes))
                on_measured(so_far())
    return so_far()


def time_command(spec: MatrixBenchSpec, templates: Sequence[str], batch_sizes: Sequence[int]) -> CommandSeconds:
    """Time ``normzoo compare`` with an empty store and cache of compiled code, and what it does before it trains.

    That is ``--dry-run`` with a store of its own: it starts a worker, loads the data, tries the networks, times steps.
    """
    # Of an interrupted command a worker may still write for a moment after it.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        flags = {
            "norms": ",".join(spec.norms),
            "templates": ",".join(templates),
            "batch-sizes": ",".join(map(str, batch_sizes)),
            "dataset": spec.dataset,
            "data-root": str(spec.data_root),
            "seeds": str(spec.seeds),
            "epochs": str(spec.epochs),
        }
        command = [sys.executable, "-m", "normzoo", "compare"]
        command += [word for name, value in flags.items() for word in (f"--{name}", value)]
        cache = {"TORCHINDUCTOR_CACHE_DIR": str(Path(folder) / "compiled")}
        wall, start_up = (
            timed_process(
                [*command, "--store", str(Path(folder) / store), *further],
                name="normzoo compare",
                environment=cache,
            )
            for store, further in (("trained.sqlite", ()), ("planned.sqlite", ("--dry-run",)))
        )
    return CommandSeconds(wall=wall, start_up=start_up)


def time_peer(spec: MatrixBenchSpec, cell: BenchCell, way: Way) -> float:
    """Return the seconds of a way in a cell, for ``peer_seeds`` seeds.

    For ``process`` they are those of whole processes, one after the other; for the others those of training.
    """
    if way == "process":
        seeds = range(spec.peer_seeds)
        one_by_one = [
            _job(spec, cell, "lightning", norms=(norm,), seeds=(seed,)) for norm in spec.norms for seed in seeds
        ]
        return sum(_run_peer(job)[0] for job in one_by_one)
    job = _job(
        spec, cell, "bare" if way == "bare" else "lightning", norms=spec.norms, seeds=tuple(range(spec.peer_seeds))
    )
    _, result = _run_peer(replace(job, warm_up=True))
    return float(result["seconds"])


def _job(
    spec: MatrixBenchSpec, cell: BenchCell, way: PeerWay, *, norms: tuple[str, ...], seeds: tuple[int, ...]
) -> Job:
    matrix = spec.matrix()
    return Job(
        way=way,
        template=cell.template,
        batch_size=cell.batch_size,
        norms=norms,
        seeds=seeds,
        epochs=spec.epochs,
        lr=matrix.lr_at(cell.batch_size),
        sizes=_sizes(cell.template),
        dataset=spec.dataset,
        data_root=str(spec.data_root),
        warm_up=False,
        folder="",
    )


SIZES = {"cnn": ("widths", "hidden"), "lstm": ("hidden",), "resnet": ("depth", "width")}
"""The options of each template that the others' networks take; the rest of them has its default there, too."""


def _sizes(template: str) -> dict[str, Any]:
    """Return the sizes of a template's network, by default, as it takes them."""
    options = TEMPLATES.load(template)[1]
    return {name: options[name] for name in SIZES[template]}


def _run_peer(job: Job) -> tuple[float, dict[str, Any]]:
    """Run a job in a fresh process and folder; return the process's seconds, and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.matrix.peer", replace(job, folder=folder).to_json()]
        path = os.pathsep.join([str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])])
        seconds = timed_process(command, name=f"the process of the way '{job.way}'", environment={"PYTHONPATH": path})
        result: dict[str, Any] = json.loads((Path(folder) / RESULT).read_text(encoding="utf-8"))
    return seconds, result


def _load() -> float | None:
    """Return how many processes wanted a processor during the last minute, on average, where the system tells."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _peer_environment(spec: MatrixBenchSpec) -> dict[str, Any]:
    """Return the device and the threads of a peer, which has nothing to train; the data must be there, too."""
    _, result = _run_peer(_job(spec, spec.cells()[0], "bare", norms=(), seeds=()))
    return {"device": result["device"], "peer_threads": result["threads"]}


def timed_process(command: Sequence[str], *, name: str, environment: Mapping[str, str] | None = None) -> float:
    """Run a process to its end, and return its wall time in seconds. An interruption kills it.

    Args:
        command: the program and its arguments.
        name: what the process is called in the error's message.
        environment: variables that it gets besides this process's.

    Raises:
        NormzooError: its exit code is not 0; the message holds the last line that it wrote.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        start = time.perf_counter()
        process: subprocess.Popen[bytes] | None = None
        try:
            with interrupts_deferred():  # or a process that is just being started would be known to nobody
                process = subprocess.Popen(  # noqa: S603  # our own commands
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {})},
                )
            process.wait()
        except BaseException:
            if process is not None:
                process.kill()
                process.wait()
            raise
        seconds = time.perf_counter() - start
        if process.returncode:
            said.seek(0)
            last = said.read().strip().splitlines()[-1:]
            raise NormzooError(f"{name} ended with exit code {process.returncode}: {' '.join(last)}")
    return seconds
