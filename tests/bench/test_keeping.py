"""Is what was measured on disk after each row, so that what ends a benchmark takes no more than the one in flight?"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.matrix import command as matrix_command
from benchmarks.matrix import tables
from benchmarks.matrix.spec import MatrixBench, MatrixBenchSpec
from normzoo.bench.run import run_bench
from normzoo.bench.spec import Bench, BenchSpec
from normzoo.bench.summary import to_markdown
from normzoo.cli import bench as command
from normzoo.cli import main
from normzoo.errors import NormzooError

from .matrix_sample import matrix_bench
from .sample import ENVIRONMENT, bench, measurement

MARK = "**Incomplete: 1 of 3 measured.**"
WHOLE = bench(measurement(), measurement(norm="group"), measurement(mode="eval"))
PART = WHOLE.model_copy(update={"measurements": WHOLE.measurements[:1], "cold": (), "incomplete": "1 of 3"})


def measuring(then: Callable[[], None]) -> Callable[[BenchSpec, Callable[[Bench], None]], Bench]:
    """Return what stands in for ``run_bench``: it measures a part, then something happens, then the rest."""

    def run(spec: BenchSpec, on_measured: Callable[[Bench], None]) -> Bench:  # noqa: ARG001
        on_measured(PART)
        then()
        on_measured(WHOLE)
        return WHOLE

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_row_is_on_disk_before_the_next(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole and marked as a part, in JSON and in the report; what is written at the end has no mark, and no trace."""

    def look() -> None:
        assert sorted(path.name for path in here.iterdir()) == ["b.json", "b.md", "raw.json"]
        for name in ("b.json", "raw.json"):
            assert Bench.model_validate_json(Path(name).read_text()) == PART
        assert MARK in Path("b.md").read_text()

    monkeypatch.setattr(command, "run_bench", measuring(look))
    assert main(["bench", "layers", "--report", "b.md", "--json", "raw.json"]) == 0
    assert Bench.model_validate_json(Path("raw.json").read_text()) == WHOLE
    assert not any("ncomplete" in Path(name).read_text() for name in ("b.json", "b.md", "raw.json"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_where_the_part_is(
    number: signal.Signals, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 130, on one line; SIGTERM is what a limit of time sends."""
    monkeypatch.setattr(command, "run_bench", measuring(lambda: os.kill(os.getpid(), number)))
    assert main(["bench", "layers", "--report", "b.md"]) == 130
    said = "normzoo: interrupted; what was measured so far is kept in b.json, b.md\n"
    assert capsys.readouterr() == ("", said)
    assert Bench.model_validate_json((here / "b.json").read_text()) == PART
    assert main(["bench", "layers"]) == 130
    assert capsys.readouterr().err == "normzoo: interrupted; nothing of the measurement is kept\n"


def test_an_error_says_where_the_part_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After what is wrong; where nothing is kept, it says that alone."""

    def fail() -> None:
        raise NormzooError("the benchmark's process ended with exit code -9:")

    monkeypatch.setattr(command, "run_bench", measuring(fail))
    wrong = "normzoo: error: the benchmark's process ended with exit code -9:\n"
    assert main(["bench", "layers", "--json", "b.json"]) == 2
    assert capsys.readouterr().err == f"{wrong}  what was measured so far is kept in b.json\n"
    assert Bench.model_validate_json((here / "b.json").read_text()) == PART
    assert main(["bench", "layers"]) == 2
    assert capsys.readouterr().err == wrong


@pytest.mark.usefixtures("here")
def test_a_pipe_gets_all_of_it_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A part that was written to it would stand before the whole."""
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr(command, "run_bench", measuring(lambda: None))
    assert main(["bench", "layers", "--json", "pipe"]) == 0
    assert Bench.model_validate_json(os.read(reader, 2**16)) == WHOLE
    os.close(reader)
    assert capsys.readouterr().out.endswith("written: pipe\n")


def test_a_process_that_dies_takes_only_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it told before is known, with how much that is of cases and cold starts."""
    spec = BenchSpec.model_validate({"norms": "RMSNorm", "sizes": "tiny", "dtypes": "float32"})
    lines = [
        f'{{"environment": {{"device": "cpu", "threads": {ENVIRONMENT["threads"]}}}, "copy_bytes_per_second": 1e10}}',
        *(f'{{"measurement": {measurement(auto=time).model_dump_json()}}}' for time in (40, 50)),
    ]
    start = subprocess.Popen

    def dying(words: Sequence[str], **settings: Any) -> "subprocess.Popen[str]":
        assert list(words) == [sys.executable, "-m", "normzoo.bench.worker"]
        return start(["sh", "-c", 'cat > /dev/null; echo "$0"; kill -9 $$', "\n".join(lines)], **settings)

    monkeypatch.setattr(subprocess, "Popen", dying)
    parts: list[Bench] = []
    with pytest.raises(NormzooError, match="the benchmark's process ended with exit code -9"):
        run_bench(spec, parts.append)
    assert [(len(part.measurements), part.incomplete) for part in parts] == [(1, "1 of 5"), (2, "2 of 5")]


def test_a_part_of_the_layers_is_held_against_no_aim() -> None:
    """The mean of some of the cases is not what the aims are about."""
    assert "## Aims" in to_markdown(WHOLE, name="b")
    part = to_markdown(PART, name="b")
    assert MARK in part
    assert "## Aims" not in part


def test_a_part_of_a_matrix_has_tables_with_gaps() -> None:
    """What was not timed is empty, and so is a sum that lacks something."""
    whole = matrix_bench()
    first, second = whole.cells
    begun = second.model_copy(update={"normzoo": (), "peers": {**second.peers, "lightning": (), "bare": ()}})
    part = whole.model_copy(update={"cells": (first, begun), "whole": (), "incomplete": "5 of 27"})
    assert tables.ratios(part).rows == (
        ("cnn", "2", "10.0", "8.00x", "2.00x", "40.0x"),
        ("cnn", "32", "", "", "", ""),
        ("all", "sum", "", "", "", ""),
        ("whole matrix", "training", "", "", "", ""),
        ("whole matrix", "with start-up", "", "", "", ""),
    )
    assert tables.seconds(part).rows[1] == ("cnn", "32", "", "", "", "", "", "400.0")
    assert "**Incomplete: 5 of 27 measured.**" in tables.to_markdown(part, name="m")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (NormzooError("no luck"), 2)])
def test_a_matrix_that_ends_early_keeps_its_steps(
    error: BaseException,
    code: int,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the same means, and it says so in its own name."""
    part = matrix_bench().model_copy(update={"incomplete": "1 of 27"})

    def run(spec: MatrixBenchSpec, on_step: object, on_measured: Callable[[MatrixBench], None]) -> MatrixBench:  # noqa: ARG001
        on_measured(part)
        raise error

    monkeypatch.setattr(matrix_command, "run_matrix_bench", run)
    assert matrix_command.main(["--templates", "cnn", "--json", "m.json"]) == code
    said = capsys.readouterr().err
    kept = "what was measured so far is kept in m.json\n"
    assert (
        said
        == {
            130: f"benchmarks.matrix: interrupted; {kept}",
            2: f"benchmarks.matrix: error: no luck\n  {kept}",
        }[code]
    )
    assert MatrixBench.model_validate_json((here / "m.json").read_text()) == part
