"""How the numbers came about, and what they do not show."""

from collections.abc import Iterator

from scipy import stats

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.metric import Metric
from normzoo.report.analysis.notes import Provenance
from normzoo.report.analysis.numbers import Summary
from normzoo.report.analysis.wording import counted, counts_samples, value_text, with_unit
from normzoo.report.render.legends import TEST, dataset, placement, selection, training
from normzoo.report.statistics.differences import LEVEL


def method(summary: Summary, provenance: Provenance) -> Iterator[str]:
    """Say what was varied, what was held equal, how a choice was made, and by which tests."""
    matrix = summary.matrix
    checksums = ", ".join(f"`{checksum}`" for checksum in provenance.dataset_checksums) or "unknown"
    yield (
        f"Varied: {counted(len(matrix.norms), 'norm')}, {counted(len(matrix.templates), 'template')}, "
        f"{counted(len(matrix.batch_sizes), 'batch size')} and {counted(matrix.seeds, 'seed')}; with the batch size "
        f"also {_follows(matrix)}."
    )
    yield f"Dataset: {dataset(matrix)}{_sizes(summary)}, checksum of its arrays and their split {checksums}."
    yield training(summary)
    yield _updates(summary)
    for where in ("after", "before"):
        placed = [template for template in matrix.templates if placement(template) == where]
        if placed:
            yield f"Placement: the norm stands {where} the activation ({', '.join(placed)})."
    yield f"Selection: {selection(summary)}"
    yield (
        f"Pairing: {counted(matrix.seeds, 'seed')}, counted from 0; with the same seed all norms have the same initial "
        "weights where they share them, and see the data in the same order."
    )
    yield _families(summary)
    yield (
        "Diverged runs rank last and count as worse than all others; means and differences are over the seeds that "
        "have a result."
    )


def _sizes(summary: Summary) -> str:
    if summary.train_samples is None or summary.test_samples is None:
        return ""
    return f" ({summary.train_samples:,} training and {summary.test_samples:,} test samples)"


def _updates(summary: Summary) -> str:
    matrix = summary.matrix
    text = (
        "Updates: an epoch is one pass over the training set at every batch size, so a smaller one makes more updates"
    )
    if summary.train_samples is None:
        return f"{text}."
    counts = [f"{summary.train_samples // size * matrix.epochs:,} at {size}" for size in matrix.batch_sizes]
    return f"{text}: {', '.join(counts)}. The last samples of an epoch that fill no batch are left out."


def _families(summary: Summary) -> str:
    """Name the families of tests."""
    matrix = summary.matrix
    parts = [
        f"Tests: {TEST}, two-sided. Each family is held to the level {LEVEL:g} by Holm's correction: the differences "
        f"from {matrix.reference} of the whole matrix first ({summary.vs_baseline.size})"
    ]
    if summary.contrasts.size and len(matrix.batch_sizes) > 1:
        parts.append(f", the contrasts between slopes ({summary.contrasts.size})")
    parts.append(
        ", and for the marks of best all pairs of norms in a column, each column by itself. No p value of the others "
        "counts as less than the least of the first family: where no norm differs, a claim of any kind is made in at "
        "most 5 % of matrices. Where one does, each family is held to the level by itself."
    )
    return "".join(parts)


def _follows(matrix: MatrixSpec) -> str:
    """Say what changes with the batch size."""
    return "the number of updates" if matrix.lr_rule == "fixed" else "the number of updates and the learning rate"


def limitations(summary: Summary) -> Iterator[str]:
    """Say what the numbers do not show."""
    matrix = summary.matrix
    yield (
        f"One dataset and {'small networks' if len(matrix.templates) > 1 else 'one small network'}, trained for "
        f"{counted(matrix.epochs, 'epoch')}: other data, deeper networks and longer training may order the norms "
        "otherwise."
    )
    if matrix.lrs is None:
        yield "One learning rate serves all norms; one that wants another is at a disadvantage (see `--lrs`)."
    else:
        yield (
            "The learning rate was picked on the validation set by the same seeds, among those tried; a finer or a "
            "wider choice may change the order."
        )
    yield "Seeds vary initial weights and the order of the data, not the split: intervals do not cover other test sets."
    if summary.test_samples and counts_samples(summary.metric):
        yield _test_set(summary, summary.test_samples)
    yield (
        "Each confidence interval holds 95 % by itself, not all of them together, and takes the differences as roughly "
        f"normal{_crude(summary.metric)}. The tests up to twelve seeds do not rest on it."
    )
    if len(matrix.batch_sizes) > 1:
        yield f"With equal epochs a batch size also changes {_follows(matrix)}."
    if len(matrix.batch_sizes) > 2:
        yield "A slope is that of a straight line through all batch sizes; a norm may fall in one step alone."
    families = len(matrix.batch_sizes) * len(matrix.templates) + 2
    if len(matrix.norms) > 1:
        yield f"Once any difference is significant, {families} families are each held to 5 %, not all of them together."
    if any(cell.is_partial for cell in summary.cells):
        yield "Where runs diverged or failed, mean, interval and difference are over completed runs only."


def _crude(metric: Metric) -> str:
    """Say where values are not normal: near the bound that is best."""
    bound = metric.highest if metric.higher_is_better else metric.lowest
    if bound is None:
        return ""
    number = f"{metric.scale * bound:g} {metric.unit}".rstrip()
    return f"; where {metric.title} comes near {number} that is crude"


def _test_set(summary: Summary, samples: int) -> str:
    """Say how much of a share of samples is the luck of the test set, at the median of all cells."""
    metric = summary.metric
    medians = sorted(cell.median for cell in summary.cells if cell.median is not None)
    share = medians[len(medians) // 2] if medians else 0.5
    interval = stats.binomtest(round(share * samples), samples).proportion_ci(1 - LEVEL, method="wilson")
    low, high = value_text(metric, interval.low), with_unit(metric, value_text(metric, interval.high))
    return (
        f"A test set of {samples:,} samples by itself leaves an {metric.title} of "
        f"{with_unit(metric, value_text(metric, share))} uncertain between {low} and {high} (95 %); all norms share "
        "it, so differences suffer less."
    )
