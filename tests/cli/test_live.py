"""Does the live display draw what it is told, and stay out of the way of what it shows?"""

import io
import signal
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live
from rich.status import Status

from normzoo.experiment.executor.protocol import Slots
from normzoo.experiment.plan import Plan
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.planning.groups import expand, group
from normzoo.experiment.results.store import Store
from normzoo.interrupts import interrupts_raised
from normzoo.metric import ACCURACY
from normzoo.progress.live import LiveProgress, preparing, progress_for
from normzoo.progress.plain import PlainProgress

from .displays import FACTS, cells, epoch, matrix, picture, record, runs_of, state_of, terminal

MATRIX = matrix()
RUNS = runs_of(MATRIX)


def test_it_shows_each_event_at_the_next_picture() -> None:
    """Waiting, in flight, after an epoch, in: the cell and the bars follow."""
    display = LiveProgress(state_of(MATRIX), terminal(80, 24))

    def cell_and_count() -> tuple[str, str]:
        lines = picture(display, 80)
        (bar,) = (line for line in lines if line.startswith("runs"))
        return " ".join(lines[2].split()[2:-1]), bar.split(",")[0].split()[-1]

    assert cell_and_count() == ("-", "0/36")
    display.started(RUNS[0])
    assert cell_and_count() == ("~ (0/3)", "0/36")
    display.epoch(RUNS[0], epoch(1, 0.75))
    assert cell_and_count() == ("~75.0 (0/3)", "0/36")
    display.finished(record(RUNS[0], 0.9))
    assert cell_and_count() == ("90.0 (1/3)", "1/36")


def test_an_event_draws_nothing() -> None:
    """However many there are: drawing is left to a thread that does so four times a second."""
    console = terminal(80, 24)
    with LiveProgress(state_of(MATRIX), console) as display:
        begin = time.monotonic()
        for run in expand(MATRIX, FACTS):
            display.started(run)
            display.finished(record(run, 0.9))
        passed = time.monotonic() - begin
        pictures = console.file.getvalue().count("\x1b[H")  # type: ignore[attr-defined]
    assert pictures <= 3 + 5 * passed


def test_while_the_data_is_read_it_says_how_far_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal alone; a bar takes the place of what it says before and after."""
    shown: list[str] = []
    monkeypatch.setattr(Status, "update", lambda _, text: shown.append(" ".join(picture(text, 80))))
    with preparing(terminal(80, 24)) as show:
        show(1, 4)
        show(4, 4)
    assert shown[0].startswith("reading the data ━━━")
    assert "1/4" in shown[0]
    assert shown[1].startswith("loading torch and the data")
    nobody = Console(file=io.StringIO())
    with preparing(nobody) as show:
        show(1, 4)
    assert nobody.file.getvalue() == ""  # type: ignore[attr-defined]


def test_without_colours_it_uses_none() -> None:
    """https://no-color.org: bold and dim may stay."""
    console = terminal(80, 24, no_color=True, color_system=None)
    state = state_of(MATRIX)
    state.finished(record(RUNS[0], "diverged"))
    with LiveProgress(state, console):
        pass
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "- (0/3, 1!)" in written
    assert "\x1b[3" not in written


def test_ctrl_c_as_it_begins_leaves_the_terminal_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cursor and the first screen are back although the display was never entered."""
    console, start = terminal(80, 24), Live.start

    def interrupted_start(live: Live, refresh: bool = False) -> None:
        signal.raise_signal(signal.SIGINT)
        start(live, refresh)

    monkeypatch.setattr(Live, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt), interrupts_raised(), LiveProgress(state_of(MATRIX), console):
        pytest.fail("it was entered")
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert written.rindex("\x1b[?1049l") > written.rindex("\x1b[?1049h")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_ctrl_c_as_it_ends_waits_until_the_terminal_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is answered then."""
    console, stop = terminal(80, 24), Live.stop

    def interrupted_stop(live: Live) -> None:
        signal.raise_signal(signal.SIGINT)
        stop(live)

    monkeypatch.setattr(Live, "stop", interrupted_stop)
    with pytest.raises(KeyboardInterrupt), interrupts_raised(), LiveProgress(state_of(MATRIX), console):
        pass
    assert console.file.getvalue().endswith("\x1b[?1049l")  # type: ignore[attr-defined]


SMALL = matrix(templates=("cnn",), batch_sizes=(4,), norms=("batch", "none"))
SMALL_RUNS = expand(SMALL, FACTS)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def plan_without(done: set[str]) -> Plan:
    """Return the plan of the runs that are not done."""
    prepared = Prepared(FACTS, sources={}, networks={}, metrics=(ACCURACY,), device="cpu", environment={})
    return Plan(SMALL, prepared, SMALL_RUNS, group(SMALL_RUNS, done, FACTS.train), Slots(1, 1), [])


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
        assert isinstance(progress_for(SMALL, plan_without(set()), store, console), kind)


def test_what_the_store_holds_is_shown_at_once(tmp_path: Path) -> None:
    """Unless it is trained again."""
    with Store(tmp_path / "store") as store:
        for run in SMALL_RUNS[:4]:
            store.add(record(run, 0.9))
        done = {run.key for run in SMALL_RUNS[:3]}
        display = progress_for(SMALL, plan_without(done), store, Console(file=Screen(), _environ={"TERM": "xterm"}))
    assert isinstance(display, LiveProgress)
    lines = cells(picture(display, 80))
    assert lines[2:4] == [["cnn", "batch", "90.0 (3/3)"], ["none", "-"]]
