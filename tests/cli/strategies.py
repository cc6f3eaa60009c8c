"""A comparison trained one by one and side by side, stacks in trouble, learning rates to choose from."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from .command import Outcome, compare_here, stored
from .growth import Step

CNN = ("--templates", "cnn")
SEQUENTIAL = (*CNN, "--norms", "none,batch", "--seeds", "2", "--jobs", "2", "--strategy", "sequential")
STACKED = (*CNN, "--norms", "none,batch", "--seeds", "2", "--jobs", "1")
MORE = (*CNN, "--norms", "none,batch,layer", "--seeds", "3")
ELSEWHERE = (*CNN, "--norms", "layer,none", "--seeds", "2", "--jobs", "2", "--strategy", "stacked")
TROUBLES = (
    *(*CNN, "--norms", "none,troubled:Raising,troubled:Killed", "--seeds", "2"),
    *("--strategy", "stacked"),
)
SWEEP = (*CNN, "--norms", "none", "--seeds", "2", "--lrs", "1e9,0.05", "--report", "sweep.md", "--strategy", "stacked")
OWN = (*CNN, "--norms", "none,unstackable:Deciding", "--seeds", "2")

UNSTACKABLE = """
from torch import nn

class Deciding(nn.Identity):
    def forward(self, x):
        return x if x.sum() > 0 else 2 * x
"""


@dataclass(frozen=True)
class Strategies:
    """What each command left, in order."""

    sequential: Step
    preview: Outcome
    stacked: Step
    more: Step
    elsewhere: Step
    trouble: Step
    sweep: Step
    report: str
    own: Step
    beside: Step


def by_each_strategy(folder: Path) -> Strategies:
    """Play it."""

    def step(place: str, *arguments: str) -> Step:
        (folder / place).mkdir(exist_ok=True)
        return Step(compare_here(folder / place, *arguments), stored(folder / place))

    (folder / "trouble").mkdir()
    shutil.copy(Path(__file__).with_name("troubled.py"), folder / "trouble")
    (folder / "own").mkdir()
    (folder / "beside").mkdir()
    for place in ("own", "beside"):
        (folder / place / "unstackable.py").write_text(UNSTACKABLE)
    step("beside", *CNN, "--norms", "none", "--seeds", "2", "--strategy", "stacked")
    return Strategies(
        sequential=step("here", *SEQUENTIAL),
        preview=compare_here(folder / "here", *STACKED, "--dry-run"),
        stacked=step("here", *STACKED),
        more=step("here", *MORE),
        elsewhere=step("elsewhere", *ELSEWHERE),
        trouble=step("trouble", *TROUBLES),
        sweep=step("sweep", *SWEEP),
        report=(folder / "sweep" / "sweep.md").read_text(encoding="utf-8"),
        own=step("own", *OWN),
        beside=step("beside", *OWN),
    )
