"""Does a command make sense where streams are closed or full, folders are gone, and names are as long as they get?"""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command import COMMAND, environment, run_here, stored

from normzoo.cli import main
from normzoo.cli._console import _Forgiving, steady_streams

from .stores import make_store

FULL = "normzoo: error: the output cannot be written: No space left on device\n"


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell in which ``normzoo`` is the command."""
    script = f'normzoo() {{ "{COMMAND[0]}" {" ".join(COMMAND[1:])} "$@"; }}\n{line}'
    words, surroundings = ["/bin/sh", "-c", script], environment()
    return subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "code", "stderr"),
    [
        ("normzoo runs --store s.sqlite >&-", 0, ""),
        ("normzoo runs --store s.sqlite >&- 2>&- <&-", 0, ""),
        ("normzoo runs --store s.sqlite >/dev/full", 2, FULL),
        ("normzoo export --store s.sqlite >/dev/full", 2, FULL),
        ("normzoo list >/dev/full", 2, FULL),
        ("normzoo --help >/dev/full", 2, FULL),
        ("{ normzoo list; echo $? >&2; } | true", 0, "0\n"),
        ("{ normzoo explain batch --details; echo $? >&2; } | true", 0, "0\n"),
        ("normzoo runs --store none.sqlite 2>&-", 2, ""),
        ("normzoo runs --store none.sqlite 2>/dev/full", 2, ""),
        ("env -u HOME true; unset HOME; normzoo runs --store s.sqlite >&-", 0, ""),
        ("export TMPDIR=/nowhere; normzoo report --store s.sqlite -o r.tex >&-", 0, ""),
        (
            "mkdir gone; cd gone; rmdir ../gone; normzoo runs",
            2,
            "normzoo: error: the working folder is not there any more (No such file or directory); change into one "
            "that is\n",
        ),
    ],
)
def test_a_command_says_a_line_at_most(tmp_path: Path, line: str, code: int, stderr: str) -> None:
    make_store(tmp_path / "s.sqlite")
    before = (tmp_path / "s.sqlite").read_bytes()
    done = shell(tmp_path, line)
    assert (done.returncode, done.stderr) == (code, stderr)
    assert (tmp_path / "s.sqlite").read_bytes() == before


TRAINING = "--norms batch,none --templates mlp:widths=8 --batch-sizes 64 --seeds 1 --epochs 1 --device cpu --jobs 1"


@pytest.mark.slow
def test_what_was_trained_is_kept_though_nothing_can_be_said_of_it(tmp_path: Path) -> None:
    """Where all streams are closed, whose numbers pipes and files then have."""
    shell(tmp_path, f"normzoo compare {TRAINING} --report r.tex >&- 2>&- <&-")
    assert [record.status for record in stored(tmp_path).values()] == ["ok", "ok"]
    assert (tmp_path / "r.tex").exists()


LONG = "x" * 5000


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    "words",
    [
        ["runs", "--store", LONG],
        ["show", "abc", "--store", LONG],
        ["diff", "a", "b", "--store", LONG],
        ["export", "--store", LONG],
        ["report", "--store", LONG, "-o", "r.md"],
        ["report", "--store", "s.sqlite", "-o", f"{LONG}.md"],
        ["export", "--store", "s.sqlite", "-o", f"{LONG}.csv"],
        ["explain", "batch", "--svg", f"{LONG}.svg"],
        ["merge", "s.sqlite", "--into", LONG],
        ["merge", LONG, "--into", "new.sqlite"],
        ["compare", "--store", LONG, "--dry-run"],
        ["compare", "--store", LONG],
        ["compare", "--report", f"{LONG}.md"],
        ["compare", "--config", LONG],
        ["compare", "--norms", LONG],
        ["compare", "--dataset", f"npz:{LONG}"],
        ["explain", LONG],
        [LONG],
        ["runs", f"--{LONG}"],
    ],
    ids=lambda words: " ".join(word[:10] for word in words),
)
def test_a_name_of_thousands_of_characters_is_refused_in_a_line(tmp_path: Path, words: list[str]) -> None:
    make_store(tmp_path / "s.sqlite")
    outcome = run_here(tmp_path, *words)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("normzoo: error: ")
    assert outcome.stderr.count("\n") == 1
    assert len(outcome.stderr) < 2000
    assert {path.name for path in tmp_path.iterdir()} <= {"s.sqlite", "normzoo.sqlite"}


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_output_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By one line on stderr, unless that is full as well."""
    make_store(tmp_path / "s.sqlite")
    monkeypatch.setattr(sys, "stdout", Full())
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    words = ["export", "--store", str(tmp_path / "s.sqlite")]
    assert (main(words), said.getvalue()) == (2, FULL)
    monkeypatch.setattr(sys, "stderr", Full())
    assert main(words) == 2


@pytest.mark.slow
def test_what_was_trained_is_kept_where_streams_are_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", Full())
    assert main(["compare", *TRAINING.split(), "--report", "r.tex"]) == 0
    assert [record.status for record in stored(tmp_path).values()] == ["ok", "ok"]
    assert (tmp_path / "r.tex").exists()


def test_what_cannot_be_said_on_the_side_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    with steady_streams():
        sys.stderr.write("x")
        sys.stderr.writelines(["x"])
        sys.stderr.flush()
        assert not sys.stderr.isatty()
    assert isinstance(sys.stderr, Full)
    assert _Forgiving(io.StringIO()).write("abc") == 3


@pytest.mark.slow
def test_what_is_closed_leads_nowhere() -> None:
    """No file that is opened takes its number."""
    code = (
        "import os, sys\nos.close(0)\nos.close(1)\nsys.stdout = None\nfrom normzoo.cli._console import steady_streams\n"
        "with steady_streams():\n    print('lost')\n    file = open(os.devnull)\nsys.exit(file.fileno() < 3)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
