"""The recipe in words: what runs were trained by, at which learning rates, and how these change."""

from collections.abc import Mapping
from typing import Any

from normzoo.errors import counted
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.registry import OPTIMIZERS, SCHEDULES, TASKS
from normzoo.report.analysis.numbers import Summary
from normzoo.report.analysis.wording import enumerated

RULES = {
    "linear": "scaled linearly with the batch size",
    "sqrt": "scaled with the square root of the batch size",
    "fixed": "the same at every batch size",
}


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
    warmup = f"{100 * options['warmup']:g} %"
    rise = f"rises in even parts to this (first {warmup})" if options["warmup"] else ""
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
        case _:
            then = ""
    told = ", then ".join(filter(None, (rise, then)))
    return f" Over the steps it {told}." if told else ""
