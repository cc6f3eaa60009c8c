"""How the numbers came about, also by which recipe, and what they do not show."""

from collections.abc import Iterator, Mapping
from typing import Any

from normzoo.errors import counted
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.metric import Metric
from normzoo.registry import ALL, OPTIMIZERS, SCHEDULES, TASKS
from normzoo.report.analysis.notes import Provenance
from normzoo.report.analysis.numbers import Summary
from normzoo.report.analysis.wording import enumerated, value_text, with_unit
from normzoo.report.render.legends import dataset, placement, selection
from normzoo.report.statistics.differences import LEVEL, share_interval
from normzoo.report.statistics.family import MAX_EXACT, MIN_SEEDS, RANDOM_FLIPS

RULES = {
    "linear": "scaled linearly with the batch size",
    "sqrt": "scaled with the square root of the batch size",
    "fixed": "the same at every batch size",
}


def method(summary: Summary, provenance: Provenance) -> Iterator[str]:
    """Say what was varied, what was held equal, how a choice was made, and by which tests."""
    matrix = summary.matrix
    checksums = ", ".join(provenance.dataset_checksums) or "unknown"
    yield _varied(matrix)
    for reason, norms in matrix.reasons().items():
        yield f"No part of {ALL}: {enumerated(norms)}: {reason}."
    yield f"Dataset: {dataset(matrix)}{_sizes(summary)}, checksum of its arrays and their split {checksums}."
    if matrix.folds > 1:
        yield _folds(matrix)
    if provenance.data:
        where = "" if matrix.folds == 1 else " (of the first fold)"
        yield f"Samples{where}: {'; '.join(provenance.data)}."
    yield training(summary)
    yield _updates(summary)
    placed = [f"{template} has its norms {where}" for template in matrix.templates if (where := placement(template))]
    if placed:
        yield f"Placement: {'; '.join(placed)}."
    yield f"Selection: {selection(summary)}"
    of_folds = "fold, the same " if matrix.folds > 1 else ""
    yield (
        f"Pairing: {counted(matrix.seeds, 'seed')}, counted from {matrix.first_seed}; with the same seed all norms "
        f"have the same {of_folds}initial weights where they share them, and see the data in the same order."
    )
    if summary.family.is_tested:
        yield f"Tests: {_how_tested(summary)}"
    yield "Seconds per epoch: training alone, of a run, timed while nothing else was trained; over the batch sizes."
    yield (
        "Diverged runs rank last and count as worse than all others; means and differences are over the seeds that "
        "have a result."
    )


def _varied(matrix: MatrixSpec) -> str:
    """Say what there are several of, and what one.

    >>> _varied(MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="8"))
    'Varied: 2 norms and 8 seeds; one template and one batch size.'
    """
    numbers = {
        "norm": len(matrix.norms),
        "template": len(matrix.templates),
        "batch size": len(matrix.batch_sizes),
        "seed": matrix.seeds,
    }
    several = [counted(number, what) for what, number in numbers.items() if number > 1]
    parts = [f"Varied: {enumerated(several or ['nothing'])}"]
    if single := [f"one {what}" for what, number in numbers.items() if number == 1]:
        parts.append(enumerated(single))
    if len(matrix.batch_sizes) > 1:
        parts.append(f"with the batch size also {_follows(matrix)}")
    return f"{'; '.join(parts)}."


def _sizes(summary: Summary) -> str:
    if summary.train_samples is None or summary.test_samples is None:
        return ""
    about = "" if summary.matrix.folds == 1 else "each of about "
    return f" ({about}{summary.train_samples:,} training and {summary.test_samples:,} test samples)"


def _folds(matrix: MatrixSpec) -> str:
    """Say how samples are cut into folds, and which fold a seed has."""
    more = matrix.seeds % matrix.folds
    uneven = f" ({more} of them once more than the others)" if more else ""
    return (
        f"Folds: the samples of all splits are pooled and cut into {matrix.folds} parts, which keep the shares of the "
        f"classes, where there are any, and are always the same; seed s has part s mod {matrix.folds} as its test set"
        f"{uneven}. Of the rest a tenth is held out for validation; what remains is trained on, and standardized by."
    )


def _updates(summary: Summary) -> str:
    matrix = summary.matrix
    text = (
        "Updates: an epoch is one pass over the training set at every batch size, so a smaller one makes more updates"
    )
    if summary.train_samples is None:
        return f"{text}."
    counts = [f"{summary.train_samples // size * matrix.epochs:,} at {size}" for size in matrix.batch_sizes]
    about = "" if matrix.folds == 1 else "about "
    return f"{text}: {about}{', '.join(counts)}. The last samples of an epoch that fill no batch are left out."


