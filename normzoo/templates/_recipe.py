"""The recipe of a training: the optimizers, and the schedules that a learning rate may follow.

A schedule is a function of the step, so that a stack whose members have their own rates needs one for all of them:
it says by how much every rate is multiplied. Before it, a linear warm-up over a share of all steps may stand.
"""

import math
from collections.abc import Callable, Collection, Sequence
from inspect import signature
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from normzoo.errors import ComponentError, error_line, error_text
from normzoo.registry import OPTIMIZERS, SCHEDULES

Schedule = Callable[[int], float]
"""From a step, counted from 0, to what learning rates are multiplied by in it."""


def make_optimizer(
    spec: str,
    parameters: Sequence[nn.Parameter],
    lr: float,
    *,
    weight_decay: float = 0.0,
    without_decay: Collection[nn.Parameter] = (),
    capturable: bool = False,
) -> Optimizer:
    """Make the optimizer that a spec names.

    Args:
        spec: the optimizer.
        parameters: all that it updates.
        lr: the learning rate.
        weight_decay: as the optimizer understands it; 0 for none, also where it has another by default.
        without_decay: those of the parameters that it leaves alone.
        capturable: whether its steps will be recorded on a GPU; for those of normzoo's own that take it.

    Raises:
        ComponentError: it cannot be made, is no optimizer, or does not take the options or a weight decay.
    """
    target, options = OPTIMIZERS.load(spec)
    if not OPTIMIZERS.parse(spec).is_own and "capturable" in signature(target).parameters:
        options["capturable"] = capturable
    given: Any = list(parameters)
    if weight_decay:
        exempt = set(map(id, without_decay))
        decayed, others = ([each for each in given if (id(each) in exempt) is wanted] for wanted in (False, True))
        groups = ((decayed, weight_decay), (others, 0.0))
        given = [{"params": params, "weight_decay": decay} for params, decay in groups if params]
    try:
        optimizer = target(given, lr=lr, **options)
    except Exception as error:
        raise ComponentError(f"optimizer '{spec}' cannot be made: {error_line(error)}") from error
    if not isinstance(optimizer, Optimizer):
        raise ComponentError(
            f"optimizer '{spec}': it must be a torch.optim.Optimizer, it is a {type(optimizer).__name__}"
        )
    if weight_decay and "weight_decay" not in optimizer.defaults:
        raise ComponentError(f"optimizer '{spec}' has no weight_decay, and would ignore it; leave weight_decay at 0")
    for group in optimizer.param_groups:
        if not weight_decay and "weight_decay" in group:  # which is not 0 by everyone's default
            group["weight_decay"] = 0.0
    return optimizer


def sgd(params: Any, *, lr: float, momentum: float = 0.9, nesterov: bool = False) -> SGD:
    """Make ``torch.optim.SGD``: one kernel for all parameters."""
    optimizer = SGD(params, lr=lr, momentum=momentum, nesterov=nesterov, fused=True)
    if momentum:  # torch's kernel fails if some parameters have had a gradient before and others have not
        for parameter in _parameters(optimizer):
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def adam(
    params: Any,
    *,
    lr: float,
    capturable: bool = False,
    betas: tuple[float, ...] = (0.9, 0.999),
    eps: float = 1e-8,
    amsgrad: bool = False,
) -> Adam:
    """Make ``torch.optim.Adam``: one kernel for all parameters; a weight decay is added to the gradient."""
    return Adam(params, lr=lr, betas=_two(betas), eps=eps, amsgrad=amsgrad, fused=True, capturable=capturable)


def adamw(
    params: Any,
    *,
    lr: float,
    capturable: bool = False,
    betas: tuple[float, ...] = (0.9, 0.999),
    eps: float = 1e-8,
    amsgrad: bool = False,
) -> AdamW:
    """Make ``torch.optim.AdamW``; without weight decay, unlike torch, unless a group of ``params`` has one."""
    return AdamW(
        params,
        lr=lr,
        betas=_two(betas),
        eps=eps,
        amsgrad=amsgrad,
        weight_decay=0.0,
        fused=True,
        capturable=capturable,
    )


def rmsprop(
    params: Any,
    *,
    lr: float,
    capturable: bool = False,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
) -> RMSprop:
    """Make ``torch.optim.RMSprop``."""
    return RMSprop(params, lr=lr, alpha=alpha, eps=eps, momentum=momentum, centered=centered, capturable=capturable)


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _two(betas: tuple[float, ...]) -> tuple[float, float]:
    if len(betas) != 2:
        raise ValueError(f"betas are two numbers, such as 0.9-0.999, got {len(betas)}")
    return betas[0], betas[1]


