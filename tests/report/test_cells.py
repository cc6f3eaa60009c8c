"""The text of single cells."""

from typing import Any

import pytest

from normzoo.metric import ACCURACY
from normzoo.report import CellSummary, PairedDifference, Row
from normzoo.report.analysis.wording import difference_text
from normzoo.report.render.cells import change_header, change_lines, seconds_range, value_lines

WHOLE: dict[str, Any] = {
    "batch_size": 2,
    "planned": 5,
    "ok": 5,
    "diverged": 0,
    "failed": 0,
    "missing": 0,
    "values": {},
    "mean": 0.9312,
    "half_width": 0.0078,
    "mark": "",
    "behind": None,
    "seconds_per_epoch": 1.0,
}
NONE = {"ok": 0, "mean": None, "half_width": None, "mark": None, "seconds_per_epoch": None}


def cell(**changes: Any) -> CellSummary:
    return CellSummary(**{**WHOLE, **changes})


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["93.1 ±0.8"]),
        ({"mark": "best"}, ["93.1 ±0.8 ●"]),
        ({"mark": "tied"}, ["93.1 ±0.8 ○"]),
        ({"mark": "untested"}, ["93.1 ±0.8"]),
        ({"mark": "leading", "half_width": None}, ["93.1"]),
        ({"mean": 1.0, "half_width": 0.0, "mark": "best"}, ["100.0 ±0.0 ●"]),
        ({"ok": 4, "diverged": 1}, ["93.1 ±0.8 †", "(4/5, 1 diverged)"]),
        ({"ok": 2, "diverged": 1, "failed": 2}, ["93.1 ±0.8 †", "(2/5, 1 diverged, 2 failed)"]),
        ({"ok": 4, "failed": 1, "mark": "best"}, ["93.1 ±0.8 † ●", "(4/5, 1 failed)"]),
        ({"ok": 3, "missing": 2, "mark": "best"}, ["93.1 ±0.8 ●", "(3/5)"]),
        ({**NONE, "diverged": 5}, ["diverged 5/5"]),
        ({**NONE, "failed": 5}, ["failed 5/5"]),
        ({**NONE, "diverged": 3, "failed": 2}, ["diverged 3/5", "failed 2/5"]),
        ({**NONE, "missing": 5}, ["–"]),  # noqa: RUF001
    ],
)
def test_an_accuracy(changes: dict[str, Any], lines: list[str]) -> None:
    assert value_lines(ACCURACY, cell(**changes)) == lines


@pytest.mark.parametrize(
    ("mean", "half_width", "text"),
    [
        (-0.51, 0.098, "-51.0 ±9.8"),
        (-0.51, 0.108, "-51 ±11"),
        (-0.51, 0.6, "-51 ±>50"),
        (0.0123, None, "+1.2"),
        (-0.0001, 0.0, "0.0 ±0.0"),
        (0.0, 0.0, "0.0 ±0.0"),
    ],
)
def test_a_difference_is_signed_unless_it_rounds_to_zero(mean: float, half_width: float | None, text: str) -> None:
    assert difference_text(ACCURACY, PairedDifference(mean, half_width, 5, None), 0.9) == text


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (None, ["–"]),  # noqa: RUF001
        (PairedDifference(-0.51, 0.04, 5, 0.01), ["-51.0 ±4.0"]),
        (PairedDifference(-0.51, 0.04, 3, 0.01), ["-51.0 ±4.0", "(n=3)"]),
    ],
)
def test_a_change(change: PairedDifference | None, lines: list[str]) -> None:
    assert change_lines(ACCURACY, Row("batch", (cell(), cell()), change)) == lines


def test_the_change_is_headed_by_its_direction() -> None:
    assert change_header((2, 8, 32)) == "32 → 2"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ((1.3, 0.4, 0.1), "0.1–1.3"),  # noqa: RUF001
        ((1.3, None, 1.3), "1.3"),
        ((0.012, 12.4), "0.01–12"),  # noqa: RUF001
        ((0.0001,), "<0.01"),
        ((None, None), "–"),  # noqa: RUF001
    ],
)
def test_seconds_are_a_range_over_the_batch_sizes(seconds: tuple[float | None, ...], text: str) -> None:
    cells = tuple(cell(seconds_per_epoch=value) for value in seconds)
    assert seconds_range(Row("batch", cells, None)) == text
