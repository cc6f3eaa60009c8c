"""Timing one case: ours, torch.nn and other libraries in one process, by turns, in random order."""

import copy
import gc
import random
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from normzoo import layers
from normzoo.bench.spec import AUTO, EAGER, REFERENCE, Case, Measurement, Timing
from normzoo.devices import synchronize, with_float64
from normzoo.layers import backend

Builder = Callable[[Case], Any]
"""Returns the peer's layer for a case; None if it has none. ImportError: it is not installed."""

GROUPS = 8


def ours(case: Case) -> Any:
    """Return normzoo's layer."""
    return _from(layers, case)


def torch_nn(case: Case) -> Any:
    """Return torch.nn's layer."""
    return _from(nn, case)


def _from(source: Any, case: Case) -> Any:
    """Return the layer of a module that has torch.nn's names."""
    channels, rank = case.shape[1], max(len(case.shape) - 2, 1)
    match case.norm:
        case "batch":
            return getattr(source, f"BatchNorm{rank}d")(channels)
        case "instance":
            return getattr(source, f"InstanceNorm{rank}d")(channels, affine=True)
        case "group":
            return source.GroupNorm(GROUPS, channels)
        case "layer":
            return source.GroupNorm(1, channels)
        case "LayerNorm":
            return source.LayerNorm(case.shape[-1])
        case "RMSNorm":
            return source.RMSNorm(case.shape[-1], eps=1e-5)


def timm(case: Case) -> Any:
    """Return timm's layer, in its default setting."""
    from timm import layers

    theirs: Any = layers
    match case.norm:
        case "group":
            return theirs.GroupNorm(case.shape[1], GROUPS, eps=1e-5)
        case "layer":
            return theirs.GroupNorm1(case.shape[1])
        case "LayerNorm":
            return theirs.LayerNorm(case.shape[-1], eps=1e-5)
        case "RMSNorm":
            return theirs.RmsNorm(case.shape[-1], eps=1e-5)
    return None


def liger(case: Case) -> Any:
    """Return Liger-Kernel's layer, whose kernels are written in Triton."""
    from liger_kernel import transformers as theirs

    match case.norm:
        case "LayerNorm":
            return theirs.LigerLayerNorm(case.shape[-1], eps=1e-5)
        case "RMSNorm":
            return theirs.LigerRMSNorm(case.shape[-1], eps=1e-5)
    return None


def apex(case: Case) -> Any:
    """Return apex's layer."""
    from apex import normalization as theirs

    match case.norm:
        case "LayerNorm":
            return theirs.FusedLayerNorm(case.shape[-1], eps=1e-5)
        case "RMSNorm":
            return theirs.FusedRMSNorm(case.shape[-1], eps=1e-5)
    return None


PEERS: dict[str, tuple[Builder, str]] = {
    "timm": (timm, "timm"),
    "Liger-Kernel": (liger, "liger-kernel"),
    "apex": (apex, "apex"),
}
"""By name: how to build their layer, and the distribution they come from. Liger-Kernel and apex run on a GPU only."""

GPU_ONLY = ("Liger-Kernel", "apex")


CALLS_SECONDS = 10e-3
"""A round makes so many calls that they take about this long."""

MIN_ROUNDS, MAX_ROUNDS = 15, 300

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3, torch.bfloat16: 4e-2, torch.float16: 5e-3}

Context = Callable[[], AbstractContextManager[Any]]


class Contender:
    """A layer, how it is called, and what was measured of it."""

    def __init__(self, name: str, module: nn.Module, case: Case, device: torch.device, context: Context) -> None:
        self.name = name
        self.module = module.to(device=device, dtype=getattr(torch, case.dtype)).train(case.mode == "train")
        self.call: Any = torch.compile(self.module, dynamic=False) if case.place == "compiled" else self.module
        self.trains = case.mode == "train"
        self.context = context
        self.seconds: list[float] = []

    def step(self, x: Tensor, grad: Tensor) -> None:
        """Make one call: forward and backward, or forward only."""
        if not self.trains:
            with torch.no_grad():
                self.call(x)
            return
        self.call(x).backward(grad)
        x.grad = None
        for parameter in self.module.parameters():
            parameter.grad = None

    def time(self, x: Tensor, grad: Tensor, calls: int) -> float:
        """Return the seconds of one call, averaged over some."""
        with self.context():
            wait_for(x.device)
            start = time.perf_counter()
            for _ in range(calls):
                self.step(x, grad)
            wait_for(x.device)
            return (time.perf_counter() - start) / calls

    def results(self, x: Tensor, grad: Tensor) -> list[Tensor]:
        """Return the output and, in training, the gradients."""
        with self.context(), torch.set_grad_enabled(self.trains):
            y: Tensor = self.call(x)
            if not self.trains:
                return [y]
            parameters = list(self.module.parameters())
            return [y.detach(), *torch.autograd.grad(y, [x, *parameters], grad)]


def measure(case: Case, device: torch.device, seconds: float) -> Measurement:
    """Check that all contenders of a case compute the same, then time them.

    Args:
        case: what to measure.
        device: where.
        seconds: how long to time each contender, about.

    Raises:
        RuntimeError: a contender computes something else.
    """
    torch.manual_seed(0)
    torch.compiler.reset()
    x, grad = (_input(case, device) for _ in range(2))
    x.requires_grad_(case.mode == "train")
    contenders, skipped = _contenders(case, device)
    _align(contenders)
    contenders = _checked(case, contenders, x, grad, skipped)
    _warm_up(contenders, x, grad)
    saved = {each.name: _saved_bytes(each, x) for each in contenders} if case.mode == "train" else {}
    calls, rounds = _time(contenders, x, grad, seconds)
    size = x.numel() * x.element_size()
    return Measurement(
        case=case,
        timings={each.name: quartiles(each.seconds) for each in contenders},
        saved_bytes=saved,
        moved_bytes=(5 if case.mode == "train" else 2) * size,
        rounds=rounds,
        calls=calls,
        skipped=skipped,
    )


