"""A benchmark that nobody ran, with numbers that are easy to reckon with."""

from normzoo.bench.spec import Bench, BenchSpec, Case, ColdStart, Measurement, Timing

ENVIRONMENT = {"device": "cpu", "cpu": "A processor", "threads": 2, "torch": "2.0", "commit": "abc", "none": None}


def timing(seconds: float) -> Timing:
    return Timing(median=seconds, lower=seconds / 2, upper=seconds * 2)


def measurement(*, saved: int = 100, theirs: int = 200, **fields: object) -> Measurement:
    """Return a case in which torch.nn takes 100 us, and the others what is said, in us."""
    case: dict[str, object] = {
        "norm": "batch",
        "size": "tiny",
        "shape": (4, 8),
        "dtype": "float32",
        "format": "contiguous",
        "mode": "train",
        "place": "plain",
    }
    times = {"auto": 50.0, "eager": 200.0} | {k: float(str(v)) for k, v in fields.items() if k not in case}
    case |= {name: value for name, value in fields.items() if name in case}
    training = case["mode"] == "train"
    return Measurement(
        case=Case.model_validate(case),
        timings={"torch.nn": timing(1e-4)} | {name: timing(value * 1e-6) for name, value in times.items()},
        saved_bytes={"auto": saved, "torch.nn": theirs} if training else {},
        moved_bytes=1_000_000,
        rounds=20,
        calls=3,
        skipped={},
    )


def bench(*measurements: Measurement, device: str = "cpu", cold: bool = True) -> Bench:
    starts = [
        ColdStart(
            process=number,
            import_seconds=1.0,
            eager_seconds=0.01,
            compiled_seconds=12.0 / number,
            another_seconds=2.0,
            warm_seconds=0.001,
        )
        for number in (1, 2)
    ]
    return Bench(
        spec=BenchSpec(),
        environment={**ENVIRONMENT, "device": device},
        copy_bytes_per_second=1e10,
        measurements=measurements,
        cold=tuple(starts) if cold else (),
    )
