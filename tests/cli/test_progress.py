"""Does whoever watches get the display that suits them?"""

import io
from pathlib import Path

import pytest
from rich.console import Console

from normzoo.cli._live import LiveProgress
from normzoo.cli._plain_progress import PlainProgress
from normzoo.cli._progress import progress_for
from normzoo.experiment.plan import Plan
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import expand, plan
from normzoo.experiment.results.store import Store

from .displays import FACTS, cells, matrix, picture, record

MATRIX = matrix(templates=("cnn",), batch_sizes=(4,), norms=("batch", "none"))
RUNS = expand(MATRIX, FACTS, {})


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def plan_without(done: set[str]) -> Plan:
    """Return the plan of the runs that are not done."""
    prepared = Prepared(dataset=FACTS, device="cpu", gpus=0, norm_sources={}, environment={})
    return Plan(prepared, RUNS, plan(RUNS, done, FACTS.train), 0, 1, [])


@pytest.mark.parametrize(
    ("file", "variables", "kind"),
    [
        (Screen(), {"TERM": "xterm"}, LiveProgress),
        (Screen(), {"TERM": "xterm", "NO_COLOR": "1"}, LiveProgress),
        (Screen(), {"TERM": "dumb"}, PlainProgress),
        (Screen(), {"TERM": "xterm", "TTY_INTERACTIVE": "0"}, PlainProgress),
        (io.StringIO(), {"TERM": "xterm"}, PlainProgress),
        (io.StringIO(), {"TERM": "xterm", "FORCE_COLOR": "1"}, PlainProgress),
    ],
    ids=["terminal", "NO_COLOR", "dumb", "not interactive", "file", "FORCE_COLOR"],
)
def test_the_live_display_is_for_terminals_that_can(
    file: io.StringIO, variables: dict[str, str], kind: type, tmp_path: Path
) -> None:
    """Colours that are forced make no terminal of a file."""
    console = Console(file=file, _environ=variables)
    with Store(tmp_path / "store") as store:
        assert isinstance(progress_for(MATRIX, plan_without(set()), store, console), kind)


def test_what_the_store_holds_is_shown_at_once(tmp_path: Path) -> None:
    """Unless it is trained again."""
    with Store(tmp_path / "store") as store:
        for run in RUNS[:4]:
            store.add(record(run, 0.9))
        done = {run.key for run in RUNS[:3]}
        display = progress_for(MATRIX, plan_without(done), store, Console(file=Screen(), _environ={"TERM": "xterm"}))
    assert isinstance(display, LiveProgress)
    lines = cells(picture(display, 80))
    assert lines[2:4] == [["batch", "90.0 (3/3)"], ["none", "-"]]
