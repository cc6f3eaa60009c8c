"""One matrix in which everything goes wrong that can, beside a norm that does not."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from normzoo.experiment.results.records import RunRecord

from .command import Outcome, compare_here, stored

TROUBLES = ("Raising", "Killed", "Greedy", "Spoiling", "Sleeping")
MATRIX = (
    *("--norms", ",".join(["none", *(f"troubled:{name}" for name in TROUBLES)])),
    *("--seeds", "2", "--templates", "cnn", "--timeout", "8", "--strategy", "sequential"),
)


@dataclass(frozen=True)
class Trouble:
    """The matrix, and what ``--rerun failed`` makes of it once the norms are mended."""

    outcome: Outcome
    records: dict[str, RunRecord]
    mended_outcome: Outcome
    mended_records: dict[str, RunRecord]


def get_into_trouble(folder: Path) -> Trouble:
    """Play it."""
    shutil.copy(Path(__file__).with_name("troubled.py"), folder)
    outcome, records = compare_here(folder, *MATRIX), stored(folder)
    (folder / "mended").touch()
    return Trouble(outcome, records, compare_here(folder, *MATRIX, "--rerun", "failed"), stored(folder))
