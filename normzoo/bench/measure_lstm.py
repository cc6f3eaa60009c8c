"""Timing the normalized LSTM: ours, torch.nn's without a norm, and a loop over torch.nn's layers, by turns."""

import gc
import random
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from normzoo.bench.lstm import LOOP, PRODUCTS, LstmBenchSpec
from normzoo.bench.measure import TOLERANCES, quartiles, relative_error, wait_for
from normzoo.bench.spec import AUTO, EAGER, REFERENCE, Timing
from normzoo.layers import LSTM, backend

MIN_ROUNDS, WARM_UP = 15, 3


class PlainLoop(nn.Module):
    """The normalized LSTM as one writes it with torch.nn: a layer for each transform and each norm, step by step."""

    def __init__(self, spec: LstmBenchSpec) -> None:
        super().__init__()
        gates = 4 * spec.hidden
        self.hidden = spec.hidden
        self.ih, self.hh = nn.Linear(spec.inputs, gates, bias=False), nn.Linear(spec.hidden, gates, bias=False)
        self.bias = nn.Parameter(torch.zeros(gates))

        def norms(features: int) -> nn.ModuleList:
            if spec.norm == "layer":
                return nn.ModuleList([nn.LayerNorm(features)])
            return nn.ModuleList([nn.BatchNorm1d(features) for _ in range(spec.steps)])

        self.norm_ih, self.norm_hh, self.norm_cell = norms(gates), norms(gates), norms(spec.hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Map inputs ``(T, N, I)`` to states ``(T, N, H)``."""
        h = c = x.new_zeros(x.shape[1], self.hidden)
        states = []
        for step, each in enumerate(x):
            norm_ih, norm_hh, norm_cell = (
                norms[step % len(norms)] for norms in (self.norm_ih, self.norm_hh, self.norm_cell)
            )
            i, f, g, o = (norm_ih(self.ih(each)) + norm_hh(self.hh(h)) + self.bias).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * norm_cell(c).tanh()
            states.append(h)
        return torch.stack(states), None


class Products:
    """The matrix products of a forward and backward pass, as few as there can be: below what any LSTM takes.

    Those of the inputs and of both weights' gradients are of all steps at once.
    """

    def __init__(self, spec: LstmBenchSpec, device: torch.device) -> None:
        rows, gates = spec.steps * spec.batch_size, 4 * spec.hidden

        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, device=device)

        self.inputs, self.weight_ih, self.driven = (
            drawn(rows, spec.inputs),
            drawn(gates, spec.inputs),
            drawn(rows, gates),
        )
        self.weight_hh, self.states = drawn(gates, spec.hidden), drawn(rows, spec.hidden)
        self.states_at, self.driven_at = (
            each.view(spec.steps, spec.batch_size, -1).unbind(0) for each in (self.states, self.driven)
        )
        self.state, self.gates = drawn(spec.batch_size, spec.hidden), drawn(spec.batch_size, gates)

    def __call__(self) -> None:
        """Multiply."""
        torch.mm(self.inputs, self.weight_ih.t(), out=self.driven)
        for states in self.states_at:
            torch.mm(states, self.weight_hh.t(), out=self.gates)
        for gates in self.driven_at:
            torch.mm(gates, self.weight_hh, out=self.state)
        torch.mm(self.driven, self.weight_ih)
        for each in (self.inputs, self.states):
            torch.mm(self.driven.t(), each)


def same_as(lstm: LSTM, spec: LstmBenchSpec) -> PlainLoop:
    """Return the loop with the weights of ours."""
    loop = PlainLoop(spec)
    with torch.no_grad():
        loop.ih.weight.copy_(lstm.get_parameter("weight_ih_l0"))
        loop.hh.weight.copy_(lstm.get_parameter("weight_hh_l0"))
        loop.bias.copy_(lstm.get_parameter("bias_ih_l0") + lstm.get_parameter("bias_hh_l0"))
        for place in ("norm_ih", "norm_hh", "norm_cell"):
            for norm in loop.get_submodule(place).children():
                norm.get_parameter("weight").copy_(lstm.get_parameter(f"{place}_l0.0.weight"))
    return loop


def measure_lstm(spec: LstmBenchSpec, device: torch.device) -> tuple[dict[str, Timing], int]:
    """Check that ours and the loop compute the same, then time all; return the times and the rounds.

    Raises:
        RuntimeError: they do not.
    """
    torch.manual_seed(0)
    lstm = LSTM(spec.inputs, spec.hidden, norm=spec.norm, steps=spec.steps).to(device)
    modules = {
        REFERENCE: nn.LSTM(spec.inputs, spec.hidden).to(device),
        LOOP: same_as(lstm, spec).to(device),
        AUTO: lstm,
    }
    x = torch.randn(spec.steps, spec.batch_size, spec.inputs, device=device, requires_grad=True)
    grad = torch.randn(spec.steps, spec.batch_size, spec.hidden, device=device)
    expected, found = ((*torch.autograd.grad((y := modules[name](x)[0]), x, grad), y) for name in (LOOP, AUTO))
    error = max(relative_error(one.detach(), other.detach()) for one, other in zip(found, expected, strict=True))
    if error > TOLERANCES[torch.float32]:
        raise RuntimeError(f"ours is off by {error:.1e}")

    def step(name: str) -> Callable[[], None]:
        module = modules[name if name != EAGER else AUTO]

        def run() -> None:
            with backend("eager" if name == EAGER else "auto"):
                module(x)[0].backward(grad)
            x.grad = None
            for parameter in module.parameters():
                parameter.grad = None

        return run

    steps = {name: step(name) for name in (REFERENCE, LOOP, AUTO, EAGER)} | {PRODUCTS: Products(spec, device)}
    with backend("compiled"):
        modules[AUTO](x)[0].backward(grad)
    slowest = max(_seconds(run, device) for run in steps.values() for _ in range(WARM_UP))
    rounds = max(MIN_ROUNDS, round(spec.seconds / slowest))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    order = random.Random(0)  # noqa: S311
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name in order.sample(list(steps), len(steps)):
                seconds[name].append(_seconds(steps[name], device))
    finally:
        gc.enable()
    return {name: quartiles(each) for name, each in seconds.items()}, rounds


def _seconds(run: Callable[[], None], device: torch.device) -> float:
    wait_for(device)
    start = time.perf_counter()
    run()
    wait_for(device)
    return time.perf_counter() - start
