"""What stands around a table: its title, and how the runs were trained."""

from pathlib import PurePath

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.metric import Metric
from normzoo.registry import DATASETS, TEMPLATES
from normzoo.report.analysis.numbers import Summary
from normzoo.report.analysis.wording import counted, difference_unit, direction, in_unit

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
