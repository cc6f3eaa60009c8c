"""What stands around a table: its title, how the runs were trained, and what its numbers and signs are."""

from collections.abc import Sequence
from pathlib import PurePath

from normzoo.errors import counted
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.metric import Metric
from normzoo.registry import DATASETS, TEMPLATES
from normzoo.registry.datasets import with_paths
from normzoo.report.analysis.numbers import CellSummary, Summary, Table
from normzoo.report.analysis.wording import (
    MIN_P,
    PLUS_MINUS,
    difference_unit,
    direction,
    enumerated,
    in_unit,
    value_text,
    with_difference_unit,
)
from normzoo.report.render.cells import (
    BEST,
    NOTHING,
    NOWHERE,
    PARTIAL,
    SAME,
    SIGNIFICANT,
    TIED,
    change_header,
    target_header,
)
from normzoo.report.statistics.differences import LEVEL
from normzoo.report.statistics.family import MIN_SEEDS, Family
from normzoo.report.statistics.power import MAX_SEEDS


def dataset(matrix: MatrixSpec) -> str:
    """Name the dataset, and its folds; a file of the user's own without its folders.

    >>> dataset(MatrixSpec(dataset="npz:some/where/mine.npz")), dataset(MatrixSpec(folds=5))
    ('npz:mine.npz', 'digits in 5 folds')
    >>> dataset(MatrixSpec(dataset="folder:/home/me/photos/:size=64")), dataset(MatrixSpec(dataset="folder:."))
    ('folder:photos:size=64', 'folder:.')
    >>> dataset(MatrixSpec(dataset="npz:/tmp/normzoo-1234/arrays:kind=sequences"))
    'arrays'
    """
    spec = DATASETS.parse(matrix.dataset)
    name = str(with_paths(spec, lambda path: PurePath(path).name or path))
    if spec.target == "npz" and not PurePath(spec.argument).suffix:  # so normzoo.compare names what it is given
        name = PurePath(spec.argument).name
    return name if matrix.folds == 1 else f"{name} in {matrix.folds} folds"


def title(summary: Summary, template: str) -> str:
    """Name what was trained: the template, its dataset, and where its norms stand, as far as options say so."""
    name = summary.labels.get(template, template)
    where = placement(template)
    return f"{name} on {dataset(summary.matrix)}{f', norms {where}' if where else ''}"


_SITES = {"all": "on maps and vectors", "maps": "on maps alone", "vectors": "on vectors alone"}
_SITES_OF = {
    "resnet": {
        "all": "after every convolution",
        "stem": "after the first convolution alone",
        "blocks": "in the blocks alone",
    },
    "mlp": {
        "all": "at every hidden layer",
        "first": "at the first hidden layer alone",
        "last": "at the last hidden layer alone",
    },
    "transformer": {
        "attention": "at attention alone",
        "mlp": "at the mlps alone",
    },
}
"""Of templates whose sites are called otherwise."""
_PLACEMENTS = {"post": "after the activation", "pre": "before the activation"}
_PLACEMENTS_OF = {
    "transformer": {
        "post": "after each sum",
        "pre": "before each sublayer",
        "sandwich": "before and after each sublayer",
        "peri": "before and after each sublayer",
    },
}
"""Of templates whose norms stand beside something else."""


def placement(template: str) -> str:
    """Say where a template has its norms; empty where that is no option of it.

    >>> placement("cnn:placement=pre,sites=maps")
    'on maps alone, before the activation'
    >>> placement("resnet")
    'after every convolution, before the activation'
    >>> placement("transformer:placement=post,sites=mlp")
    'at the mlps alone, after each sum'
    """
    spec = TEMPLATES.parse(template)
    options = {**(TEMPLATES[spec.target].options if spec.target in TEMPLATES else {}), **spec.options}
    sites = _SITES_OF.get(spec.target, _SITES)
    placements = _PLACEMENTS_OF.get(spec.target, _PLACEMENTS)
    words = (sites.get(str(options.get("sites"))), placements.get(str(options.get("placement"))))
    return ", ".join(filter(None, words))


