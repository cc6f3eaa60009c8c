"""Does `normzoo diff` say in what two runs differ, and nothing else?"""

import math
from pathlib import Path

import pytest

from normzoo.experiment.results.records import RunRecord

from .in_process import call, cells, fill
from .synthetic import run_record, run_spec

ENVIRONMENT = {"torch": "2.9", "cpu": "some processor"}


def diff(capsys: pytest.CaptureFixture[str], folder: Path, a: RunRecord, b: RunRecord) -> list[list[str]]:
    """Return the cells of what it says of a run in one store and a run in another."""
    stores = [fill(folder / f"{name}.sqlite", record) for name, record in (("a", a), ("b", b))]
    outcome = call(capsys, "diff", a.spec.key, b.spec.key, "--store", stores[0], "--other", stores[1])
    assert (outcome.code, outcome.stderr) == (0, "")
    return cells(outcome.stdout)


def test_what_differs_is_listed_part_by_part(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With both values, and the change of what was measured."""
    a = run_record(run_spec(norm="batch"), environment=ENVIRONMENT, seconds=1.5)
    b = run_record(
        run_spec(norm="none", strategy="sequential"),
        losses=(2.0,),
        environment={**ENVIRONMENT, "torch": "2.10"},
        members=2,
    )
    lines = diff(capsys, tmp_path, a, b)
    assert lines == [
        ["A", a.spec.key, "cnn, batch, batch size 32, seed 0"],
        ["B", b.spec.key, "cnn, none, batch size 32, seed 0"],
        ["Configuration", "A", "B"],
        ["norm", "batch", "none"],
        ["strategy", "stacked", "sequential"],
        ["Results", "A", "B", "B - A"],
        ["last.train_loss", "1.5", "2", "+0.5"],
        ["last.validation.loss", "3", "4", "+1"],
        ["last.test.loss", "4.5", "6", "+1.5"],
        ["Training", "A", "B"],
        ["members", "1", "2"],
        ["Environment", "A", "B"],
        ["torch", "2.9", "2.10"],
        ["Times and memory", "A", "B", "B - A"],
        ["seconds", "1.5", "1", "-0.5"],
        ["The curves differ from epoch 1 on: train loss is 1.5 and 2."],
    ]


def test_that_nothing_differs_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of the same run in two stores; NaN is the same as NaN."""
    record = run_record(status="diverged", losses=(2.0, math.nan), environment=ENVIRONMENT)
    assert diff(capsys, tmp_path, record, record)[2:] == [
        ["The curves are the same, to the last digit, in all of 2 epochs."],
        ["Nothing differs."],
    ]


def test_that_only_times_differ_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What a run that was trained twice should look like."""
    lines = diff(capsys, tmp_path, run_record(), run_record(seconds=2.0))
    assert lines[-3:] == [
        ["seconds", "1", "2", "+1"],
        ["The curves are the same, to the last digit, in all of 1 epoch."],
        ["Nothing differs but times and memory."],
    ]


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ((3.0, 2.0, 1.0), (3.0, 2.5, 1.0), "The curves differ from epoch 2 on: train loss is 2 and 2.5."),
        ((0.1 + 0.2,), (0.3,), "The curves differ from epoch 1 on: train loss is 0.30000000000000004 and 0.3."),
        ((3.0,), (math.nan,), "The curves differ from epoch 1 on: train loss is 3 and nan."),
        ((3.0, 2.0), (3.0, 2.0, 1.0), "The curves are the same until one ends, after 2 epochs."),
        ((), (), "There are no curves."),
    ],
)
def test_the_first_epoch_at_which_curves_part_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, a: tuple[float, ...], b: tuple[float, ...], told: str
) -> None:
    """With as many digits as it takes to see it."""
    one, other = (run_record(status="ok" if losses else "failed", losses=losses) for losses in (a, b))
    assert [told] in diff(capsys, tmp_path, one, other)


def test_a_run_is_told_to_be_itself(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where its key is given twice."""
    record = run_record()
    store = fill(tmp_path / "s.sqlite", record)
    outcome = call(capsys, "diff", record.spec.key, record.spec.key[:5], "--store", store)
    assert outcome.stdout == f"Both are the same run, {record.spec.key}: cnn, group, batch size 32, seed 0.\n"


def test_words_of_others_are_no_markup(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An error may have brackets in it."""
    lines = diff(capsys, tmp_path, run_record(), run_record(status="failed", error="[red]no[/red]"))
    assert ["error", "-", "[red]no[/red]"] in lines
    assert ["status", "ok", "failed"] in lines


def test_an_unknown_run_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The message names the store in which it is not."""
    record = run_record()
    one, other = fill(tmp_path / "a.sqlite", record), fill(tmp_path / "b.sqlite", run_record(run_spec(seed=1)))
    outcome = call(capsys, "diff", record.spec.key, record.spec.key, "--store", one, "--other", other)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"'{other}' holds no run '{record.spec.key}'" in outcome.stderr
