"""What to measure, the command that measures it, and the records of what was measured. Torch-free."""

import shlex
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from normzoo.errors import all_of
from normzoo.experiment.config.execution import DeviceChoice
from normzoo.experiment.config.values import split_list

Norm = Literal["batch", "instance", "layer", "group", "LayerNorm", "RMSNorm"]
Size = Literal["tiny", "small", "medium", "large", "huge"]
Dtype = Literal["float32", "bfloat16", "float16", "float64"]
Format = Literal["contiguous", "channels_last"]
Mode = Literal["train", "eval"]
Place = Literal["plain", "compiled"]
Part = Literal["plain", "compiled", "cold"]

MAPS: dict[Size, list[tuple[int, ...]]] = {
    "tiny": [(2, 32, 8, 8), (32, 256)],
    "small": [(8, 64, 128), (2, 16, 8, 16, 16)],
    "medium": [(8, 32, 32, 32)],
    "large": [(32, 64, 32, 32)],
    "huge": [(64, 256, 64, 64)],
}
"""Shapes ``(N, C, *)``: vectors, sequences, maps and volumes, from 4 thousand to 2 million values; huge, 67 million."""

ROWS: dict[Size, list[tuple[int, ...]]] = {
    "tiny": [(32, 256)],
    "small": [(2, 64, 128)],
    "medium": [(8, 128, 512)],
    "large": [(16, 512, 768)],
    "huge": [(32, 2048, 1024)],
}
"""Shapes ``(*, D)``, of which the last dimension is normalized."""

ROW_NORMS = ("LayerNorm", "RMSNorm")


class Case(BaseModel):
    """One norm on one input.

    Attributes:
        norm: ``group`` has 8 groups, ``layer`` is group norm of one group, as of a map; ``LayerNorm`` and ``RMSNorm``
            are torch.nn's, over the last dimension.
        mode: train: forward and backward pass; eval: forward pass without gradients.
        place: plain: called as it is; compiled: both ours and torch.nn's inside ``torch.compile``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    norm: Norm
    size: Size
    shape: tuple[int, ...]
    dtype: Dtype
    format: Format
    mode: Mode
    place: Place

    def __str__(self) -> str:
        """Return it in a few words."""
        kind = self.dtype if self.format == "contiguous" else f"{self.dtype} {self.format}"
        return f"{self.norm} {'x'.join(map(str, self.shape))} {kind} {self.mode}"


class BenchSpec(BaseModel):
    """The settings of the benchmark; each field is a flag of ``normzoo bench layers``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    norms: Annotated[tuple[Norm, ...], BeforeValidator(split_list), Field(min_length=1)] = Field(
        ("batch", "instance", "layer", "group", "LayerNorm", "RMSNorm"), description="Norms to measure."
    )
    sizes: Annotated[tuple[Size, ...], BeforeValidator(split_list), Field(min_length=1)] = Field(
        ("tiny", "small", "medium", "large"),
        description="Sizes of the inputs; huge, 67 million values, is for a GPU.",
    )
    dtypes: Annotated[tuple[Dtype, ...], BeforeValidator(split_list), Field(min_length=1)] = Field(
        ("float32", "bfloat16"), description="Types of the inputs."
    )
    formats: Annotated[tuple[Format, ...], BeforeValidator(split_list), Field(min_length=1)] = Field(
        ("contiguous", "channels_last"), description="Memory formats; channels_last for maps and volumes, in float32."
    )
    modes: Annotated[tuple[Mode, ...], BeforeValidator(split_list), Field(min_length=1)] = Field(
        ("train", "eval"), description="Forward and backward pass in training, forward pass in evaluation."
    )
    parts: Annotated[tuple[Part, ...], BeforeValidator(split_list), Field(min_length=1)] = Field(
        ("plain", "compiled", "cold"),
        description="Plain calls; inside torch.compile, in float32 training; a process's first calls.",
    )
    seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        0.4, description="How long to time each contender of each case, about."
    )
    device: DeviceChoice = Field("auto", description="Where to measure.")
    threads: Annotated[int, Field(ge=1)] | None = Field(None, description="CPU threads; torch's choice by default.")

    def cases(self) -> list[Case]:
        """Return the cases, plain ones first."""
        return list(self._plain()) + list(self._compiled())

    def is_whole(self) -> bool:
        """Return True if all norms and default sizes are measured, so that the means can be compared with the aims."""
        default = BenchSpec()
        return set(self.norms) >= set(default.norms) and set(self.sizes) >= set(default.sizes)

    def command(self) -> str:
        """Return the command that measures the same again."""
        return as_command("normzoo bench layers", self)

    def _inputs(self) -> Iterator[tuple[Norm, Size, tuple[int, ...]]]:
        for norm in self.norms:
            for size in self.sizes:
                for shape in (ROWS if norm in ROW_NORMS else MAPS)[size]:
                    if norm != "instance" or len(shape) > 2:  # vectors have no positions
                        yield norm, size, shape

    def _plain(self) -> Iterator[Case]:
        if "plain" not in self.parts:
            return
        for norm, size, shape in self._inputs():
            for dtype in self.dtypes:
                for memory_format in self.formats:
                    is_map = norm not in ROW_NORMS and len(shape) > 3
                    if memory_format == "channels_last" and not (is_map and dtype == "float32"):
                        continue
                    for mode in self.modes:
                        yield Case(
                            norm=norm,
                            size=size,
                            shape=shape,
                            dtype=dtype,
                            format=memory_format,
                            mode=mode,
                            place="plain",
                        )

    def _compiled(self) -> Iterator[Case]:
        if "compiled" not in self.parts:
            return
        for norm, size, shape in self._inputs():
            yield Case(
                norm=norm,
                size=size,
                shape=shape,
                dtype="float32",
                format="contiguous",
                mode="train",
                place="compiled",
            )


def as_command(words: str, settings: BaseModel) -> str:
    """Return the command with those settings that are not the defaults.

    Args:
        words: the command without flags, such as ``normzoo bench layers``.
        settings: a model of which each field is a flag.
    """
    command = words.split()
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if value != field.get_default():
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            command += ["--" + name.replace("_", "-"), text]
    return shlex.join(command)


def problems(error: ValidationError) -> str:
    """Return what is wrong in one line, each with the name of its setting if it concerns a single one."""
    lines = []
    for detail in error.errors():
        setting = f"{detail['loc'][0]}: " if detail["loc"] else ""
        lines.append(setting + detail["msg"].removeprefix("Value error, "))
    return all_of(lines)


def incomplete(done: int, wanted: int) -> str | None:
    """Say how much was measured so far; None where all was.

    >>> incomplete(12, 40), incomplete(40, 40)
    ('12 of 40', None)
    """
    return None if done == wanted else f"{done} of {wanted}"


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
        incomplete: how many of all cases and cold starts were measured so far, in words; None where all were.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: BenchSpec
    environment: dict[str, Any]
    copy_bytes_per_second: float
    measurements: tuple[Measurement, ...]
    cold: tuple[ColdStart, ...]
    incomplete: str | None = None
