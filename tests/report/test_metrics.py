"""Metrics of any unit, size and bounds, as tables, sentences and plots write them."""

import re
from pathlib import Path

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import RunRecord
from normzoo.metric import Metric
from normzoo.report import Summary, planned_plots, provenance, sections, summarize, to_markdown
from normzoo.report.analysis.findings import reference_findings

from .plots.cases import CASES, summary, write_plots
from .synthetic import R2, RMSE, Outcome, filled, run, terminal
from .test_markdown import tables

MATRIX = MatrixSpec(norms="layer,none", templates="cnn", batch_sizes="2,32", seeds=8)
NOISE = (0.01, -0.01) * 4


def outcome(scale: float) -> Summary:
    """Summarize an RMSE: layer norm has 0.3 and none 0.4, twice as much at batch size 2, all times a scale."""

    def value(norm: str, size: int, seed: int) -> Outcome:
        return scale * ((0.3 if norm == "layer" else 0.4 + NOISE[seed]) * (2 if size == 2 else 1) + NOISE[seed])

    return summarize(MATRIX, filled(MATRIX, value, metric=RMSE, test_samples=100, train_samples=300))


def written(made: Summary) -> str:
    return to_markdown("a report", sections(made, provenance=provenance({})))


def test_a_metric_without_a_unit_has_none_anywhere() -> None:
    text = written(outcome(1.0)).partition("<details>")[0]
    assert "Test RMSE after 4 epochs (lower is better)" in text
    assert "32 → 2: change, untested." in text
    assert "vs none: mean difference from none at the same batch size, paired by seed," in text
    assert "### cnn, per doubling" in text
    prose = re.sub(r"^\|.*\|$", "", text, flags=re.MULTILINE)
    for shown in (prose, terminal(outcome(1.0), width=300)):
        assert not re.search(r"points|accuracy|uncertain between| ,|\S  \S+ \S+ \S", prose), shown


@pytest.mark.parametrize(
    ("scale", "cells"),
    [
        (12345.6, ["7407 ±110 ●", "3704 ±110 ●", "+3704 ±0"]),
        (1.0, ["0.600 ±0.009 ●", "0.300 ±0.009 ●", "+0.300 ±0.000"]),
        (0.000123, ["0.0000738 ±0.0000011 ●", "0.0000369 ±0.0000011 ●", "+0.0000369 ±0.0000000"]),
    ],
)
def test_big_and_tiny_values_have_three_digits_or_more(scale: float, cells: list[str]) -> None:
    main, versus, *_ = tables(written(outcome(scale)))
    assert next(row for row in main if row[0] == "`layer`")[1:4] == cells
    for table in (main, versus):
        assert {len(each) for each in table} == {len(table[0])}
        assert not re.search(r"\d{4}\.\d|\de-\d|-0(\.0+)? ", " ".join(" ".join(each) for each in table))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [12345.6, 0.000123])
def test_plots_of_any_scale_can_be_drawn(scale: float, tmp_path: Path) -> None:
    made = outcome(scale)
    plots = write_plots(made, tmp_path / "report")
    assert [plot.name for plot in plots] == ["rmse", "curves", "seconds", "forest", "gap"]
    assert plots[0].title == "Test RMSE against batch size"
    assert plots[0].text.startswith("Test RMSE (lower is better) against batch size on digits")


def test_a_metric_that_is_named_as_another_plot_gets_a_file_of_its_own() -> None:
    metric = Metric(name="error", higher_is_better=False)
    made = summarize(MATRIX, filled(MATRIX, lambda *_: 0.5, metric=metric))
    assert planned_plots(made, "report")[0].svg == Path("report-values.svg")
    odd = Metric(name="F1 / macro", higher_is_better=True)
    made = summarize(MATRIX, filled(MATRIX, lambda *_: 0.5, metric=odd))
    assert planned_plots(made, "report")[0].svg == Path("report-f1-macro.svg")


def two_metrics(matrix: MatrixSpec, *, r2: float = 0.25) -> dict[str, RunRecord]:
    records = {}
    for record in filled(matrix, lambda _, __, seed: 0.5 + 0.01 * seed, metric=RMSE).values():
        *before, last = record.epochs
        last = last.model_copy(update={"test": {**last.test, "r2": r2 + 0.01 * record.spec.seed}})
        records[record.spec.key] = record.model_copy(update={"metrics": (RMSE, R2), "epochs": (*before, last)})
    return records


def test_further_metrics_have_small_tables_of_means() -> None:
    matrix = MatrixSpec(norms="layer,none", templates="cnn", batch_sizes="2,32", seeds=3)
    lost = run("diverged", norm="none", batch_size=2, metric=RMSE)
    records = {**two_metrics(matrix)}
    records[lost.spec.key] = lost.model_copy(update={"metrics": (RMSE, R2)})
    text = written(summarize(matrix, records))
    assert "## Further metrics\n\n### cnn: R2 (higher is better)\n" in text
    (*_, further) = tables(text)
    # Three values a hundredth apart: 0.01 * 4.303 / sqrt(3); two: 12.706 * 0.00707 / sqrt(2).
    assert further[2:] == [["`layer`", "0.260 ±0.025", "0.260 ±0.025"], ["`none`", "0.265 ±0.064", "0.260 ±0.025"]]


def test_a_further_metric_without_a_finite_value_is_a_dash() -> None:
    matrix = MatrixSpec(norms="layer,none", templates="cnn", batch_sizes="2", seeds=3)
    assert "Further metrics" not in written(summarize(matrix, two_metrics(matrix, r2=float("nan"))))


def test_a_single_metric_has_no_further_ones() -> None:
    assert "Further metrics" not in written(CASES["whole"])


def test_a_summary_without_records_is_of_accuracy() -> None:
    assert summarize(MATRIX, {}).metric.name == "accuracy"
    assert summary(MATRIX, lambda *_: 0.5).metric.name == "accuracy"


def test_a_difference_is_written_with_the_digits_of_the_value_it_stands_next_to() -> None:
    """A small one with as many decimals; a large one with no more than it needs."""

    def better(lead: float) -> str:
        records = filled(MATRIX, lambda norm, _, seed: 0.5 + lead * (norm == "none") + 0.01 * seed, metric=RMSE)
        made = summarize(MATRIX, records)
        return reference_findings(made, made.tables[0])[0]

    assert "layer 0.002 ±0.000 better (p = 0.008)" in better(0.002)
    assert "layer 700 ±0 better (p" in better(700.0)