def make_schedule(spec: str, steps: int) -> Schedule | None:
    """Make the schedule that a spec names, over so many steps; None where the rate is the same throughout.

    It is tried at its ends, one of the user's own at every step, twice, which takes far less time than to train them.

    Raises:
        ComponentError: it does not take the options, or what it returns is no rate, or another one at each call.
    """
    if SCHEDULES.canonical(spec) == "constant":
        return None
    target, options = SCHEDULES.load(spec)
    last = max(steps - 1, 0)

    def factor(step: int) -> float:
        return float(target(min(step, last), steps=steps, **options))

    found: list[float] = []
    for step in range(last + 1) if SCHEDULES.parse(spec).is_own else (0, last):
        try:
            value = factor(step)
        except Exception as error:
            if isinstance(error, ValueError):
                raise ComponentError(f"schedule '{spec}': {error_text(error)}") from error
            raise ComponentError(f"schedule '{spec}' fails at step {step} of {steps}: {error_line(error)}") from error
        if not 0 <= value < math.inf:
            raise ComponentError(
                f"schedule '{spec}' must return a finite number of at least 0, it returned {value:g} at step {step} of "
                f"{steps}"
            )
        found.append(value)
    if SCHEDULES.parse(spec).is_own and any(factor(step) != value for step, value in enumerate(found)):
        raise ComponentError(
            f"schedule '{spec}' returns another number when it is asked for a step once more; make it depend on its "
            "arguments alone"
        )
    return factor


def constant(step: int, *, steps: int, warmup: float = 0.0) -> float:
    """Return 1, after the warm-up.

    >>> [constant(step, steps=10, warmup=0.3) for step in (0, 1, 2, 3, 9)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return _warmed_up(step, steps, warmup, lambda step, steps: 1.0)  # noqa: ARG005


def cosine(step: int, *, steps: int, warmup: float = 0.0, final: float = 0.0) -> float:
    """Return what ``torch.optim.lr_scheduler.CosineAnnealingLR`` would: half a cosine from 1 to ``final``.

    It ends a step after the last one, so that every step has a rate above ``final``.
    """
    if not 0 <= final <= 1:
        raise ValueError(f"final must be from 0 to 1, got {final:g}")
    return _warmed_up(step, steps, warmup, lambda step, steps: _along_cosine(1.0, final, step / steps))


def step(
    step: int, *, steps: int, warmup: float = 0.0, at: tuple[float, ...] = (0.5, 0.75), gamma: float = 0.1
) -> float:
    """Return what ``torch.optim.lr_scheduler.MultiStepLR`` would: ``gamma`` for each of the shares that has passed."""
    if not all(0 < share < 1 for share in at):
        raise ValueError(f"at must be shares of the steps between 0 and 1, got {', '.join(f'{each:g}' for each in at)}")
    if not gamma > 0:
        raise ValueError(f"gamma must be greater than 0, got {gamma:g}")
    return _warmed_up(step, steps, warmup, lambda step, steps: gamma ** sum(step >= round(each * steps) for each in at))


def onecycle(
    step: int,
    *,
    steps: int,
    warmup: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    anneal_strategy: Literal["cos", "linear"] = "cos",
) -> float:
    """Return what ``torch.optim.lr_scheduler.OneCycleLR`` would, with ``warmup`` for its ``pct_start``.

    It rises from ``1 / div_factor`` to 1 and falls to ``1 / (div_factor * final_div_factor)``. Momentum does not
    change, as with ``cycle_momentum=False``.
    """
    _check_warmup(warmup)
    if not (div_factor > 0 and final_div_factor > 0):
        raise ValueError(
            f"div_factor and final_div_factor must be greater than 0, got {div_factor:g} and {final_div_factor:g}"
        )
    between = _along_cosine if anneal_strategy == "cos" else _along_line
    start, end, top = 1 / div_factor, 1 / (div_factor * final_div_factor), warmup * steps - 1
    if step <= top:
        return between(start, 1.0, step / top if top else 1.0)
    return between(1.0, end, (step - top) / (steps - 1 - top))


def _along_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _along_line(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _warmed_up(step: int, steps: int, warmup: float, then: Callable[[int, int], float]) -> float:
    """Return a rise in even parts to 1 over a share of the steps; then what a function says of those that are left."""
    _check_warmup(warmup)
    rise = round(warmup * steps)
    return (step + 1) / (rise + 1) if step < rise else then(step - rise, steps - rise)


def _check_warmup(warmup: float) -> None:
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup is a share of all steps, at least 0 and below 1, got {warmup:g}")
