"""The settings of the benchmark, and the records of the times. Torch-free."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from normzoo.bench.spec import as_command, problems
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.config.values import Count, Sizes, split_list

Norm = Literal["batch", "layer", "instance", "group", "none"]
Template = Literal["cnn", "lstm", "resnet"]
Way = Literal["normzoo", "lightning", "bare", "process"]
"""The command itself; a Lightning Trainer per run; a bare torch loop per run; a process with a Trainer per run."""

OURS: Way = "normzoo"


class BenchCell(BaseModel):
    """The part of a matrix that is timed at once: all norms and seeds of a template at a batch size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: Template
    batch_size: int

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"{self.template}, batch size {self.batch_size}"


def _once_each(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    return tuple(dict.fromkeys(ways))


def _default(name: str) -> Any:
    """Return the default of ``normzoo compare``."""
    return MatrixSpec.model_fields[name].get_default()


class MatrixBenchSpec(BaseModel):
    """The settings: each field is a flag of ``python -m benchmarks.matrix``, with the default of ``compare``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    norms: Annotated[tuple[Norm, ...], BeforeValidator(split_list), Field(min_length=1)] = Field(
        _default("norms"), description="Norms to compare: batch, layer, instance, group, none."
    )
    templates: Annotated[tuple[Template, ...], BeforeValidator(split_list), Field(min_length=1)] = Field(
        _default("templates"), description="Networks to train them in: cnn, lstm, resnet."
    )
    batch_sizes: Sizes = Field(_default("batch_sizes"), description="Batch sizes to train at.")
    dataset: str = Field(_default("dataset"), description="Dataset by name, or npz:PATH for your own arrays.")
    data_root: Path = Field(
        Execution.model_fields["data_root"].get_default(), description="Folder of the downloaded datasets."
    )
    seeds: Count = Field(_default("seeds"), description="How many seeds the comparison has.")
    peer_seeds: Count = Field(1, description="How many of them the other ways train; their time is multiplied up.")
    epochs: Count = Field(_default("epochs"), description="Passes over the training set.")
    ways: Annotated[tuple[Way, ...], BeforeValidator(split_list), AfterValidator(_once_each), Field(min_length=1)] = (
        Field(
            ("normzoo", "lightning", "bare", "process"),
            description="Ways to do the work: normzoo, and of lightning, bare and process those to hold it against.",
        )
    )
    rounds: Count = Field(1, description="How often everything is timed; medians are shown.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """Refuse settings that do not go together."""
        if OURS not in self.ways:
            raise ValueError(f"ways: {OURS} must be among them, since the others' times are multiples of its")
        if self.peer_seeds > self.seeds:
            raise ValueError(f"peer_seeds: at most the {self.seeds} seeds of the comparison, got {self.peer_seeds}")
        try:
            self.matrix()
        except ValidationError as error:
            raise ValueError(problems(error)) from None
        return self

    def matrix(self) -> MatrixSpec:
        """Return the matrix that is compared; what cannot be set here has its default."""
        own = ("norms", "templates", "batch_sizes", "dataset", "seeds", "epochs")
        return MatrixSpec(**{name: getattr(self, name) for name in own})

    def peers(self) -> tuple[Way, ...]:
        """Return the ways that are held against normzoo's."""
        return tuple(way for way in self.ways if way != OURS)

    def cells(self) -> list[BenchCell]:
        """Return the cells, in the order of the tables."""
        matrix = self.matrix()
        return [
            BenchCell(template=template, batch_size=size) for template in self.templates for size in matrix.batch_sizes
        ]

    def steps(self) -> int:
        """Return how many times something is timed: each way in each cell, and the whole if that is more than one."""
        cells = len(self.cells())
        return self.rounds * (cells * len(self.ways) + (cells > 1))

    def command(self) -> str:
        """Return the command that measures the same again."""
        return as_command("python -m benchmarks.matrix", self)


class CommandSeconds(BaseModel):
    """``normzoo compare``, timed from outside.

    Attributes:
        wall: seconds from the start of the command, with an empty store, to its end.
        start_up: seconds that the same command takes with ``--dry-run`` and an empty store: all that it does before it
            trains; see ``MatrixBench.start_up``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    wall: float
    start_up: float

    @property
    def training(self) -> float:
        """The seconds that the command took beyond its start-up."""
        return self.wall - self.start_up


class CellSeconds(BaseModel):
    """One cell.

    Attributes:
        normzoo: one for each round, of all seeds.
        peers: seconds of each round by way, of ``peer_seeds`` seeds, as measured: not multiplied up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: BenchCell
    normzoo: tuple[CommandSeconds, ...]
    peers: dict[Way, tuple[float, ...]]


class MatrixBench(BaseModel):
    """All that one run of the benchmark measured.

    Attributes:
        environment: versions, machine and commit; the device and the threads of the peers.
        cells: one for each template and batch size.
        whole: one command for all cells, one for each round; that of the cell where there is a single one.
        start_up: what stands for the start-up of a command: the same with ``--dry-run``; in earlier records the same
            repeated, which starts no worker.
        incomplete: how many of the spec's steps were measured so far, in words; None where all were.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: MatrixBenchSpec
    environment: dict[str, Any]
    cells: tuple[CellSeconds, ...]
    whole: tuple[CommandSeconds, ...]
    start_up: Literal["repeated", "planned"] = "repeated"
    incomplete: str | None = None
