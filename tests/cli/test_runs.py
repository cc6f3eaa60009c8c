"""Does `normzoo runs` list what is in a store?"""

import time
from pathlib import Path

import pytest
from rich.console import Console

from normzoo.cli._tables import plain_table, table_lines
from normzoo.experiment.config.environment import describe_environment
from normzoo.experiment.results.records import Status
from normzoo.experiment.results.store import Store

from .in_process import call, cells, fill
from .synthetic import run_record, run_spec

LONG = "my_own_package.research.normalization.second_attempt:MyVeryOwnNormalizationLayer:gain=2"
OK = run_record(run_spec(seed=1, norm="batch", batch_size=2), started_at="2025-01-01T00:00:00+00:00")
DIVERGED = run_record(run_spec(seed=2), "diverged", losses=(2.0, float("nan")), started_at="2025-01-02T00:00:00+00:00")
FAILED = run_record(
    run_spec(seed=3, norm="group:groups=4", template="lstm"),
    "failed",
    losses=(),
    error="ValueError: [red]",
    started_at="2025-01-03T00:00:00+00:00",
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.sqlite"
    fill(path, OK, DIVERGED, absent=["feedfeedfeedfeed"], command="normzoo compare --norms [red]x")
    return fill(path, FAILED)


def test_comparisons_are_listed_with_their_runs_by_status(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    """Also those that are not there yet; commands with each word quoted."""
    header, first, second, *_ = cells(call(capsys, "runs", "--store", store).stdout)
    assert header == ["comparison", "began (UTC)", "runs", "command"]
    assert (first[0], first[2], first[3]) == (
        "1",
        "1 ok, 1 diverged, 1 not there",
        "normzoo compare --norms '[red]x'",
    )
    assert (second[0], second[2]) == ("2", "1 failed")


def test_a_run_is_listed_with_all_its_columns_where_there_is_room(
    capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    """As in a pipe; the oldest first."""
    lines = cells(call(capsys, "runs", "--store", store).stdout)
    start = next(index for index, line in enumerate(lines) if line[0] == "key")
    shown = [dict(zip(lines[start], line, strict=True)) for line in lines[start + 1 : start + 4]]
    assert shown[0] == {
        "key": OK.spec.key[:7],
        "status": "ok",
        "template": "cnn",
        "norm": "batch",
        "dataset": "digits",
        "batch": "2",
        "seed": "1",
        "lr": "0.05",
        "test": "25.0 %",
        "seconds": "1.0",
        "strategy": "stacked",
        "began (UTC)": "2025-01-01 00:00",
    }
    assert [line["key"] for line in shown] == [record.spec.key[:7] for record in (OK, DIVERGED, FAILED)]
    assert [line["test"] for line in shown] == ["25.0 %", "-", "-"]


def test_numbers_end_at_the_right_of_their_column(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    lines = call(capsys, "runs", "--store", store, "--comparison", "1").stdout.splitlines()
    header, *rows = lines[next(index for index, line in enumerate(lines) if line.startswith("key")) :][:3]
    for name in ("batch", "seed", "lr", "test", "seconds"):
        last = header.index(f" {name} ") + len(name)
        assert " " not in [row[last] for row in rows], name


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("--comparison 1", [OK, DIVERGED]),
        ("--comparison 2", [FAILED]),
        ("--status failed,diverged", [DIVERGED, FAILED]),
        ("--norm group", [DIVERGED, FAILED]),
        ("--norm group:groups=8", [DIVERGED]),
        ("--norm batch,group:groups=4", [OK, FAILED]),
        ("--template lstm", [FAILED]),
        ("--comparison 1 --status diverged --norm group", [DIVERGED]),
        ("--status timeout", []),
        ("--norm none", []),
    ],
)
def test_filters_select_runs(
    capsys: pytest.CaptureFixture[str], store: Path, arguments: str, found: list[object]
) -> None:
    """Several of them must all hold."""
    lines = cells(call(capsys, "runs", "--store", store, *arguments.split()).stdout)
    keys = {record.spec.key[:7]: record for record in (OK, DIVERGED, FAILED)}
    assert [keys[line[0]] for line in lines if line[0] in keys] == found
    assert any("No runs match." in line for line in lines) == (not found)


def test_no_column_is_lost_silently_in_a_narrow_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An import path is folded, nothing is wider than the terminal, and what does not fit is named."""
    record = run_record(run_spec(norm=LONG, sources={"norm": "abc"}))
    outcome = call(capsys, "runs", "--store", fill(tmp_path / "s.sqlite", record), columns=80)
    lines = outcome.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    start = next(index for index, line in enumerate(lines) if line.startswith("key"))
    at = lines[start].index("norm")
    end = next(index for index, line in enumerate(lines) if line.startswith("Not shown"))
    folded = "".join(line[at:].split()[0] for line in lines[start + 1 : end])
    assert folded == LONG
    told = " ".join(" ".join(lines[end:]).split())
    assert told.startswith(
        "Not shown in 80 columns: dataset, all digits; seconds, all 1.0; strategy, all stacked; "
        "began (UTC), all 2025-01-01 00:00."
    )


def test_lines_are_those_of_the_table_that_would_take_long(capsys: pytest.CaptureFixture[str]) -> None:
    """Also of signs that are two columns wide, that act on a terminal, or that do not fit."""
    columns = {"norm": ["batch", "層" * 9, "", "\x1b[2J"], "lr": ["0.1", "", "-", "0.025"], "at": ["a b", "x", "", "y"]}
    for width in (60, 24):
        console = Console(width=width, color_system=None, emoji=False)
        rows = list(zip(*columns.values(), strict=True))
        console.print(plain_table(list(columns), rows, right=("lr",), fold=("norm",)))
        expected = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
        assert list(table_lines(columns, width=width, right=("lr",), fold="norm")) == expected


def test_the_limit_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The latest runs are listed, twenty unless told otherwise."""
    path = tmp_path / "s.sqlite"
    records = [run_record(run_spec(seed=seed), started_at=f"2025-01-01T00:00:{seed:02d}+00:00") for seed in range(30)]
    fill(path, *records)
    *_, last = call(capsys, "runs", "--store", path).stdout.splitlines()
    assert last == "30 runs: 30 ok. Listed are the latest 20; --limit lists more."
    few = cells(call(capsys, "runs", "--store", path, "--limit", "2").stdout)
    assert [line[0] for line in few[-3:-1]] == [record.spec.key[:7] for record in records[-2:]]
    *_, last = call(capsys, "runs", "--store", path, "--comparison", "1").stdout.splitlines()
    assert last == "30 runs: 30 ok."


def test_a_store_without_runs_is_no_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It says what fills it."""
    Store(tmp_path / "s.sqlite").close()
    outcome = call(capsys, "runs", "--store", tmp_path / "s.sqlite")
    assert outcome.code == 0
    assert outcome.stdout == "There are no runs in the store yet; `normzoo compare` trains some.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--comparison 9", "holds no comparison 9; it holds 1 to 2"),
        ("--status faild", "unknown status 'faild'; did you mean 'failed'?"),
        ("--norm bach", "unknown norm 'bach'; did you mean 'batch'?"),
        ("--template cn", "unknown template 'cn'; did you mean 'cnn'?"),
        ("--limit 0", 'Invalid value "0" for --limit'),
    ],
)
def test_what_there_is_not_is_refused(
    capsys: pytest.CaptureFixture[str], store: Path, arguments: str, message: str
) -> None:
    """In one line."""
    outcome = call(capsys, "runs", "--store", store, *arguments.split())
    assert (outcome.code, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert message in line


@pytest.mark.parametrize("arguments", ["runs", "show 0", "diff 0 1", "export", "merge nowhere.sqlite --into x.sqlite"])
def test_a_store_that_is_not_there_is_refused_by_every_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    """None makes one by asking for it."""
    monkeypatch.chdir(tmp_path)
    where = [] if arguments.startswith("merge") else ["--store", "nowhere.sqlite"]
    outcome = call(capsys, *arguments.split(), *where)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("normzoo: error: store: there is no 'nowhere.sqlite'; ")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_ten_thousand_runs_are_listed_in_no_time(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By the time of the processor; keys are as long as it takes to tell them apart."""
    environment = describe_environment()
    statuses = [Status.OK] * 4 + [Status.DIVERGED]
    one = run_record(losses=(2.0, 1.5, 1.0, 0.5), environment=environment)
    records = [
        one.model_copy(update={"spec": run_spec(seed=seed), "status": statuses[seed % 5]}) for seed in range(10_000)
    ]
    path = fill(tmp_path / "s.sqlite", *records)
    start = time.process_time()
    outcome = call(capsys, "runs", "--store", path)
    taken = time.process_time() - start
    assert taken < 2, f"took {taken:.1f} s"
    lines = cells(outcome.stdout)
    assert lines[1][2] == "8,000 ok, 2,000 diverged"
    assert lines[-1][0].startswith("10,000 runs: 8,000 ok, 2,000 diverged.")
    shown = [line[0] for line in lines[3:-1]]
    assert len(shown) == 20
    keys = [record.spec.key for record in records]
    assert all(sum(key.startswith(start) for key in keys) == 1 for start in shown)
