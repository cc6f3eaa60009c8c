"""What was measured of a comparison, as it is kept. Torch-free."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from normzoo.bench.matrix.spec import Cell, MatrixBenchSpec, Way


class CommandSeconds(BaseModel):
    """``normzoo compare``, timed from outside.

    Attributes:
        wall: seconds from the start of the command, with an empty store, to its end.
        start_up: seconds that the same command takes when repeated at once: it then trains nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    wall: float
    start_up: float

    @property
    def training(self) -> float:
        """What the first command took longer."""
        return self.wall - self.start_up


class CellSeconds(BaseModel):
    """One cell.

    Attributes:
        normzoo: one for each round, of all seeds.
        peers: seconds of each round by way, of ``peer_seeds`` seeds, as measured: not multiplied up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    normzoo: tuple[CommandSeconds, ...]
    peers: dict[Way, tuple[float, ...]]


class MatrixBench(BaseModel):
    """All that one run of the benchmark measured.

    Attributes:
        environment: versions, machine and commit; the device and the threads of the peers.
        cells: one for each template and batch size.
        whole: one command for all cells, one for each round; that of the cell where there is a single one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: MatrixBenchSpec
    environment: dict[str, Any]
    cells: tuple[CellSeconds, ...]
    whole: tuple[CommandSeconds, ...]
