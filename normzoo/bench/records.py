"""The records of what was measured. Torch-free."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from normzoo.bench.spec import BenchSpec, Case

REFERENCE, AUTO, EAGER = "torch.nn", "auto", "eager"
"""The contenders of every plain case: torch.nn, ours on a warm auto backend, and ours on the eager backend."""


class Timing(BaseModel):
    """Seconds of one call: the median over rounds, and the quartiles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median: float
    lower: float
    upper: float


class Measurement(BaseModel):
    """One case.

    Attributes:
        timings: by contender.
        saved_bytes: the bytes that autograd keeps for the backward pass, by contender, in training.
        moved_bytes: the bytes that a forward pass (and backward pass) must read and write at least.
        rounds: the number of times that each contender was timed, in random order.
        calls: the number of calls in a round.
        skipped: the reason for each contender that was left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: Case
    timings: dict[str, Timing]
    saved_bytes: dict[str, int]
    moved_bytes: int
    rounds: int
    calls: int
    skipped: dict[str, str]


class ColdStart(BaseModel):
    """The first calls of a fresh process, forward and backward, in seconds.

    Attributes:
        process: 1: with an empty cache of compiled code; 2: with what process 1 left in it.
        import_seconds: importing ``normzoo.layers``, torch included.
        eager_seconds: the first call, on the backend eager.
        compiled_seconds: the first call on the backend compiled.
        another_seconds: the first compiled call of another norm in the same process.
        warm_seconds: a later compiled call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    process: int
    import_seconds: float
    eager_seconds: float
    compiled_seconds: float
    another_seconds: float
    warm_seconds: float


class Bench(BaseModel):
    """All that one run of the benchmark measured.

    Attributes:
        copy_bytes_per_second: bytes read and written by a large copy, in the same process.
        environment: versions, machine, threads and commit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: BenchSpec
    environment: dict[str, Any]
    copy_bytes_per_second: float
    measurements: tuple[Measurement, ...]
    cold: tuple[ColdStart, ...]
