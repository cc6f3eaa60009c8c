"""What stands around a table: its title, how the runs were trained, and what its numbers and signs are."""

from pathlib import PurePath

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.metric import Metric
from normzoo.registry import DATASETS, TEMPLATES
from normzoo.report.analysis.numbers import Summary, Table
from normzoo.report.analysis.wording import (
    MIN_P,
    PLUS_MINUS,
    counted,
    counts_samples,
    difference_unit,
    direction,
    enumerated,
    in_unit,
    value_text,
    with_difference_unit,
)
from normzoo.report.render.cells import BEST, PARTIAL, SIGNIFICANT, TIED, change_header
from normzoo.report.statistics.differences import LEVEL, MAX_EXACT, least_p_value
from normzoo.report.statistics.family import MAX_SEEDS, Family, Power, seeds_needed

RULES = {
    "linear": "scaled linearly with the batch size",
    "sqrt": "scaled with the square root of the batch size",
    "fixed": "the same at every batch size",
}


def dataset(matrix: MatrixSpec) -> str:
    """Name the dataset; a file of the user's own without its folders.

    >>> dataset(MatrixSpec(dataset="npz:some/where/mine.npz"))
    'npz:mine.npz'
    """
    spec = DATASETS.parse(matrix.dataset)
    return str(spec._replace(argument=PurePath(spec.argument).name))


def title(matrix: MatrixSpec, template: str) -> str:
    """Name what was trained: the template, its dataset, and the norm's placement where it has one.

    >>> title(MatrixSpec(), "cnn")
    'cnn on digits, norm after the activation'
    """
    where = placement(template)
    return f"{template} on {dataset(matrix)}{f', norm {where} the activation' if where else ''}"


def placement(template: str) -> str:
    """Say where a template has its norms; empty where that is no option of it.

    >>> placement("cnn:placement=pre")
    'before'
    """
    spec = TEMPLATES.parse(template)
    options = {**(TEMPLATES[spec.target].options if spec.target in TEMPLATES else {}), **spec.options}
    return {"post": "after", "pre": "before"}.get(str(options.get("placement")), "")


def metric_title(metric: Metric, split: str = "test") -> str:
    """Name the metric on a split, with its unit and its direction.

    >>> metric_title(Metric(name="rmse", label="RMSE", unit="K", higher_is_better=False))
    'test RMSE in K, lower is better'
    """
    return f"{split} {metric.title}{in_unit(metric.unit)}, {direction(metric)}"


def training(summary: Summary) -> str:
    """Say how the runs were trained: optimizer, learning rate at every batch size, epochs."""
    matrix = summary.matrix
    momentum = " with momentum 0.9" if matrix.optimizer == "sgd" else ""
    trained = f"Trained by {matrix.optimizer}{momentum} for {counted(matrix.epochs, 'epoch')} at every batch size"
    if matrix.clip_norm is not None:
        trained += f", gradient norm clipped at {matrix.clip_norm:g}"
    if matrix.precision != "32-true":
        trained += f", precision {matrix.precision}"
    if matrix.lrs:
        rates = ", ".join(f"{rate:g}" for rate in matrix.lrs)
        return (
            f"{trained}; learning rate chosen for each norm and batch size from {rates} (at batch size "
            f"{matrix.lr_reference}, {RULES[matrix.lr_rule]}) by the mean validation {summary.metric.title} over seeds."
        )
    rates = ", ".join(f"{matrix.lr_at(size):g} at {size}" for size in matrix.batch_sizes)
    return (
        f"{trained}; learning rate {matrix.lr:g} at batch size {matrix.lr_reference}, "
        f"{RULES[matrix.lr_rule]} ({rates})."
    )


def baseline_heading(matrix: MatrixSpec) -> str:
    """Name the part of a report in which every norm is compared with the baseline."""
    return f"Comparison with the baseline ({matrix.reference})"


def baseline_title(matrix: MatrixSpec, template: str) -> str:
    """Name the table that compares every norm with the baseline."""
    return f"{template}: comparison with the baseline ({matrix.reference}) at each batch size"


