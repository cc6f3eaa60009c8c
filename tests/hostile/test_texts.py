"""Is text from elsewhere, such as errors, names and notes, shown so that it does nothing, and kept as it is?"""

import csv
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli.in_process import call, fill
from cli.synthetic import run_record, run_spec
from report.synthetic import filled
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import Status
from normzoo.experiment.results.reproduce import harmless
from normzoo.experiment.results.store import Store
from normzoo.visible import SafeConsole, as_utf8, one_line, visible

from .stores import COMMAND, ESCAPES, change, make_store

ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
HALF = "\udc80"
TEXT = f"boom {ESCAPES} {HALF} end"
SAID: dict[str, Any] = {
    "error": TEXT,
    "traceback": f"Traceback:\n  {TEXT}\n",
    "notes": (TEXT, f"two\n{TEXT}"),
    "data": (TEXT,),
    "environment": {"cpu": TEXT, "device": f"cpu; {COMMAND}", "torch": TEXT},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with a store of runs that say such things."""
    monkeypatch.chdir(tmp_path)
    matrix = MatrixSpec(templates="cnn", norms="batch,none", batch_sizes="2", seeds=2)
    records = [
        record.model_copy(update={**SAID, "error": None, "traceback": None})
        for record in filled(matrix, lambda *_: 0.5).values()
    ]
    failed = records[-1].model_copy(update={**SAID, "status": Status.FAILED, "epochs": ()})
    fill(tmp_path / "s.sqlite", *records[:-1], failed)
    return tmp_path


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    "command",
    ["runs", "show {failed}", "show {ok}", "diff {ok} {failed}", "export", "export --kind epochs", "report -o r.tex"],
)
@pytest.mark.parametrize("columns", [None, 80])
def test_it_is_shown_and_does_nothing(
    capsys: pytest.CaptureFixture[str], folder: Path, command: str, columns: int | None
) -> None:
    """On a screen, in a pipe, in a table of others, in a report."""
    with Store(folder / "s.sqlite", writable=False) as store:
        keys = {status: key for key, status in store.statuses().items()}
    words = command.format(**keys).split()
    outcome = call(capsys, *words, "--store", "s.sqlite", columns=columns)
    assert outcome.code == 0, outcome.stderr
    written = outcome.stdout + "".join(path.read_text() for path in folder.glob("r.*"))
    assert not ACTING.search(written)
    if "{" in command or command == "export":
        assert "\\x1b]0;PWNED\\x07" in re.sub(r"\s+", "", written)


@pytest.mark.slow
def test_a_page_shows_it(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert call(capsys, "report", "--store", "s.sqlite", "-o", "r.md", "--html").code == 0
    page = (folder / "r.html").read_text()
    assert not ACTING.search(page)
    assert "\\x1b]0;PWNED" in page


def test_json_and_the_store_keep_it_whole(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """JSON has signs of its own for what is not seen."""
    text = call(capsys, "export", "--store", "s.sqlite", "--format", "json").stdout
    assert not ACTING.search(text)
    assert TEXT in [row["error"] for row in json.loads(text)]
    with Store(folder / "s.sqlite", writable=False) as store:
        records = store.records(list(store.statuses())).values()
    assert [record.error for record in records if record.error] == [TEXT]
    assert {record.notes for record in records} == {SAID["notes"]}


def test_csv_has_it_in_one_field(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call(capsys, "export", "--store", folder / "s.sqlite").stdout)))
    assert visible(TEXT) in [row["error"] for row in rows]


def test_names_that_utf8_does_not_have_are_kept(tmp_path: Path) -> None:
    """Of files, in settings and in the command."""
    name = f"npz:a{HALF}.npz"
    configuration = Configuration(
        MatrixSpec(dataset=name), Execution(store=Path(f"s{HALF}.sqlite"), data_root=Path(f"d{HALF}"))
    )
    record = run_record(run_spec(norm=f"my{HALF}:Norm"))
    with Store(tmp_path / "s.sqlite") as store:
        store.add(record)
        number = store.add_comparison(f"normzoo compare --dataset {name}", configuration, [record.spec.key])
        assert store.add_comparison(f"normzoo compare --dataset {name}", configuration, [record.spec.key]) == number
        assert store.records([record.spec.key]) == {record.spec.key: record}
        (comparison,) = store.comparisons()
    assert (comparison.matrix, comparison.execution) == (configuration.matrix, configuration.execution)
    assert comparison.command == "normzoo compare --dataset npz:a\\udc80.npz"


@pytest.mark.parametrize("sign", [chr(number) for number in (*range(32), 127, 0x9B, 0x202E, 0xD800)])
def test_no_sign_acts(sign: str) -> None:
    """But for tab and new line, which only set text."""
    shown = visible(f"a{sign}b")
    assert shown == f"a{sign}b" if sign in "\t\n" else not ACTING.search(shown)
    assert "\n" not in one_line(f"a{sign}b")
    assert as_utf8(f"a{sign}b").encode()


@pytest.mark.parametrize("text", ["grün", "日本語", "👩‍🔬", "a\tb", "\u03bc ± 1"])
def test_what_is_only_text_stays(text: str) -> None:
    assert visible(text) == text


def test_styles_pass_and_text_does_not_act() -> None:
    """On a terminal, also in what is shown live."""
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=True, color_system="standard", width=200, markup=False)
    console.print(ESCAPES, style="red", highlight=False)
    with Live(Panel(Text(ESCAPES)), console=console, auto_refresh=False):
        pass
    written = file.getvalue()
    assert "\x1b[31m\\x1b]0;PWNED\\x07" in written
    assert "\x1b]0" not in written
    assert "\x07" not in written
    assert "\u202e" not in written


def shell(folder: Path, lines: list[str]) -> None:
    """Paste lines into a shell in which normzoo does nothing."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "normzoo").write_text("#!/bin/sh\n")
    (folder / "bin" / "normzoo").chmod(0o755)
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    subprocess.run(["/bin/sh", "-c", "\n".join(lines)], cwd=folder, env={"PATH": path}, check=False)


COMMANDS = ["normzoo compare", "loop", "normzoo compare --norms 'batch", "$(loop)", "`loop`", "normzoo\ncompare"]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("command", COMMANDS)
def test_a_stored_command_that_is_pasted_is_one_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    """Whatever the store says that it was."""
    make_store(tmp_path / "s.sqlite")
    for joint in ("; ", " && ", "\n", " | "):
        evil = f"{command}{joint}touch PWNED"
        change(tmp_path / "s.sqlite", "UPDATE sweeps SET command = ?", evil)
        shown = call(capsys, "runs", "--store", tmp_path / "s.sqlite").stdout.splitlines()[1]
        shell(tmp_path, [harmless(evil), shown.split(" ok  ")[1]])
        assert not (tmp_path / "PWNED").exists()


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    "change_it",
    [
        {"engine": COMMAND},
        {"environment": {"device": COMMAND}},
        {"environment": {"device": f"cpu {COMMAND}"}},
    ],
    ids=str,
)
def test_the_command_that_trains_a_run_again_has_known_words_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change_it: dict[str, Any]
) -> None:
    """Also of a record in the form of an older normzoo."""
    make_store(tmp_path / "s.sqlite")
    database = tmp_path / "s.sqlite"
    for name, value in change_it.items():
        change(database, f"UPDATE runs SET record = json_set(record, '$.{name}', json(?))", json.dumps(value))  # noqa: S608
    with Store(database, writable=False) as store:
        key = next(iter(store.statuses()))
    shown = call(capsys, "show", key, "--store", database).stdout
    lines = [line.strip() for line in shown.splitlines() if line.strip().startswith("normzoo ")]
    assert "PWNED" not in "".join(lines)
    shell(tmp_path, lines)
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.slow_but_one
@pytest.mark.parametrize("value", [COMMAND, "$(touch PWNED)", "`touch PWNED`", "a'; touch PWNED; '"])
def test_how_to_reproduce_is_one_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """With what a comparison of the store was trained on as one word."""
    monkeypatch.setattr("normzoo.report.planned_plots", lambda *_: [])  # which take long
    database = make_store(tmp_path / "s.sqlite")
    change(database, "UPDATE sweeps SET matrix = json_set(matrix, '$.dataset', ?)", f"npz:{value}")
    assert call(capsys, "report", "--store", database, "-o", tmp_path / "r.md").code == 0
    report = (tmp_path / "r.md").read_text()
    lines = [line for line in report.splitlines() if line.startswith("normzoo ")]
    assert "PWNED" in "".join(lines)
    shell(tmp_path, lines)
    assert not (tmp_path / "PWNED").exists()
