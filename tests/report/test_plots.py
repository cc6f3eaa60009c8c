"""The plots: PNG files, the same bytes every time, whatever is missing."""

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from normzoo.experiment.spec import MatrixSpec
from normzoo.report import summarize
from normzoo.report._style import SPREAD, line_style, offset
from normzoo.report.plots import accuracy_plot

from .synthetic import Outcome, filled

CASES: dict[str, tuple[MatrixSpec, Callable[[str, int, int], Outcome]]] = {
    "whole": (MatrixSpec(seeds=3), lambda norm, size, seed: 0.1 * len(norm) + 0.01 * seed + 0.001 * size),
    "one seed": (MatrixSpec(seeds=1), lambda *_: 0.9),
    "one batch size": (MatrixSpec(batch_sizes="2", templates="cnn", seeds=3), lambda _, __, seed: 0.5 + 0.1 * seed),
    "one norm": (MatrixSpec(norms="batch", seeds=3), lambda *_: 0.5),
    "missing cells": (MatrixSpec(seeds=3), lambda norm, size, _: None if (len(norm) + size) % 3 == 0 else 0.7),
    "nothing": (MatrixSpec(), lambda *_: None),
    "all diverged": (MatrixSpec(seeds=2), lambda *_: "diverged"),
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Collect the figures as they are saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def collect(figure: Figure, *arguments: object, **options: object) -> None:
        figures.append(figure)
        save(figure, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", collect)
    return figures


def coordinates(drawn_at: object) -> list[float]:
    """Flatten what matplotlib gives, to x, y, x, y, ..."""
    return [float(value) for value in np.asarray(drawn_at).ravel()]


@pytest.mark.parametrize("case", CASES)
def test_it_is_a_png_with_the_same_bytes_every_time(case: str, tmp_path: Path) -> None:
    matrix, outcome = CASES[case]
    summary = summarize(matrix, filled(matrix, outcome))
    one = accuracy_plot(summary, tmp_path / "one.png").read_bytes()
    two = accuracy_plot(summary, str(tmp_path / "two.png")).read_bytes()
    assert one == two
    assert one.startswith(b"\x89PNG\r\n\x1a\n")
    assert b"Software" not in one
    width, height = struct.unpack(">II", one[16:24])
    assert width >= 400 * len(matrix.templates)
    assert height >= 400


def test_there_is_a_panel_per_template_with_the_batch_sizes_as_ticks(drawn: list[Figure], tmp_path: Path) -> None:
    matrix, outcome = CASES["whole"]
    accuracy_plot(summarize(matrix, filled(matrix, outcome)), tmp_path / "plot.png")
    axes = drawn[0].axes
    assert [axis.get_title() for axis in axes] == ["cnn", "lstm"]
    for axis in axes:
        assert axis.get_xscale() == "log"
        assert [label.get_text() for label in axis.get_xticklabels()] == ["2", "8", "32"]
        assert axis.get_xlabel() == "batch size (samples)"
    assert axes[0].get_ylabel() == "test accuracy (%)"
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == list(matrix.norms)


def test_lines_dots_and_bands_stand_at_the_numbers(drawn: list[Figure], tmp_path: Path) -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2,32", seeds=3)
    summary = summarize(matrix, filled(matrix, lambda _, size, seed: 0.5 + 0.01 * size + 0.02 * seed))
    accuracy_plot(summary, tmp_path / "plot.png")
    (axis,) = drawn[0].axes
    (line,) = axis.lines
    assert coordinates(line.get_xydata()) == pytest.approx([2, 54, 32, 84])
    band, dots = axis.collections
    heights = coordinates(band.get_paths()[0].vertices)[1::2]
    assert (min(heights), max(heights)) == pytest.approx((54.0 - 4.968, 84.0 + 4.968), abs=1e-3)
    assert coordinates(dots.get_offsets()) == pytest.approx([2, 52, 2, 54, 2, 56, 32, 82, 32, 84, 32, 86])


def test_an_interval_without_a_neighbour_is_a_bar(drawn: list[Figure], tmp_path: Path) -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2", seeds=3)
    accuracy_plot(summarize(matrix, filled(matrix, lambda _, __, seed: 0.52 + 0.02 * seed)), tmp_path / "plot.png")
    bar, _ = drawn[0].axes[0].collections
    low_and_high = coordinates(bar.get_paths()[0].vertices)[1::2]
    assert low_and_high == pytest.approx([54.0 - 4.968, 54.0 + 4.968], abs=1e-3)


def test_an_interval_ends_where_accuracies_do(drawn: list[Figure], tmp_path: Path) -> None:
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="2,32", seeds=2)
    accuracy_plot(summarize(matrix, filled(matrix, lambda _, __, seed: 0.1 + 0.8 * seed)), tmp_path / "plot.png")
    (axis,) = drawn[0].axes
    heights = coordinates(axis.collections[0].get_paths()[0].vertices)[1::2]
    assert (min(heights), max(heights)) == (0.0, 100.0)
    assert axis.get_ylim() == pytest.approx((-4.0, 104.0))


def test_without_results_the_panels_say_so(drawn: list[Figure], tmp_path: Path) -> None:
    accuracy_plot(summarize(MatrixSpec(), {}), tmp_path / "plot.png")
    assert [[text.get_text() for text in axis.texts] for axis in drawn[0].axes] == [["no results"]] * 2


def test_norms_beside_each_other_are_told_apart_without_colour() -> None:
    styles = [line_style(index) for index in range(8)]
    assert len({style.marker for style in styles}) == 8
    assert all(one.dashes != two.dashes for one, two in pairwise(styles))
    assert len({line_style(index) for index in range(56)}) == 56


@pytest.mark.parametrize("norms", [1, 2, 5, 20])
def test_norms_stand_side_by_side_around_the_batch_size(norms: int) -> None:
    offsets = [offset(index, norms) for index in range(norms)]
    assert len(set(offsets)) == norms
    assert sum(offsets) == pytest.approx(0)
    assert max(offsets) - min(offsets) <= SPREAD
