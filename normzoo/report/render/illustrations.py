"""Which plots a report has, what they are called and what they show; known without drawing them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from normzoo.errors import counted
from normzoo.metric import Metric
from normzoo.report.analysis.numbers import Summary
from normzoo.report.analysis.wording import difference_unit, direction, enumerated, in_unit
from normzoo.report.render.legends import dataset

MAX_SIZES = 8
"""Of how many batch sizes there are learning curves at most."""

MAX_LINEAR = 20.0
"""By which factor values may differ on a linear axis, where they have no upper bound."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot of a report, in two files that show the same.

    Attributes:
        kind: which of the plots it is.
        name: what the names of its files end in: the kind, or the metric.
        title: for a heading.
        text: what it shows, in words.
    """

    kind: str
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
    plots = []
    for kind, (title, text, is_shown) in _PLOTS.items():
        if is_shown(summary):
            name = _metric_file(summary.metric) if kind == "values" else kind
            svg, png = (_file(stem, name, suffix) for suffix in ("svg", "png"))
            plots.append(Plot(kind=kind, name=name, title=title(summary.metric), text=text(summary), svg=svg, png=png))
    return plots


def _metric_file(metric: Metric) -> str:
    """Return the metric's name as a part of a file's name, which is that of no other plot."""
    name = re.sub(r"[^\w-]+", "-", metric.name.lower()).strip("-")
    return "values" if not name or name in _PLOTS else name


def curve_sizes(summary: Summary) -> list[int]:
    """Return the positions of the batch sizes that have learning curves: all, or as many spread over them.

    >>> from normzoo.experiment.config.spec import MatrixSpec
    >>> from normzoo.report.analysis.summary import summarize
    >>> curve_sizes(summarize(MatrixSpec(batch_sizes="2,8,32"), {}))
    [0, 1, 2]
    """
    count = len(summary.matrix.batch_sizes)
    if count <= MAX_SIZES:
        return list(range(count))
    return [round(index * (count - 1) / (MAX_SIZES - 1)) for index in range(MAX_SIZES)]


def averaged(summary: Summary) -> str:
    """Say what is averaged: over how many seeds, and whether some lack.

    >>> from normzoo.experiment.config.spec import MatrixSpec
    >>> from normzoo.report.analysis.summary import summarize
    >>> averaged(summarize(MatrixSpec(), {}))
    'mean of up to 8 seeds'
    """
    seeds = summary.matrix.seeds
    if seeds == 1:
        return "one seed"
    is_whole = all(cell.ok == cell.planned for cell in summary.cells)
    return f"mean of {'' if is_whole else 'up to '}{counted(seeds, 'seed')}"


def _file(stem: str | PurePath, name: str, suffix: str) -> Path:
    path = Path(stem)
    return path.with_name(f"{path.name}-{name}.{suffix}")


def _has_values(summary: Summary) -> bool:
    return any(cell.values for cell in summary.cells)


def _has_sizes(summary: Summary) -> bool:
    return len(summary.matrix.batch_sizes) > 1 and _has_values(summary)


def _has_error(summary: Summary) -> bool:
    return has_error(summary.metric) and _has_sizes(summary)


def has_error(metric: Metric) -> bool:
    """Whether there is a highest value that is the best, so that what is lacking to it is an error.

    >>> has_error(Metric(name="accuracy", higher_is_better=True, highest=1))
    True
    """
    return metric.higher_is_better and metric.highest is not None


def has_log_axis(summary: Summary) -> bool:
    """Whether values are drawn on a logarithmic axis: those without an upper bound that differ by large factors."""
    metric = summary.metric
    values = [value for cell in summary.cells for value in cell.values.values()]
    positive = [value for value in values if value > 0]
    is_open = metric.lowest == 0 and metric.highest is None
    return is_open and bool(positive) and max(positive) > MAX_LINEAR * min(positive)


def _has_curves(summary: Summary) -> bool:
    return any(len(epochs) > 1 for cell in summary.cells for epochs in cell.epochs.values())


def _has_seconds(summary: Summary) -> bool:
    return _has_curves(summary) and any(cell.epochs and cell.seconds_per_epoch for cell in summary.cells)


def _has_differences(summary: Summary) -> bool:
    return any(cell.vs_reference is not None and cell.vs_reference.difference is not None for cell in summary.cells)


def _has_losses(summary: Summary) -> bool:
    return any(cell.epochs for cell in summary.cells)


def _against_batch_size(summary: Summary, what: str) -> str:
    return (
        f"{what} against batch size on {dataset(summary.matrix)}, {_panels(summary)}, one line per norm: "
        f"{_averaged_with_interval(summary)}."
    )


def _values(summary: Summary) -> str:
    return _against_batch_size(summary, f"Test {_in_its_unit(summary.metric)}{_on_log_axis(summary)}")


def _error(summary: Summary) -> str:
    metric = summary.metric
    best = f"{metric.scale * (metric.highest or 0.0):g} {metric.unit}".rstrip()
    scale = f"{best} minus the test {metric.title}, on a logarithmic axis with zero at its foot"
    return f"{_against_batch_size(summary, f'Test error{in_unit(metric.unit)}')} The error is {scale}."


def _on_log_axis(summary: Summary) -> str:
    return ", on a logarithmic axis," if has_log_axis(summary) else ""


def _in_its_unit(metric: Metric) -> str:
    better = "" if metric.higher_is_better else f" ({direction(metric)})"
    return f"{metric.title}{in_unit(metric.unit)}{better}"


def _learning(summary: Summary, against: str) -> str:
    sizes = [summary.matrix.batch_sizes[place] for place in curve_sizes(summary)]
    lacks = len(sizes) < len(summary.matrix.batch_sizes)
    shown = f"; {len(sizes)} of {len(summary.matrix.batch_sizes)} batch sizes are shown" if lacks else ""
    what = f"{_in_its_unit(summary.metric)}{_on_log_axis(summary)}"
    return (
        f"Test {what} against {against} on {dataset(summary.matrix)}, one panel per template and batch size "
        f"({', '.join(map(str, sizes))}), one line per norm: {_averaged_with_interval(summary)}{shown}."
    )


def _curves(summary: Summary) -> str:
    return _learning(summary, "epochs of training")


def _seconds(summary: Summary) -> str:
    return _learning(summary, "seconds of training, timed while nothing else was trained,")


def _forest(summary: Summary) -> str:
    reference, data, metric = summary.reference, dataset(summary.matrix), summary.metric
    interval = " with their 95 % intervals" if summary.matrix.seeds > 1 else ""
    measure = f"{in_unit(difference_unit(metric))}{interval}"
    better = "" if metric.higher_is_better else f" ({direction(metric)})"
    return (
        f"Differences in test {metric.title}{better} from {reference} on {data}, paired by seed{',' if measure else ''}"
        f"{measure}, {_panels(summary)}, one row per batch size and norm. The marker is filled where the difference is "
        "significant, and hollow where it is not."
    )


def _gap(summary: Summary) -> str:
    return (
        f"Training, validation and test loss{in_unit(summary.loss.unit)} after the last epoch on "
        f"{dataset(summary.matrix)}, {averaged(summary)}, {_panels(summary)}, one row per batch size and norm, with "
        "validation minus training as a number. The training loss is the mean over the steps of the last epoch, as the "
        "weights change."
    )


def _panels(summary: Summary) -> str:
    return f"one panel per template ({enumerated([table.template for table in summary.tables])})"


def _averaged_with_interval(summary: Summary) -> str:
    return averaged(summary) + (" with 95 % interval" if summary.matrix.seeds > 1 else "")


_PLOTS: dict[str, tuple[Callable[[Metric], str], Callable[[Summary], str], Callable[[Summary], bool]]] = {
    "values": (lambda metric: f"Test {metric.title} against batch size", _values, _has_sizes),
    "error": (lambda _: "Test error against batch size", _error, _has_error),
    "curves": (lambda _: "Learning curves against epochs", _curves, _has_curves),
    "seconds": (lambda _: "Learning curves against training time", _seconds, _has_seconds),
    "forest": (lambda _: "Differences from the reference norm", _forest, _has_differences),
    "gap": (lambda _: "Training, validation and test loss", _gap, _has_losses),
}
"""By kind: the title, the text, and whether there is something to show; in the order of a report."""