def metric_title(metric: Metric, split: str = "test") -> str:
    """Name the metric on a split, with its unit and its direction.

    >>> metric_title(Metric(name="rmse", label="RMSE", unit="K", higher_is_better=False))
    'test RMSE in K, lower is better'
    """
    return f"{split} {metric.title}{in_unit(metric.unit)}, {direction(metric)}"


def reference_heading(summary: Summary) -> str:
    """Name the part of a report in which every norm is compared with the reference."""
    return f"Comparison with the reference norm, {summary.reference}"


def lr_title(summary: Summary, template: str) -> str:
    """Name the table of learning rates."""
    metric = summary.metric
    return (
        f"{template}: validation {metric.title}{in_unit(metric.unit)} by learning rate (at batch size "
        f"{summary.matrix.lr_reference})"
    )


def selection(summary: Summary) -> str:
    """Say what was chosen, and by which figure."""
    if summary.matrix.lrs:
        return (
            f"the learning rate, per norm and batch size, by the mean validation {summary.metric.title} over seeds "
            "after the last epoch; the numbers are those of the test set at the rate chosen."
        )
    return "none; the numbers are those of the test set after the last epoch."


def legend(summary: Summary) -> str:
    """Explain the first table of each template."""
    metric, cells = summary.metric, list(summary.cells)
    marks = {cell.mark for cell in cells}
    parts = [_values(metric, summary.matrix, is_whole=all(cell.ok == cell.planned for cell in cells))]
    if "best" in marks and not summary.family.size:
        parts.append(f"{BEST} {'highest' if metric.higher_is_better else 'lowest'} mean; there is nothing to test.")
    elif "best" in marks:
        parts.append(
            f"{BEST} {'highest' if metric.higher_is_better else 'lowest'} mean{_among(summary)}, {TIED} not "
            f"significantly different from it, by {tested_with(summary.family)}."
        )
    if any(cell.is_partial for cell in cells):
        parts.append(
            f"{PARTIAL} completed runs only: runs that diverged or failed have no {metric.title}; such a norm is not "
            f"marked {BEST} beside one without such runs, and what leaves runs out is not tested."
        )
    if any(cell.stands_nowhere for cell in cells):
        parts.append(
            f"{NOWHERE} the norm stands nowhere in this network, which is one without norms, and is not ranked."
        )
    if len(summary.matrix.batch_sizes) > 1:
        parts.append(
            f"{change_header(summary.matrix.batch_sizes)}: change{in_unit(difference_unit(metric))}, untested."
        )
    if summary.matrix.target is not None:
        parts.append(target_sentence(summary, summary.matrix.target))
    if summary.looks and summary.family.is_tested:
        parts.append(looks_sentence(summary))
    if summary.chosen_from and summary.family.is_tested:
        parts.append(choice_sentence(summary))
    return " ".join(parts)


def _among(summary: Summary) -> str:
    """Say among which norms the best is, where another has a better mean; of partial ones that is said beside it."""
    sign = summary.metric.sign

    def is_passed(cells: Sequence[CellSummary]) -> bool:
        whole = [cell for cell in cells if cell.mean is not None and not cell.is_partial]
        best = [sign * cell.mean for cell in whole if cell.mark == "best" and cell.mean is not None]
        return bool(best) and any(sign * (cell.mean or 0.0) > best[0] for cell in whole)

    blocks = (list(each) for table in summary.tables for each in zip(*(row.cells for row in table.rows), strict=True))
    if not any(map(is_passed, blocks)):
        return ""
    return f" among norms with at least {MIN_SEEDS} seeds that are not significantly behind another"


def target_sentence(summary: Summary, target: float) -> str:
    """Explain the columns of the time to a target."""
    metric = summary.metric
    found = [cell.to_target for cell in summary.cells if cell.to_target]
    bound = (
        f"{'at least' if metric.higher_is_better else 'at most'} {metric.scale * target:.12g} {metric.unit}".rstrip()
    )
    parts = [
        f"{target_header(metric, target)}: training seconds and updates (optimizer steps) until the end of the first "
        f"epoch with a validation {metric.title} of {bound}; medians over the seeds, untested. Seconds are as in "
        "s/epoch: without evaluation, of seeds trained side by side each its share."
    ]
    if any(each.reached < each.runs for each in found):
        parts.append(
            "(k/n): k of n runs reach it; the others count as later than these, and where they are half or more "
            f"there is no median, {NOTHING}."
        )
    return " ".join(parts)


