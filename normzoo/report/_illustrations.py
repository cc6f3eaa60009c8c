"""Which plots a report has, what they are called and what they show; known without drawing them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from normzoo.report._captions import counted, dataset
from normzoo.report._numbers import Cell, Summary

MOST_SIZES = 8
"""Of how many batch sizes there are learning curves at most."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot of a report, in two files that show the same.

    Attributes:
        name: what the names of its files end in.
        title: for a heading.
        text: what it shows, in words.
    """

    name: str
    title: str
    text: str
    svg: Path
    png: Path


def planned_plots(summary: Summary, stem: str | PurePath) -> list[Plot]:
    """Return the plots that a summary has, those with something to show, without drawing them.

    Args:
        summary: the numbers.
        stem: the path of the report without its suffix: ``reports/digits`` makes ``reports/digits-accuracy.svg``.
    """
    return [
        Plot(name=name, title=title, text=text(summary), svg=_file(stem, name, "svg"), png=_file(stem, name, "png"))
        for name, (title, text, is_shown) in _PLOTS.items()
        if is_shown(summary)
    ]


def curve_sizes(summary: Summary) -> list[int]:
    """Return the positions of the batch sizes that have learning curves: all, or as many spread over them.

    >>> from normzoo.experiment.config.spec import MatrixSpec
    >>> from normzoo.report.summary import summarize
    >>> curve_sizes(summarize(MatrixSpec(batch_sizes="2,8,32"), {}))
    [0, 1, 2]
    """
    count = len(summary.matrix.batch_sizes)
    if count <= MOST_SIZES:
        return list(range(count))
    return [round(index * (count - 1) / (MOST_SIZES - 1)) for index in range(MOST_SIZES)]


def averaged(summary: Summary) -> str:
    """Say what is averaged: over how many seeds, and whether some lack.

    >>> from normzoo.experiment.config.spec import MatrixSpec
    >>> from normzoo.report.summary import summarize
    >>> averaged(summarize(MatrixSpec(), {}))
    'mean of up to 5 seeds'
    """
    seeds = summary.matrix.seeds
    if seeds == 1:
        return "one seed"
    is_whole = all(cell.ok == cell.planned for cell in _cells(summary))
    return f"mean of {'' if is_whole else 'up to '}{counted(seeds, 'seed')}"


def _file(stem: str | PurePath, name: str, suffix: str) -> Path:
    path = Path(stem)
    return path.with_name(f"{path.name}-{name}.{suffix}")


def _cells(summary: Summary) -> list[Cell]:
    return [cell for table in summary.tables for cell in table.cells]


def _has_accuracies(summary: Summary) -> bool:
    return any(cell.accuracies for cell in _cells(summary))


def _has_curves(summary: Summary) -> bool:
    return any(len(epochs) > 1 for cell in _cells(summary) for epochs in cell.epochs.values())


def _has_seconds(summary: Summary) -> bool:
    return _has_curves(summary) and any(cell.epochs and cell.seconds_per_epoch for cell in _cells(summary))


def _has_differences(summary: Summary) -> bool:
    return any(cell.versus is not None and cell.versus.difference is not None for cell in _cells(summary))


def _has_losses(summary: Summary) -> bool:
    return any(cell.epochs for cell in _cells(summary))


def _against_batch_size(summary: Summary, what: str) -> str:
    return (
        f"{what} against batch size on {dataset(summary.matrix)}, {_panels(summary)}, one line per norm: "
        f"{_averaged_with_interval(summary)}."
    )


def _accuracy(summary: Summary) -> str:
    return _against_batch_size(summary, "Test accuracy in %")


def _error(summary: Summary) -> str:
    scale = "100 % minus the test accuracy, on a logarithmic axis with zero at its foot"
    return f"{_against_batch_size(summary, 'Test error in %')} The error is {scale}."


def _learning(summary: Summary, against: str) -> str:
    sizes = [summary.matrix.batch_sizes[place] for place in curve_sizes(summary)]
    lacks = len(sizes) < len(summary.matrix.batch_sizes)
    shown = f"; {len(sizes)} of {len(summary.matrix.batch_sizes)} batch sizes are shown" if lacks else ""
    return (
        f"Test accuracy in % against {against} on {dataset(summary.matrix)}, one panel per template and batch size "
        f"({', '.join(map(str, sizes))}), one line per norm: {_averaged_with_interval(summary)}{shown}."
    )


def _curves(summary: Summary) -> str:
    return _learning(summary, "epochs of training")


def _seconds(summary: Summary) -> str:
    return _learning(summary, "seconds of training, timed while nothing else was trained,")


def _forest(summary: Summary) -> str:
    reference, data = summary.matrix.reference, dataset(summary.matrix)
    interval = " with their 95 % intervals" if summary.matrix.seeds > 1 else ""
    return (
        f"Differences in test accuracy from {reference} on {data}, paired by seed, in points{interval}, "
        f"{_panels(summary)}, one row per batch size and norm. The marker is filled where the difference is told from "
        "zero after Holm's correction, and hollow where it is not."
    )


def _gap(summary: Summary) -> str:
    return (
        f"Training, validation and test loss in nats after the last epoch on {dataset(summary.matrix)}, "
        f"{averaged(summary)}, {_panels(summary)}, one row per batch size and norm, with validation minus training "
        "as a number. The training loss is the mean over the steps of the last epoch, as the weights change."
    )


def _panels(summary: Summary) -> str:
    return f"one panel per template ({' and '.join(table.template for table in summary.tables)})"


def _averaged_with_interval(summary: Summary) -> str:
    return averaged(summary) + (" with 95 % interval" if summary.matrix.seeds > 1 else "")


_PLOTS: dict[str, tuple[str, Callable[[Summary], str], Callable[[Summary], bool]]] = {
    "accuracy": ("Test accuracy against batch size", _accuracy, _has_accuracies),
    "error": ("Test error against batch size", _error, _has_accuracies),
    "curves": ("Learning curves against epochs", _curves, _has_curves),
    "seconds": ("Learning curves against training time", _seconds, _has_seconds),
    "forest": ("Differences from the baseline", _forest, _has_differences),
    "gap": ("Training, validation and test loss", _gap, _has_losses),
}
"""By name: the title, the text, and whether there is something to show; in the order of a report."""
