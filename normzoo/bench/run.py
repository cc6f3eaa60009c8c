"""Starts the processes that measure, and collects their results. Torch-free."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from normzoo.bench.spec import Bench, BenchSpec, ColdStart, Measurement, incomplete
from normzoo.errors import NormzooError, UsageError
from normzoo.memory import ALLOCATOR

COLD_STARTS = (1, 2)
"""The processes whose first calls are timed: with an empty cache, and with what the first left in it."""


def run_bench(spec: BenchSpec, on_measured: Callable[[Bench], None]) -> Bench:
    """Measure all that a spec asks for.

    Args:
        spec: what to measure.
        on_measured: called after each case and each cold start with all that is measured so far.

    Raises:
        UsageError: the device is not there.
        NormzooError: the process that measures ended before its time; the message holds what it said last.
    """
    measurements: list[Measurement] = []
    cold: list[ColdStart] = []
    header: dict[str, Any] = {}
    wanted = len(spec.cases()) + (len(COLD_STARTS) if "cold" in spec.parts else 0)

    def so_far() -> Bench:
        return Bench(
            spec=spec,
            measurements=tuple(measurements),
            cold=tuple(cold),
            incomplete=incomplete(len(measurements) + len(cold), wanted),
            **header,
        )

    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(  # our own module
            [sys.executable, "-m", "normzoo.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env={**os.environ, **ALLOCATOR},
        )
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        with process:
            try:
                with process.stdin:
                    process.stdin.write(spec.model_dump_json())
                for line in process.stdout:
                    message = json.loads(line)
                    if "error" in message:
                        raise UsageError(message["error"])
                    if "measurement" in message:
                        measurements.append(Measurement.model_validate(message["measurement"]))
                        on_measured(so_far())
                    else:
                        header = message
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            complaints.seek(0)
            last = complaints.read().strip().splitlines()[-1:]
            raise NormzooError(f"the benchmark's process ended with exit code {process.returncode}: {' '.join(last)}")
    if "cold" in spec.parts:
        for start in _cold_starts(spec):
            cold.append(start)
            on_measured(so_far())
    return so_far()


def _cold_starts(spec: BenchSpec) -> Iterator[ColdStart]:
    """Run fresh processes, one after the other, that share a cache which is empty at first."""
    with tempfile.TemporaryDirectory() as cache:
        for number in COLD_STARTS:
            done = subprocess.run(  # noqa: S603  # our own module
                [sys.executable, "-m", "normzoo.bench.worker", "cold", str(number), spec.device],
                env={**os.environ, **ALLOCATOR, "TORCHINDUCTOR_CACHE_DIR": cache, "TRITON_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            )
            yield ColdStart.model_validate_json(done.stdout.splitlines()[-1])
