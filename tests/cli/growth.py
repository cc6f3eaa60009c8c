"""One store over the life of a comparison: made, repeated, widened, reported, trained anew."""

from dataclasses import dataclass
from pathlib import Path

from normzoo.experiment.results.records import RunRecord

from .command import Outcome, compare_here, merged, run, run_here, stored
from .terminal import run_here_in_terminal

FIRST = ("--norms", "none,batch", "--seeds", "1", "--jobs", "2")
WIDER = ("--norms", "none,batch,layer", "--seeds", "1", "--batch-sizes", "64,128")
SEEDS = ("--norms", "none,batch", "--seeds", "2", "--report", "reports/digits.md")
DRY = ("--norms", "none,batch,layer", "--seeds", "2", "--batch-sizes", "64,128", "--dry-run")
ANEW = ("--norms", "none", "--seeds", "1", "--templates", "cnn", "--rerun", "all")

Records = dict[str, RunRecord]


@dataclass(frozen=True)
class Step:
    """What a command said, and the store's records after it."""

    outcome: Outcome
    records: Records


@dataclass(frozen=True)
class Growth:
    """The steps, in order; ``anew`` is in a terminal."""

    folder: Path
    first: Step
    again: Step
    wider: Step
    seeds: Step
    dry: Step
    anew: Step
    ascii: Outcome
    latest: Outcome
    earliest: Outcome
    against: Outcome
    nowhere: Outcome
    absent: Outcome
    whole: Outcome
    ambiguous: Outcome


def grow(folder: Path) -> Growth:
    """Play it: a process where the encoding is asked about."""

    def step(*arguments: str) -> Step:
        return Step(compare_here(folder, *arguments), stored(folder))

    return Growth(
        folder=folder,
        first=step(*FIRST),
        again=step(*FIRST),
        wider=step(*WIDER),
        seeds=step(*SEEDS),
        dry=step(*DRY),
        anew=Step(run_here_in_terminal(folder, "compare", *merged(*ANEW)), stored(folder)),
        ascii=run(folder, "compare", *merged(*ANEW[:-2]), PYTHONIOENCODING="ascii"),
        latest=run_here(folder, "report", "-o", "latest.md"),
        earliest=run_here(folder, "report", "--comparison", "1", "--output", "made/for/it/earliest.md", "--html"),
        against=run_here(folder, "report", "--comparison", "3", "-o", "against.md", "--baseline", "batch"),
        nowhere=run_here(folder, "report", "-o", "nowhere.md", "--baseline", "layer"),
        absent=run_here(folder, "report", "--comparison", "99", "-o", "absent.md"),
        whole=run_here(folder, "report", "--all", "-o", "whole.md"),
        ambiguous=run_here(folder, "report", "--all", "--comparison", "1,2", "-o", "ambiguous.md"),
    )