def copy_bandwidth(device: torch.device) -> float:
    """Return the bytes that a large copy reads and writes in a second."""
    source = torch.randn((64 if device.type == "cpu" else 1024) * 2**18, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(20):
        wait_for(device)
        start = time.perf_counter()
        target.copy_(source)
        wait_for(device)
        seconds.append(time.perf_counter() - start)
    return 2 * source.numel() * source.element_size() / statistics.median(seconds)


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    synchronize(device.type)


def _input(case: Case, device: torch.device) -> Tensor:
    x = torch.randn(case.shape, device=device).to(getattr(torch, case.dtype))
    if case.format == "channels_last":
        return x.contiguous(memory_format=torch.channels_last if x.ndim == 4 else torch.channels_last_3d)
    return x


def _contenders(case: Case, device: torch.device) -> tuple[list[Contender], dict[str, str]]:
    """Return torch.nn's layer first, then ours, then what else there is; and who is not there, and why."""
    found = [
        Contender(REFERENCE, torch_nn(case), case, device, nullcontext),
        Contender(AUTO, ours(case), case, device, lambda: backend("auto")),
    ]
    if case.place == "compiled":
        return found, {}
    found.append(Contender(EAGER, ours(case), case, device, lambda: backend("eager")))
    skipped = {}
    for name, (build, _) in PEERS.items():
        if name in GPU_ONLY and device.type != "cuda":
            skipped[name] = "runs on a GPU only"
            continue
        try:
            module = build(case)
        except ImportError:
            skipped[name] = "not installed"
            continue
        except Exception as error:  # a fault of the other library must not end the benchmark
            skipped[name] = f"cannot be built: {error}"
            continue
        if module is None:
            skipped[name] = "has none"
        else:
            found.append(Contender(name, module, case, device, nullcontext))
    return found, skipped


def _align(contenders: list[Contender]) -> None:
    """Give all the same parameters, which are not those they start with."""
    for name, parameter in contenders[0].module.named_parameters():
        value = torch.randn_like(parameter) * 0.2 + (1 if name == "weight" else 0)
        for contender in contenders:
            with torch.no_grad():
                contender.module.get_parameter(name).copy_(value)


def _checked(
    case: Case, contenders: list[Contender], x: Tensor, grad: Tensor, skipped: dict[str, str]
) -> list[Contender]:
    """Return who is no further from the results in float64 than the type allows, or than torch.nn is.

    Ours must be among them; another library that is not goes to ``skipped``.
    """
    wide = case.model_copy(update={"dtype": "float64", "place": "plain"})
    where = with_float64(x.device)
    exact = Contender("float64", copy.deepcopy(contenders[0].module), wide, where, nullcontext)
    values = x.detach().to(where).double().requires_grad_(x.requires_grad)
    wanted = exact.results(values, grad.to(where).double())
    limit = TOLERANCES[getattr(torch, case.dtype)]
    right = []
    for contender in contenders:
        found = contender.results(x, grad)
        error = max(relative_error(got, expected) for got, expected in zip(found, wanted, strict=True))
        if contender.name == REFERENCE:
            limit = max(limit, 1.5 * error)
        if error <= limit:
            right.append(contender)
        elif contender.name in (REFERENCE, AUTO, EAGER):
            raise RuntimeError(f"{case}: {contender.name} is off by {error:.1e}, more than {limit:.0e}")
        else:
            skipped[contender.name] = f"is off by {error:.1e}"
    return right


def relative_error(found: Tensor, exact: Tensor) -> float:
    """Return the largest error, as a share of the largest exact value."""
    return float((found.to(exact.device).double() - exact).abs().max() / exact.abs().max().clamp(min=1))


def _warm_up(contenders: list[Contender], x: Tensor, grad: Tensor) -> None:
    """Call each until nothing is left to be compiled or decided; that of ``auto`` is what many calls would bring."""
    for contender in contenders:
        contender.time(x, grad, 5)
        if contender.name == AUTO:
            with backend("compiled"):
                contender.step(x, grad)
            contender.time(x, grad, 30)


def _saved_bytes(contender: Contender, x: Tensor) -> int:
    """Return the bytes that autograd keeps of a forward pass, each storage counted once."""
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with contender.context(), saved_tensors_hooks(note, lambda tensor: tensor):
        contender.call(x)
    return sum(storages.values())


def _time(contenders: list[Contender], x: Tensor, grad: Tensor, seconds: float) -> tuple[int, int]:
    """Time the contenders by turns; return the calls of a round, and the rounds."""
    slowest = max(contender.time(x, grad, 3) for contender in contenders)
    calls = max(1, round(CALLS_SECONDS / slowest))
    rounds = min(MAX_ROUNDS, max(MIN_ROUNDS, round(seconds / (calls * slowest))))
    order = random.Random(0)  # noqa: S311
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for contender in order.sample(contenders, len(contenders)):
                contender.seconds.append(contender.time(x, grad, calls))
    finally:
        gc.enable()
    return calls, rounds


def quartiles(seconds: list[float]) -> Timing:
    """Return the median and the quartiles of some times."""
    lower, median, upper = statistics.quantiles(seconds, n=4)
    return Timing(median=median, lower=lower, upper=upper)