def looks_sentence(summary: Summary) -> str:
    """Say that the seeds were added after a look."""
    looks = [*map(str, summary.looks), str(summary.matrix.seeds)]
    return (
        f"Look {len(looks)} at this comparison, with {enumerated(looks)} seeds, not planned: the level of {LEVEL:.0%} "
        "is that of one look, and all of them together claim too much more often."
    ).replace("%", " %")


def choice_sentence(summary: Summary) -> str:
    """Say that what is tested was part of more."""
    size = summary.family.size
    chosen = "this one was" if size == 1 else f"these {size:,} were"
    return (
        f"An earlier comparison on some of these seeds had up to {summary.chosen_from:,} differences: if {chosen} "
        "chosen by what it showed, the level of 5 % does not hold."
    )


def tested_with(family: Family) -> str:
    """Name the family in few words."""
    what = "a test" if family.size == 1 else f"one test of all {family.size:,} comparisons"
    return f"{what} at {LEVEL:.0%}".replace("%", " %")


def _values(metric: Metric, matrix: MatrixSpec, *, is_whole: bool) -> str:
    what = f"Test {metric.title}{in_unit(metric.unit)} after {counted(matrix.epochs, 'epoch')}"
    what += "" if metric.higher_is_better else f" ({direction(metric)})"
    if matrix.seeds == 1:
        return f"{what}, of a single seed."
    fewer = "" if is_whole else ", fewer where the cell says so,"
    over = "" if matrix.folds == 1 else f" over {matrix.folds} folds"
    return f"{what}: mean of {matrix.seeds} seeds{over}{fewer} {PLUS_MINUS} 95 % interval, each for itself."


def further_legend(matrix: MatrixSpec) -> str:
    """Explain the tables of further metrics."""
    interval = "" if matrix.seeds == 1 else f": mean {PLUS_MINUS} half width of the 95 % t interval"
    return f"On the test set, of the same runs as above{interval}. They are not tested."


def reference_legend(summary: Summary) -> str:
    """Explain the table that compares every norm with the reference."""
    reference, metric = summary.reference, summary.metric
    parts = [
        f"vs {reference}: mean difference from {reference} at the same batch size"
        f"{_comma(in_unit(difference_unit(metric)))}, paired by seed{_interval(summary.matrix)}.",
        *(
            [f"({PLUS_MINUS}...): the interval over other seeds and other test samples."]
            if any(cell.vs_reference and cell.vs_reference.with_samples for cell in summary.cells)
            else []
        ),
        f"p: {_verdict(summary.family)}",
        f"beats: share of the seeds that both have in which it is better than {reference}; a tie counts half, a "
        "diverged run as worse.",
        "rank: mean rank among the norms, 1 the best, over the seeds that all of them have; a diverged run is last.",
        f"r: correlation with {reference} over seeds, on which pairing rests.",
    ]
    pairs = [each.difference.pairs for cell in summary.cells if (each := cell.vs_reference) and each.difference]
    if any(count < summary.matrix.seeds for count in pairs):
        parts.append(
            "(n=...): pairs, where a seed lacks one of the two; such a difference is over the seeds in common, and "
            f"with fewer than {MIN_SEEDS} it is not tested."
        )
    if any(
        cell.vs_reference and cell.vs_reference.difference and cell.vs_reference.difference.is_zero
        for cell in summary.cells
    ):
        parts.append(f"{SAME}: no difference in any run.")
    return " ".join(parts)


def _comma(text: str) -> str:
    return f",{text}" if text else ""


def _interval(matrix: MatrixSpec) -> str:
    return "" if matrix.seeds == 1 else f", {PLUS_MINUS} its 95 % interval, each for itself"


def _verdict(family: Family) -> str:
    """Say how p values came about, or why there is none."""
    if not family.size:
        return "nothing to test."
    if not family.is_tested:
        return f"not tested, which needs at least {MIN_SEEDS} seeds."
    least = family.least_p_value
    floor = f" With {family.seeds} seeds it cannot be less than {least:.3f}." if least >= MIN_P else ""
    adjusted = "" if family.size == 1 else f"adjusted for all {family.size:,} comparisons; "
    return f"{adjusted}{SIGNIFICANT} at most {LEVEL:g}.{floor}"


