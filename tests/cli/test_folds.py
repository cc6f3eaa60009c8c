"""``--folds``: from the command to its tables, its store and its report, and the same as a library."""

from contextlib import chdir
from dataclasses import dataclass

import pytest

import normzoo
from normzoo.data import load_dataset
from normzoo.experiment.results.records import RunRecord

from .command import CNN, Outcome, compare_here, run_here, stored

FOLDED = ("--folds", "2", "--seeds", "4", "--norms", "batch,none", "--templates", "cnn")


@dataclass(frozen=True)
class Folded:
    """A comparison on folds, what was told of it afterwards, and its records."""

    first: Outcome
    again: Outcome
    report: Outcome
    text: str
    shown: Outcome
    apart: Outcome
    records: dict[str, RunRecord]
    library: normzoo.Comparison


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Folded:
    folder = tmp_path_factory.mktemp("folded")
    first = compare_here(folder, *FOLDED)
    records = stored(folder)
    again = compare_here(folder, *FOLDED)
    report = run_here(folder, "report", "-o", "folds.md")
    with chdir(folder):
        library = normzoo.compare(
            folds=2,
            seeds=4,
            norms="batch,none",
            templates=CNN,
            batch_sizes=[64],
            epochs=1,
            device="cpu",
            progress=False,
        )
    assert stored(folder) == records
    by_seed = {record.spec.seed: key for key, record in records.items() if record.spec.norm == "none"}
    shown = run_here(folder, "show", by_seed[3])
    apart = run_here(folder, "diff", by_seed[2], by_seed[3])
    return Folded(
        first=first,
        again=again,
        report=report,
        text=(folder / "folds.md").read_text(),
        shown=shown,
        apart=apart,
        records=records,
        library=library,
    )


def test_the_table_says_folds(folded: Folded) -> None:
    assert folded.first.code == 0
    words = " ".join(folded.first.stdout.split())
    assert "cnn:hidden=8,widths=4 on digits in 2 folds" in words
    assert "mean of 4 seeds over 2 folds ±" in words
    assert "--seeds 6 for tests" in words
    notes = " ".join(folded.first.stderr.split())
    assert "data: all 1,797 samples, also those of the dataset's own test set, are pooled and cut into 2 folds" in notes


def test_each_seed_is_tested_on_its_fold(folded: Folded) -> None:
    """Of both norms on the same samples, which are all of the dataset together."""
    tested = [len(load_dataset("digits", folds=2, fold=fold).test) for fold in range(2)]
    assert sum(tested) == 1797
    assert len(folded.records) == 8
    for record in folded.records.values():
        assert record.test_samples == tested[record.spec.seed % 2]
        assert record.spec.folds == 2


def test_the_same_again_trains_nothing(folded: Folded) -> None:
    """Neither does the library, whose numbers are the same."""
    assert "All 8 runs were stored." in folded.again.stdout
    assert folded.again.stderr == ""
    assert folded.library.records == folded.records
    assert "mean of 4 seeds over 2 folds" in str(folded.library)
    assert "--folds 2" in folded.library.command


def test_the_report_says_how_samples_were_split(folded: Folded) -> None:
    """And nothing that holds for one test set alone, though it is known which samples were right."""
    assert folded.report.code == 0
    assert all(record.hits is not None for record in folded.records.values())
    assert "- Folds: the samples of all splits are pooled and cut into 2 parts" in folded.text
    assert "seed s has part s mod 2 as its test set." in folded.text
    assert "with the same seed all norms have the same fold" in folded.text
    assert "Seeds vary initial weights, the order of the data and the fold" in folded.text
    assert "with --folds 4 each seed has a fold of its own" in folded.text
    for said in ("A test set of", "other test samples", "not the split"):
        assert said not in folded.text


def test_a_run_knows_its_fold(folded: Folded) -> None:
    """And how to be trained again."""
    assert {("folds", "2"), ("fold", "1")} <= {tuple(line.split()) for line in folded.shown.stdout.splitlines()}
    assert "--seeds 2 --first-seed 3 --folds 2" in folded.shown.stdout
    assert folded.apart.code == 0
    assert "seed" in folded.apart.stdout


def test_the_rows_for_other_programs_are_over_all_folds(folded: Folded) -> None:
    """A row for a cell; those of runs say how many folds there are."""
    assert folded.library.to_frame()["n"].tolist() == [4, 4]
    assert folded.library.to_frame("runs")["folds"].tolist() == [2] * 8