def _follows(matrix: MatrixSpec) -> str:
    """Say what changes with the batch size."""
    return "the number of updates" if matrix.lr_rule == "fixed" else "the number of updates and the learning rate"


def training(summary: Summary) -> str:
    """Say how the runs were trained: optimizer, weight decay, learning rate at every batch size and step, epochs."""
    matrix = summary.matrix
    trained = f"Trained by {optimizer(matrix.optimizer)} for {counted(matrix.epochs, 'epoch')} at every batch size"
    trained += _further(matrix)
    if matrix.lrs:
        rates = ", ".join(f"{rate:g}" for rate in matrix.lrs)
        return (
            f"{trained}; learning rate chosen for each norm and batch size from {rates} (at batch size "
            f"{matrix.lr_reference}, {RULES[matrix.lr_rule]}) by the mean validation {summary.metric.title} over seeds."
            f"{schedule(matrix.schedule)}"
        )
    rates = ", ".join(f"{matrix.lr_at(size):g} at {size}" for size in matrix.batch_sizes)
    return (
        f"{trained}; learning rate {matrix.lr:g} at batch size {matrix.lr_reference}, "
        f"{RULES[matrix.lr_rule]} ({rates}).{schedule(matrix.schedule)}"
    )


def _further(matrix: MatrixSpec) -> str:
    """Say what is not as it is by default, each after a comma."""
    text = ""
    if matrix.weight_decay:
        where = "on all but norms and biases" if matrix.weight_decay_on == "weights" else "on all parameters"
        text += f", weight decay {matrix.weight_decay:g} {where}"
    if smoothing := TASKS.parse(matrix.task).options.get("smoothing"):
        text += f", labels smoothed by {smoothing}"
    if matrix.clip_norm is not None:
        text += f", gradient norm clipped at {matrix.clip_norm:g}"
    if matrix.precision != "32-true":
        text += f", precision {matrix.precision}"
    return text


def optimizer(text: str) -> str:
    """Name an optimizer with its options, also with a momentum that it has by default.

    >>> optimizer("sgd:nesterov=true"), optimizer("adamw:betas=0.9-0.95")
    ('sgd with momentum 0.9 and nesterov', 'adamw with betas 0.9-0.95')
    """
    spec = OPTIMIZERS.parse(text)
    by_default = OPTIMIZERS[spec.target].options.get("momentum") if spec.target in OPTIMIZERS else None
    options = {**({"momentum": by_default} if by_default else {}), **spec.options}
    words = [name if value is True else f"{name} {value}" for name, value in options.items()]
    return f"{spec.target} with {enumerated(words)}" if words else spec.target


def schedule(text: str) -> str:
    """Say in a sentence, after a space, how the learning rate changes over the steps; nothing where it does not.

    >>> schedule("cosine:warmup=0.05")
    ' Over the steps it rises in even parts to this (first 5 %), then falls along half a cosine to 0.'
    >>> schedule("step"), schedule("constant")
    (' Over the steps it is multiplied by 0.1 at 50 % and 75 %.', '')
    """
    spec = SCHEDULES.parse(SCHEDULES.canonical(text))
    if spec.is_own:
        return f" Over the steps it follows {text}."
    options: Mapping[str, Any] = {**SCHEDULES[spec.target].options, **spec.options}
    warmup = f"{100 * options.get('warmup', 0.0):g} %"
    rise = f"rises in even parts to this (first {warmup})" if options.get("warmup") else ""
    match spec.target:
        case "cosine":
            then = f"falls along half a cosine to {options['final']:g}{' of this' if options['final'] else ''}"
        case "step":
            shares = enumerated([f"{100 * float(share):g} %" for share in str(options["at"]).split("-")])
            then = f"is multiplied by {options['gamma']:g} at {shares}{' of the others' if rise else ''}"
        case "onecycle":
            along = "along half cosines" if options["anneal_strategy"] == "cos" else "in straight lines"
            rise = f"goes up to this from 1/{options['div_factor']:g} of it (first {warmup})"
            then = f"down to 1/{options['final_div_factor']:g} of where it began, {along}"
        case "constant":
            then = ""
        case _:
            then = f"follows {text}"
    told = ", then ".join(filter(None, (rise, then)))
    return f" Over the steps it {told}." if told else ""


