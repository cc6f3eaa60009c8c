"""By which statistics the norms of a network normalize once it is trained: the running ones, others, or a batch's own.

Wu & Johnson (2021), "Rethinking 'Batch' in BatchNorm": what batch norm loses may be the doing of training, or of the
running averages that it is evaluated by. All of this is for every norm that tracks statistics: ours, and those that
derive from the base of torch.nn's batch and instance norm.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import reduce
from inspect import signature
from typing import Any, Literal

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from normzoo.errors import UsageError
from normzoo.layers import Norm
from normzoo.layers._kernels.moments import (
    Moments,
    Statistics,
    at_least_one,
    block_moments,
    is_counted,
    merge,
    pool_moments,
)
from normzoo.layers._kernels.spec import widened
from normzoo.layers._kernels.torch_internals import TorchInstanceNorm
from normzoo.surgery._freeze import Held, Model, refuse_scripted, tracked_norms

EvalStatistics = Literal["running", "batch"]

_WITHOUT_SAMPLES = {nn.InstanceNorm1d: 2, nn.InstanceNorm2d: 3, nn.InstanceNorm3d: 4}
"""How many dimensions one sample has, which these norms take by itself."""


@contextmanager
def eval_statistics(model: nn.Module, statistics: EvalStatistics) -> Iterator[None]:
    """Evaluate a model within by its running statistics, or by those of each batch; afterwards all is as before.

    Within, everything is in evaluation, dropout for one. By ``batch``, the norms that keep running statistics normalize
    each batch by its own, as they do in training, also after a call of ``eval()``; the running ones do not change.

    Raises:
        UsageError: there are no such statistics.

    >>> norm, x = nn.BatchNorm1d(3), torch.randn(8, 3) + 5
    >>> with eval_statistics(norm, "batch"):
    ...     y = norm(x)
    >>> bool(y.mean().abs() < 1e-6), norm.running_mean.tolist()
    (True, [0.0, 0.0, 0.0])
    """
    if statistics not in ("running", "batch"):
        raise UsageError(f"eval_statistics: unknown statistics '{statistics}' (known: running, batch)")
    with ExitStack() as stack:
        for module in model.modules():
            stack.callback(setattr, module, "training", module.training)
            module.training = False
        if statistics == "batch":
            stack.enter_context(restoring_statistics(model))
            for norm in tracked_norms(model):
                stack.enter_context(_by_batch(norm))
        yield


@contextmanager
def _by_batch(norm: nn.Module) -> Iterator[None]:
    """Have a norm stay in training, and remember nothing: instance norms do not look at ``track_running_stats``."""
    own = vars(norm)
    settings = {name: value for name, value in own.items() if name in ("train", "momentum", "track_running_stats")}
    own.update(train=Held(norm, training=True), momentum=0.0, track_running_stats=False)
    try:
        yield
    finally:
        del own["train"]
        own.update(settings)


@contextmanager
def restoring_statistics(model: nn.Module) -> Iterator[None]:
    """Put back the running statistics of a model's norms at the end, in place."""
    kept = [(buffer, buffer.clone()) for norm in tracked_norms(model) for buffer in norm.buffers(recurse=False)]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)


def recalibrate(model: Model, batches: Iterable[Any], *, forward: Callable[[Any], object] | None = None) -> Model:
    """Replace the running statistics of a model's norms, in place, by those of some batches: precise batch norm.

    In one pass, each batch is normalized by its own statistics, while all else is in evaluation. A batch norm gets the
    mean and variance of all values of all batches, exactly, whatever their sizes (Chan et al. 1983), over all its calls
    if it is called several times; what a mask hides does not count. An instance norm gets the means of the means and
    variances of all samples. Variances are those by which a batch is normalized: biased, but for a norm that is
    ``unbiased``. So evaluating one batch by statistics that are recalibrated on it is the same as normalizing it by its
    own.

    Nothing else changes: not ``momentum``, nor ``num_batches_tracked``, on which further training goes on. Norms that
    are not called keep their statistics. Frozen statistics (``freeze``) are replaced, too, and stay frozen. In a
    process group every rank must call this, with its own batches, of which there may be more or fewer than elsewhere;
    all ranks end with the same statistics, those of all batches. With synchronized norms, which wait for one another,
    there must be equally many.

    Args:
        model: any module.
        batches: tensors, or tuples or lists of which the first is the input, as data loaders return them. Inputs
            are moved to the device of the norms.
        forward: passes a batch through the model, in place of ``model(inputs)``; it gets the batch as it is.

    Returns:
        The model.

    Raises:
        UsageError: there is no batch, or a batch is none of these, or norms are scripted.

    >>> norm = recalibrate(nn.BatchNorm1d(1), [torch.tensor([[1.0], [2.0]]), torch.tensor([[6.0]] * 4)])
    >>> norm.running_mean.tolist(), norm.running_var.tolist()
    ([4.5], [4.583333492279053])
    """
    refuse_scripted(model, "recalibrate", ("BatchNorm", "InstanceNorm"))
    if isinstance(batches, Tensor):
        raise UsageError("recalibrate: batches must be several, got a tensor; pass [batch], or a data loader")
    norms = tracked_norms(model)
    if not norms:
        return model
    network = model.module if isinstance(model, DistributedDataParallel) else model
    gathered = {_place(norm): _Gathered() for norm in norms}
    with torch.no_grad(), _as_it_is(), eval_statistics(model, "batch"), ExitStack() as hooks:
        for norm in norms:
            hooks.callback(norm.register_forward_pre_hook(gathered[_place(norm)], with_kwargs=True).remove)
        for batch in batches:
            if forward is not None:
                forward(batch)
            else:
                network(_inputs(batch).to(norms[0].get_buffer("running_mean").device))
    found = _of_all_ranks([each.moments for each in gathered.values()])
    if all(moments is None for moments in found):
        raise UsageError("recalibrate: no batch has reached a norm; pass at least one, and an iterator only once")
    of_place = dict(zip(gathered, found, strict=True))
    with torch.no_grad():
        for norm in norms:
            moments = of_place[_place(norm)]
            if moments is not None:
                mean, var = _statistics(norm, moments)
                norm.get_buffer("running_mean").copy_(mean)
                norm.get_buffer("running_var").copy_(var)
    return model


