"""Is what goes to a file or a pipe free of blanks at the ends of lines, whatever the command?"""

import re
from pathlib import Path

import pytest

from normzoo.cli import doctor

from .in_process import call, fill
from .synthetic import run_record, run_spec
from .test_invocation import COMMANDS

ONE = run_record(losses=(2.0, 1.0), notes=("a note",), environment={"torch": "2.9"})
OTHER = run_record(run_spec(seed=1, norm="none"), "failed", losses=(), error="no memory", traceback="line\n line")
LINES = (
    "--help",
    "compare --help",
    "compare --show-config",
    "runs --store s.sqlite",
    "runs --store s.sqlite --comparison 1 --status ok",
    f"show {ONE.spec.key} --store s.sqlite",
    f"show {OTHER.spec.key} --store s.sqlite",
    f"diff {ONE.spec.key} {OTHER.spec.key} --store s.sqlite",
    "export --store s.sqlite",
    "merge s.sqlite --into t.sqlite",
    "explain batch,group:groups=4",
    "list",
    "bench layers --help",
    "doctor",
)


def test_every_command_is_asked() -> None:
    """The tables of those that train and measure are asked for where these are tested; all words of a report are."""
    for command in set(COMMANDS) - {("report",)}:
        assert any(line.startswith(" ".join(command)) for line in LINES), command


@pytest.mark.slow_but_one
@pytest.mark.parametrize("line", LINES)
def test_no_line_ends_in_blanks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """On stdout and on stderr, in tables whose last column is narrower in some rows, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "probe", lambda *_: doctor.Probed({}, []))
    fill(Path("s.sqlite"), ONE, OTHER)
    outcome = call(capsys, *line.split())
    assert outcome.code == 0 or line == "doctor"
    assert outcome.stdout
    assert re.findall(r".*[ \t]\n", outcome.stdout + outcome.stderr) == []
