"""Summaries to draw, and what is read off the panels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import EpochRecord
from normzoo.report import Plot, Summary, planned_plots, summarize
from normzoo.report.plots import plot_files

from ..synthetic import Outcome, filled, run


def summary(matrix: MatrixSpec, outcome: Callable[[str, int, int], Outcome]) -> Summary:
    """Summarize runs of two epochs, of which only the last has an accuracy."""
    return summarize(matrix, filled(matrix, outcome, epoch_seconds_alone=0.5))


def learned(
    matrix: MatrixSpec, epochs: Callable[[str, int, int], list[EpochRecord]], *, alone: float | None = 0.5
) -> Summary:
    """Summarize ok runs with such epochs, by norm, batch size and seed; without any of them diverged."""
    records = {}
    for template in matrix.templates:
        for norm in matrix.norms:
            for size in matrix.batch_sizes:
                for seed in range(matrix.seeds):
                    found = epochs(norm, size, seed)
                    made = run(
                        0.5 if found else "diverged",
                        template=template,
                        norm=norm,
                        batch_size=size,
                        seed=seed,
                        epoch_seconds_alone=alone,
                        contended=True,
                    )
                    records[made.spec.key] = made.model_copy(update={"epochs": tuple(found)})
    return summarize(matrix, records)


CASES: dict[str, Summary] = {
    "whole": summary(MatrixSpec(seeds=3), lambda norm, size, seed: 0.1 * len(norm) + 0.01 * seed + 0.001 * size),
    "small": summary(
        MatrixSpec(norms="batch,layer,none", batch_sizes="2,8", seeds=3),
        lambda norm, size, seed: 0.1 * len(norm) + 0.01 * seed + 0.001 * size,
    ),
    "one seed": summary(MatrixSpec(templates="cnn", seeds=1), lambda *_: 0.9),
    "one batch size": summary(
        MatrixSpec(batch_sizes="2", templates="cnn", seeds=3), lambda _, __, seed: 0.5 + 0.1 * seed
    ),
    "one norm": summary(MatrixSpec(norms="batch", templates="cnn", seeds=3), lambda *_: 0.5),
    "perfect": summary(MatrixSpec(norms="batch,none", templates="cnn", seeds=2), lambda *_: 1.0),
    "missing cells": summary(
        MatrixSpec(templates="cnn", seeds=3), lambda norm, size, _: None if (len(norm) + size) % 3 == 0 else 0.7
    ),
    "all diverged": summary(MatrixSpec(seeds=2), lambda *_: "diverged"),
    "nothing": summarize(MatrixSpec(), {}),
}
"""Everything from a whole matrix to one without any record."""


def write_plots(drawn: Summary, stem: Path) -> list[Plot]:
    """Write the plots that a summary has, and return them."""
    plots = planned_plots(drawn, stem)
    for path, content in plot_files(drawn, plots).items():
        path.write_bytes(content)
    return plots


def numbers(drawn_at: object) -> list[float]:
    """Flatten what matplotlib gives, to x, y, x, y, ..."""
    return [float(value) for value in np.asarray(drawn_at).ravel()]


def lines(axis: Axes) -> dict[str, list[float]]:
    """Return the named lines' points by label."""
    return {str(line.get_label()): numbers(line.get_xydata()) for line in axis.lines if str(line.get_label())[0] != "_"}


def heights(drawn: object) -> tuple[float, float]:
    """Return the lowest and the highest vertical place of a collection's outline."""
    y = numbers(drawn.get_paths()[0].vertices)[1::2]  # type: ignore[attr-defined]
    return min(y), max(y)


def texts(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def heading(figure: Figure) -> str:
    return figure.get_suptitle().replace("\n", " ")