def _how_tested(summary: Summary) -> str:
    """Say what was tested, and how."""
    family = summary.family
    flips = (
        f"all {2 ** (family.seeds - 1):,} flips that differ"
        if family.seeds <= MAX_EXACT
        else f"{RANDOM_FLIPS:,} random flips"
    )
    what = "every two norms at every batch size"
    if len(summary.matrix.batch_sizes) > 1:
        what += ", and the slopes of every two norms, over all templates"
    if any(cell.ok < cell.planned for cell in summary.cells):
        what += f", but for those that lost runs or have fewer than {MIN_SEEDS} seeds in common"
    return (
        f"{counted(family.size, 'difference')} of one family: {what}. Joint sign flips of the seeds ({flips}), "
        "step-down over the largest, on a scale moderated over the family; two-sided, level "
        f"{LEVEL:g} for all together."
    )


def limitations(summary: Summary) -> Iterator[str]:
    """Say what the numbers do not show."""
    matrix = summary.matrix
    yield (
        f"One dataset and {'small networks' if len(matrix.templates) > 1 else 'one small network'}, trained for "
        f"{counted(matrix.epochs, 'epoch')}: other data, deeper networks and longer training may order the norms "
        "otherwise."
    )
    if matrix.lrs is None:
        yield "One learning rate serves all norms; one that wants another is at a disadvantage (see --lrs)."
    else:
        yield (
            "The learning rate was picked on the validation set by the same seeds, among those tried; a finer or a "
            "wider choice may change the order. Where norms got different rates, a difference may be that of the "
            "rates: seeds do not vary the choice, and neither the level of the tests nor the intervals cover it."
        )
    if matrix.lrs and matrix.folds > 1:
        yield "That rate serves all folds, and validation samples of one fold are test samples of another."
    yield _what_seeds_vary(summary)
    if summary.test_samples and summary.metric.is_share and matrix.folds == 1:
        yield _test_set(summary, summary.test_samples)
    yield (
        "Each confidence interval holds 95 % by itself, not all of them together, and takes the differences as roughly "
        f"normal{_crude(summary.metric)}. The tests do not rest on it. Bounds on those that are not "
        "behind the best hold together within a batch size of a template."
    )
    if summary.family.is_tested:
        yield (
            "A test asks whether the differences over seeds are symmetric about zero. Where a norm collapses on some "
            "seeds, it may find a difference between distributions whose means are alike."
        )
        if not any(cell.n_collapsed for cell in summary.cells):
            seeds = min(cell.ok for cell in summary.cells if cell.ok)
            yield (
                f"That no norm collapsed on {seeds} seeds leaves open that one does on up to "
                f"{100 * (1 - LEVEL ** (1 / seeds)):.0f} % of others (95 %), of which bounds and intervals know "
                "nothing."
            )
    if len(matrix.batch_sizes) > 1:
        yield f"With equal epochs a batch size also changes {_follows(matrix)}."
    if len(matrix.batch_sizes) > 2:
        yield "A slope is that of a straight line through all batch sizes; a norm may fall in one step alone."
    if any(cell.is_partial for cell in summary.cells):
        yield "Where runs diverged or failed, mean, interval and difference are over completed runs only."


def _what_seeds_vary(summary: Summary) -> str:
    """Say what intervals and tests over seeds cover."""
    matrix = summary.matrix
    if matrix.folds == 1:
        others = any(cell.vs_reference and cell.vs_reference.with_samples for cell in summary.cells)
        which = "intervals but those that say so" if others else "intervals"
        return f"Seeds vary initial weights and the order of the data, not the split: {which} cover no other test set."
    text = "Seeds vary initial weights, the order of the data and the fold: intervals and tests also cover the split"
    if matrix.seeds > matrix.folds:
        text += (
            f", but in part alone, as {matrix.seeds} seeds share {matrix.folds} folds: where norms suit some samples "
            f"better than others, they are too sure; with --folds {matrix.seeds} each seed has a fold of its own"
        )
    return (
        f"{text}. Folds share most of their training samples, which makes any interval over folds somewhat too narrow "
        "(Bengio & Grandvalet 2004)."
    )


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
    low, high = share_interval(round(share * samples) / samples, samples)
    return (
        f"A test set of {samples:,} samples by itself leaves an {metric.title} of "
        f"{with_unit(metric, value_text(metric, share))} uncertain between {value_text(metric, low)} and "
        f"{with_unit(metric, value_text(metric, high))} (95 %); all norms share "
        "it, so differences suffer less."
    )