def effect_title(summary: Summary, template: str) -> str:
    """Name the table of slopes."""
    return f"{template}: effect of the batch size,{in_unit(difference_unit(summary.metric))} per doubling"


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


TEST = f"exact paired sign-flip test over seeds (t test from {MAX_EXACT + 1} seeds on)"


def legend(summary: Summary) -> str:
    """Explain the first table of each template."""
    metric, cells = summary.metric, list(summary.cells)
    marks = {cell.mark for cell in cells}
    parts = [_values(metric, summary.matrix, is_whole=all(cell.ok == cell.planned for cell in cells))]
    if summary.test_samples:
        parts.append(f"{_test_set(metric, summary.test_samples)}.")
    if "best" in marks:
        parts.append(
            f"{BEST} best of its column, {TIED} not significantly different from it, the others are behind: {TEST}, "
            f"adjusted by Holm over all pairs of the column, level {LEVEL:g}."
        )
    if any(cell.is_partial for cell in cells):
        parts.append(
            f"{PARTIAL} completed runs only: runs that diverged or failed have no {metric.title}; such a norm ranks "
            "behind those without, and what leaves runs out is not tested."
        )
    if len(summary.matrix.batch_sizes) > 1:
        change = f"mean paired difference{in_unit(difference_unit(metric))}, untested"
        parts.append(f"{change_header(summary.matrix.batch_sizes)}: {change}.")
    parts.append(
        "s/epoch: training seconds of a run per epoch, over the batch sizes, timed while nothing else was trained."
    )
    return " ".join(parts)


def _values(metric: Metric, matrix: MatrixSpec, *, is_whole: bool) -> str:
    what = (
        f"Test {metric.title}{in_unit(metric.unit)} ({direction(metric)}), after the last of "
        f"{counted(matrix.epochs, 'epoch')}"
    )
    if matrix.seeds == 1:
        return f"{what}, of a single seed."
    fewer = "" if is_whole else ", fewer where the cell says so"
    return f"{what}: mean {PLUS_MINUS} half width of the 95 % t interval over n = {matrix.seeds} seeds{fewer}."


def _test_set(metric: Metric, samples: int) -> str:
    text = f"The test set has {samples:,} samples"
    if not counts_samples(metric):
        return text
    return f"{text}: one is {with_difference_unit(metric, f'{metric.scale / samples:.2g}')}"


def further_legend(matrix: MatrixSpec) -> str:
    """Explain the tables of further metrics."""
    interval = "" if matrix.seeds == 1 else f": mean {PLUS_MINUS} half width of the 95 % t interval"
    return f"On the test set, of the same runs as above{interval}. None of these is tested."


def baseline_legend(summary: Summary) -> str:
    """Explain the table that compares every norm with the baseline, and its family of tests."""
    reference, metric = summary.matrix.reference, summary.metric
    parts = [
        f"vs {reference}: mean difference from {reference} at the same batch size"
        f"{_comma(in_unit(difference_unit(metric)))}, paired by seed{_interval(summary.matrix)}.",
        f"p: {_verdict(summary.vs_baseline, 'differences', 'over all templates and batch sizes')}"
        f"{_floor(summary.vs_baseline) if summary.vs_baseline.is_tested else ''}",
        f"beats: share of the seeds that both have in which it is better than {reference}; a tie counts half, a "
        "diverged run as worse.",
        "rank: mean rank among the norms, 1 the best, over the seeds that all of them have; a diverged run is last.",
        f"r: correlation with {reference} over seeds, on which pairing rests.",
    ]
    pairs = [each.difference.pairs for cell in summary.cells if (each := cell.vs_baseline) and each.difference]
    if any(count < summary.matrix.seeds for count in pairs):
        parts.append(
            "(n=...): pairs, where a seed lacks one of the two; such a difference is over the seeds in common, and "
            f"with fewer than {seeds_needed(1)} it is not tested."
        )
    return " ".join(parts)


def _comma(text: str) -> str:
    return f",{text}" if text else ""


def _interval(matrix: MatrixSpec) -> str:
    return "" if matrix.seeds == 1 else f", {PLUS_MINUS} half width of its 95 % t interval"


