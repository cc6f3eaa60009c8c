"""Starts the processes that measure, and collects their results. Torch-free."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from normzoo.bench.spec import Bench, BenchSpec, ColdStart, Measurement
from normzoo.errors import NormzooError, UsageError

ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""Make glibc keep freed memory, as it mostly does in a training process. Otherwise chance decides, by what lies at the
end of the heap, which contender has to get its pages from the system again."""


def run_bench(spec: BenchSpec, on_measurement: Callable[[Measurement], None]) -> Bench:
    """Measure all that a spec asks for.

    Raises:
        UsageError: the device is not there.
        NormzooError: the process that measures ended before its time; the message holds what it said last.
    """
    measurements: list[Measurement] = []
    header: dict[str, Any] = {}
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
        try:
            with process.stdin:
                process.stdin.write(spec.model_dump_json())
            for line in process.stdout:
                message = json.loads(line)
                if "error" in message:
                    raise UsageError(message["error"])
                if "measurement" in message:
                    measurements.append(Measurement.model_validate(message["measurement"]))
                    on_measurement(measurements[-1])
                else:
                    header = message
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
        if process.returncode:
            complaints.seek(0)
            last = complaints.read().strip().splitlines()[-1:]
            raise NormzooError(f"the benchmark's process ended with exit code {process.returncode}: {' '.join(last)}")
    cold = _cold_starts(spec) if "cold" in spec.parts else ()
    return Bench(spec=spec, measurements=tuple(measurements), cold=cold, **header)


def _cold_starts(spec: BenchSpec) -> tuple[ColdStart, ...]:
    """Run two fresh processes, one after the other, that share a cache which is empty at first."""
    starts = []
    with tempfile.TemporaryDirectory() as cache:
        for number in (1, 2):
            done = subprocess.run(  # noqa: S603  # our own module
                [sys.executable, "-m", "normzoo.bench.worker", "cold", str(number), spec.device],
                env={**os.environ, **ALLOCATOR, "TORCHINDUCTOR_CACHE_DIR": cache, "TRITON_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            )
            starts.append(ColdStart.model_validate_json(done.stdout.splitlines()[-1]))
    return tuple(starts)