def effect_legend(summary: Summary) -> str:
    """Explain the table of slopes, and its family of tests."""
    metric = summary.metric
    where, suffers = ("positive", "loses") if metric.higher_is_better else ("negative", "suffers")
    sign = f" {SIGNIFICANT} significant, in the same family of tests." if summary.family.is_tested else ""
    return " ".join(
        [
            f"slope: change in {metric.title} with each doubling of the batch size"
            f"{_comma(in_unit(difference_unit(metric)))}: mean over seeds of the least-squares slope against its "
            f"base-2 logarithm{_interval(summary.matrix)}.",
            "minus X: by how much the row's slope exceeds that of X, paired by seed; where that is "
            f"{where}, the row {suffers} more than X when the batch size shrinks.{sign}",
        ]
    )


def power_sentence(summary: Summary, table: Table) -> str | None:
    """Say what this number of seeds can detect against the reference, and how many a small difference would need."""
    metric = summary.metric
    powers = [each for each in table.powers if float(metric.write(each.detectable, like=each.detectable))]
    if not powers:  # seeds hardly differ
        return None
    found = [f"{_amount(metric, power.detectable, summary)} at batch size {power.batch_size}" for power in powers]
    text = f"Minimum detectable difference vs {summary.reference} (80 % power): {enumerated(found)}."
    lacking = [
        f"{'over' if power.seeds_for_target >= MAX_SEEDS else 'about'} {power.seeds_for_target:,} seeds at batch size "
        f"{power.batch_size}"
        for power in powers
        if power.seeds_for_target is not None
    ]
    if not lacking:
        return text
    return f"{text} Detecting {_target(metric, powers[0].target)} would take {enumerated(lacking)}."


def samples_sentence(summary: Summary, table: Table) -> str | None:
    """Say how much of the uncertainty is that of the test samples, which more seeds do not lessen."""
    metric, limits, least = summary.metric, dict[int, float](), _least_mean(summary)
    for cell in table.cells:
        found = cell.vs_reference.with_samples if cell.vs_reference else None
        if found is not None and float(metric.write(found.limit, like=max(found.limit, least))):
            limits[cell.batch_size] = max(found.limit, limits.get(cell.batch_size, 0.0))
    if not limits:
        return None
    amounts = enumerated(
        [f"{_amount(metric, limit, summary)} at batch size {size}" for size, limit in sorted(limits.items())]
    )
    return (
        "On other test samples differences vary, too. With ever more seeds the widest interval over both would still "
        f"be about {PLUS_MINUS}{amounts}."
    )


def eval_stats_legend(summary: Summary) -> str:
    """Explain the table of the statistics of evaluation."""
    words = {
        "running": "running: by the averages kept while training, which decide in every other table",
        "recalibrated": "recalibrated: by statistics of the whole training set with the final weights",
        "batch": "batch: each test batch by its own statistics",
    }
    metric = summary.metric
    said = "; ".join(words[stats] for stats in summary.matrix.eval_stats)
    return (
        f"Test {metric.title}{in_unit(metric.unit)} of norms that keep running statistics. {said}. What recalibrating "
        "gains is about what the running averages lost (Wu & Johnson 2021). Not tested."
    )


def places_legend(matrix: MatrixSpec) -> str:
    """Explain the table of values per statistic."""
    sizes = " / ".join(map(str, matrix.batch_sizes))
    return (
        f"At how many values each mean and variance is taken in training, at batch size {sizes} where that differs; "
        f"{NOTHING} no norm or nothing pooled, ? not known."
    )


def _amount(metric: Metric, difference: float, summary: Summary) -> str:
    text = value_text(metric, difference, like=max(difference, _least_mean(summary)))
    return with_difference_unit(metric, text)


def _least_mean(summary: Summary) -> float:
    return min((abs(cell.mean) for cell in summary.cells if cell.mean is not None), default=0.0)


def _target(metric: Metric, target: float) -> str:
    number = f"{metric.scale * target:g}"
    text = with_difference_unit(metric, number)
    return text.removesuffix("s") if number == "1" else text