def _verdict(family: Family, what: str, where: str) -> str:
    """Say by which test, over which family, or why there is none."""
    if not family.size:
        return "nothing to test."
    if not family.is_tested:
        return "not tested, as seeds are too few."
    return (
        f"{TEST}, adjusted by Holm over the family of {counted(family.size, what.removesuffix('s'))} ({where}); "
        f"{SIGNIFICANT} below {LEVEL:g}."
    )


def _floor(family: Family) -> str:
    """Say how small a p value can be, and why an interval may say otherwise."""
    floor = family.size * least_p_value(family.pairs)
    least = f" With n = {family.pairs} it cannot be less than {floor:.3f}." if floor >= MIN_P else ""
    return (
        f"{least} An interval is of one difference by itself, so it may leave out zero where p is not below the level."
    )


def effect_legend(summary: Summary) -> str:
    """Explain the table of slopes, and its family of tests."""
    metric = summary.metric
    where, suffers = ("positive", "loses") if metric.higher_is_better else ("negative", "suffers")
    return " ".join(
        [
            f"slope: change in {metric.title} with each doubling of the batch size"
            f"{_comma(in_unit(difference_unit(metric)))}: mean over seeds of the least-squares slope against its "
            f"base-2 logarithm{_interval(summary.matrix)}.",
            "minus X: by how much the row's slope exceeds that of X, paired by seed; where that is "
            f"{where}, the row {suffers} more than X when the batch size shrinks.",
            f"Tests: {_verdict(summary.contrasts, 'contrasts', 'of every two norms, over all templates')}",
        ]
    )


def power_sentence(summary: Summary, table: Table) -> str | None:
    """Say what this number of seeds can detect against the baseline, and how many a small difference would need."""
    if not table.powers:
        return None
    metric, reference = summary.metric, summary.matrix.reference
    is_one = len({power.pairs for power in table.powers}) == 1
    found = [
        f"{_amount(metric, power.detectable, summary)} at batch size {power.batch_size}"
        + ("" if is_one else f" (n = {power.pairs})")
        for power in table.powers
        if power.detectable is not None
    ]
    lacking = [str(power.batch_size) for power in table.powers if power.detectable is None]
    n = f", n = {table.powers[0].pairs}" if is_one else ""
    parts = [f"Minimum detectable difference vs {reference} (80 % power{n}): {enumerated(found)}."] if found else []
    if lacking:
        parts.append(
            f"With so few seeds no difference, however large, is detectable at batch size {enumerated(lacking)}."
        )
    seeds = [f"{_seeds(power)} seeds at {power.batch_size}" for power in table.powers]
    return " ".join([*parts, f"Detecting {_target(metric, table.powers[0].target)} would need {enumerated(seeds)}."])


def _amount(metric: Metric, difference: float, summary: Summary) -> str:
    like = max(difference, min((abs(cell.mean) for cell in summary.cells if cell.mean is not None), default=0.0))
    return with_difference_unit(metric, value_text(metric, difference, like=like))


def _target(metric: Metric, target: float) -> str:
    number = f"{metric.scale * target:g}"
    text = with_difference_unit(metric, number)
    return text.removesuffix("s") if number == "1" else text


def _seeds(power: Power) -> str:
    return f"{'over ' if power.seeds_for_target >= MAX_SEEDS else ''}{power.seeds_for_target:,}"


def untested_note(family: Family, what: str) -> str | None:
    """Say that a family of tests has too few seeds, and how many would do; None where it has enough.

    >>> str(untested_note(Family(size=1, pairs=2), "differences from none")).partition(".")[0]
    'Not tested: 1 difference from none needs at least 6 seeds'
    """
    if family.is_tested or not family.size:
        return None
    noun, _, rest = what.partition(" ")
    number = " ".join(filter(None, (counted(family.size, noun.removesuffix("s")), rest)))
    return (
        f"Not tested: {number} need{'s' if family.size == 1 else ''} at least {family.needed} seeds. Rerun with "
        f"--seeds {family.needed}; only the missing runs are trained."
    )