def _place(norm: nn.Module) -> int:
    """Return where a norm keeps its statistics, which may be those of other norms, too."""
    return norm.get_buffer("running_mean").data_ptr()


def _as_it_is() -> AbstractContextManager[object]:
    """Have compiled modules run as they are: compiled code does not see hooks that are new."""
    is_compiler_loaded = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if is_compiler_loaded else nullcontext()


def _inputs(batch: object) -> Tensor:
    inputs = batch[0] if isinstance(batch, tuple | list) and batch else batch
    if not isinstance(inputs, Tensor):
        raise UsageError(
            f"recalibrate: a batch must be a tensor, or begin with one, got {type(batch).__name__}; pass forward=..., "
            "a function that passes such a batch through the model"
        )
    return inputs


class _Gathered:
    """Called before each call of a norm: the moments of all its inputs so far."""

    def __init__(self) -> None:
        self.moments: Moments | None = None

    def __call__(self, norm: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        given = list(signature(norm.forward).bind(*arguments, **named).arguments.values())
        if given[0].numel():
            mask = given[1] if len(given) > 1 and isinstance(norm, Norm) else None
            newest = _moments(norm, widened(given[0]), mask)
            self.moments = newest if self.moments is None else merge(self.moments, newest)


def _moments(norm: nn.Module, x: Tensor, mask: Tensor | None) -> Moments:
    """Return the moments of an input, per channel; of an instance norm, what is averaged over samples."""
    if any(isinstance(norm, kind) and x.ndim == ndim for kind, ndim in _WITHOUT_SAMPLES.items()):
        x, mask = x.unsqueeze(0), None if mask is None else mask.unsqueeze(0)
    x = x.movedim(getattr(norm, "channel_dim", 1), 1)
    grid = 2 if getattr(norm, "members", None) is None else 3
    blocks = block_moments(x, grid, None if mask is None else mask.unsqueeze(grid - 1))
    if not isinstance(norm, TorchInstanceNorm):
        return _per_channel(pool_moments(blocks, (0,)), x.shape[1:grid])
    samples = torch.as_tensor(blocks.count > 0).to(x.dtype) if is_counted(blocks.count) else 1
    averaged = torch.stack([blocks.mean, blocks.m2 / _degrees(norm, blocks.count)])
    return _per_channel(
        pool_moments(Moments(samples, averaged, torch.zeros_like(averaged)), (1,)), (2, *x.shape[1:grid])
    )


def _per_channel(pooled: Statistics, shape: Sequence[int]) -> Moments:
    count, mean, m2 = (
        value.reshape(shape) if isinstance(value, Tensor) and value.ndim else value
        for value in (pooled.count, pooled.mean, pooled.var * pooled.count)
    )
    return Moments(count, mean, m2)  # type: ignore[arg-type]  # a mean is there


def _statistics(norm: nn.Module, moments: Moments) -> Sequence[Tensor]:
    """Return the mean and the variance by which a norm is to normalize."""
    if isinstance(norm, TorchInstanceNorm):
        return list(moments.mean)
    return [moments.mean, moments.m2 / _degrees(norm, moments.count)]


def _degrees(norm: nn.Module, count: Tensor | int) -> Tensor | int:
    """Return by what a sum of squared deviations is divided for the variance by which a norm normalizes."""
    return at_least_one(count - 1 if getattr(norm, "unbiased", False) else count)


def _of_all_ranks(found: list[Moments | None]) -> list[Moments | None]:
    """Merge what the ranks of a process group have found, in the same order on each, for the same result."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return found
    mine = [None if each is None else Moments(*map(_on_cpu, each)) for each in found]  # type: ignore[arg-type]
    everyones: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(everyones, mine)
    return [
        reduce(merge, parts) if parts else None
        for parts in ([each for each in of_ranks if each is not None] for of_ranks in zip(*everyones, strict=True))
    ]


def _on_cpu(value: Tensor | int) -> Tensor | int:
    return value.cpu() if isinstance(value, Tensor) else value
