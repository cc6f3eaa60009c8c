"""``normzoo bench lstm``: what to measure of the normalized LSTM, its record and its table. Torch-free."""

import os
import subprocess
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from normzoo.bench.spec import AUTO, EAGER, REFERENCE, Timing, as_command
from normzoo.bench.summary import Aim, TableData, aims_table, machine, section, two_digits
from normzoo.errors import NormzooError, UsageError
from normzoo.experiment.config.execution import DeviceChoice
from normzoo.memory import ALLOCATOR

LOOP, PRODUCTS = "loop", "products"
"""The contender that is written out over torch.nn's layers, step by step; and what no LSTM can do without."""


class LstmBenchSpec(BaseModel):
    """The settings of the benchmark; each field is a flag of ``normzoo bench lstm``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    norm: Literal["layer", "batch"] = Field("layer", description="Norm on both transforms and the cell.")
    steps: Annotated[int, Field(ge=1)] = Field(64, description="Time steps.")
    batch_size: Annotated[int, Field(ge=2)] = Field(32, description="Sequences.")
    inputs: Annotated[int, Field(ge=1)] = Field(100, description="Features of a step.")
    hidden: Annotated[int, Field(ge=2)] = Field(100, description="Units.")
    seconds: Annotated[float, Field(gt=0, le=600)] = Field(5.0, description="How long to time each contender, about.")
    device: DeviceChoice = Field("auto", description="Where to measure.")
    threads: Annotated[int, Field(ge=1)] | None = Field(None, description="CPU threads; torch's choice by default.")

    def command(self) -> str:
        """Return the command that measures the same again."""
        return as_command("normzoo bench lstm", self)


class LstmBench(BaseModel):
    """What one run of the benchmark measured.

    Attributes:
        environment: versions, machine, threads and commit.
        timings: of a forward and backward pass in training, by contender.
        rounds: the number of times that each contender was timed, in random order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: LstmBenchSpec
    environment: dict[str, Any]
    timings: dict[str, Timing]
    rounds: int

    def ratio(self, contender: str, reference: str) -> float:
        """Return the median time of a contender as a multiple of another's."""
        return self.timings[contender].median / self.timings[reference].median


def run_lstm_bench(spec: LstmBenchSpec) -> LstmBench:
    """Measure in a process of its own.

    Raises:
        UsageError: the device is not there.
        NormzooError: the process ended before its time; the message holds what it said last.
    """
    done = subprocess.run(  # our own module
        [sys.executable, "-m", "normzoo.bench.worker", "lstm"],
        input=spec.model_dump_json(),
        env={**os.environ, **ALLOCATOR},
        capture_output=True,
        text=True,
        check=False,
    )
    last = (done.stderr if done.returncode else done.stdout).strip().splitlines()[-1:] or [""]
    if done.returncode:
        raise NormzooError(f"the benchmark's process ended with exit code {done.returncode}: {last[0]}")
    if last[0].startswith("device: "):
        raise UsageError(last[0])
    return LstmBench.model_validate_json(last[0])


def table(bench: LstmBench) -> TableData:
    """Return a row for each contender."""
    names = {
        REFERENCE: "torch.nn.LSTM, no norm",
        LOOP: "a loop over torch.nn's layers",
        AUTO: "normzoo.layers.LSTM, backend auto",
        EAGER: "normzoo.layers.LSTM, backend eager",
        PRODUCTS: "the matrix products of an LSTM, and nothing else",
    }
    rows = tuple(
        (
            words,
            f"{bench.timings[name].median * 1e3:.1f}",
            two_digits(bench.ratio(name, REFERENCE)),
            two_digits(bench.ratio(LOOP, name)),
        )
        for name, words in names.items()
    )
    spec = bench.spec
    return TableData(
        f"LSTM with {spec.norm} norm: {spec.steps} steps of {spec.batch_size} x {spec.inputs}, {spec.hidden} units",
        ("", "ms", "/ torch.nn", "loop /"),
        rows,
        "ms: a forward and backward pass, the median; / torch.nn: as a multiple of its LSTM without a norm; loop /: "
        "how many times as fast as the loop.",
    )


def aims(bench: LstmBench) -> list[Aim]:
    """Return the figures to reach, with those reached."""
    is_on_gpu = bench.environment["device"] != "cpu"
    found = [Aim("auto / torch.nn.LSTM without norm", 2.0 if is_on_gpu else 2.5, bench.ratio(AUTO, REFERENCE))]
    return [*found, Aim("loop over torch.nn's layers / auto", 3.0, bench.ratio(LOOP, AUTO), at_least=True)]


def how_measured(bench: LstmBench) -> str:
    """Return in words how it was measured, and where."""
    environment = bench.environment
    is_on_gpu = environment["device"] != "cpu"
    where = environment["device"] if is_on_gpu else f"{environment['cpu']}, {environment['threads']} threads"
    return (
        f"{where}; torch {environment['torch']}; commit {environment['commit']}. All contenders were first checked to "
        f"compute the same, then timed in one process by turns in random order, {bench.rounds} rounds. Auto is warm."
    )


def to_markdown(bench: LstmBench, *, name: str, notes: str = "") -> str:
    """Write the report; the arguments are those of ``summary.to_markdown``."""
    blocks = [
        "# Speed of the normalized LSTM",
        *section(table(bench), "##"),
        *aims_table(aims(bench)),
        *([notes.strip()] if notes.strip() else []),
        "## How it was measured",
        how_measured(bench),
        f"All numbers with their quartiles are in [{name}.json]({name}.json). To measure again:",
        f"```sh\n{bench.spec.command()} --report {name}.md\n```",
        "## Machine and versions",
        machine(bench.environment),
    ]
    return "\n\n".join(blocks) + "\n"
