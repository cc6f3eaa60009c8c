"""A matrix in training that never is, for what is shown meanwhile; and pictures of it as lines."""

import io
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType

from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.facts import DatasetFacts
from normzoo.experiment.planning.groups import Group, expand, group
from normzoo.experiment.results.records import EpochRecord, RunRecord, Status
from normzoo.metric import ACCURACY
from normzoo.progress.state import ProgressState

FACTS = DatasetFacts(name="digits", checksum="0", shape=(1, 8, 8), outputs=10, train=100, validation=30, test=30)


def matrix(**changes: Any) -> MatrixSpec:
    """Return 2 templates x 3 norms x 2 batch sizes x 3 seeds, unless told otherwise."""
    settings = {
        "norms": ("batch", "layer", "none"),
        "templates": ("cnn", "lstm"),
        "batch_sizes": (4, 16),
        "seeds": 3,
        "epochs": 4,
    }
    return MatrixSpec(**{**settings, **changes})


def groups_of(asked: MatrixSpec) -> list[Group]:
    return group(expand(asked, FACTS), set(), FACTS.train)


def state_of(asked: MatrixSpec, *, jobs: int = 2, stored: Sequence[RunRecord] = ()) -> ProgressState:
    """Return the state before anything was trained; what is stored is not to be trained."""
    done = {record.spec.key for record in stored}
    return ProgressState(asked, ACCURACY, group(expand(asked, FACTS), done, FACTS.train), jobs, stored)


def runs_of(asked: MatrixSpec, template: str = "cnn", norm: str = "batch", size: int = 4) -> list[RunSpec]:
    """Return the runs of a cell; ``norm`` is canonical."""
    return [run for run in expand(asked, FACTS) if (run.template, run.norm, run.batch_size) == (template, norm, size)]


def epoch(number: int, accuracy: float = 0.5, loss: float = 1.0) -> EpochRecord:
    return EpochRecord(
        epoch=number,
        train_loss=loss,
        validation={"loss": loss, "accuracy": 0.0},
        test={"loss": loss, "accuracy": accuracy},
        seconds=1.0,
    )


def record(spec: RunSpec, outcome: float | str, error: str | None = None) -> RunRecord:
    """Return the record of a run: its accuracy, or why there is none."""
    return RunRecord(
        spec=spec,
        status=Status(outcome) if isinstance(outcome, str) else Status.OK,
        error=error,
        epochs=(epoch(spec.epochs, outcome),) if isinstance(outcome, float) else (),
        started_at="2025-01-01T00:00:00+00:00",
        seconds=1.0,
    )


def terminal(width: int, height: int, **settings: Any) -> Console:
    """Return a console that takes itself for a terminal, and writes to a string."""
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, **settings)


def picture(shown: RenderableType, width: int, height: int = 24) -> list[str]:
    """Return the lines of what is shown, without colours; none is wider than the terminal."""
    console = terminal(width, height)
    lines = console.render_lines(shown, console.options, pad=False)
    texts = ["".join(segment.text for segment in line).rstrip() for line in lines]
    assert all(cell_len(text) <= width for text in texts)
    return texts


def cells(lines: Sequence[str]) -> list[list[str]]:
    """Return the cells of lines, which two blanks or more set apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
