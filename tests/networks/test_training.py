"""Does a network with our norms compute, and train, as it does when published?"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from .architectures import ARCHITECTURES, Architecture
from .exchange import norms_in
from .pairs import loss_of, pair, step

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda case: case.id)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@every_architecture
def test_step_is_that_of_the_published_network(architecture: Architecture, training: bool) -> None:
    """In float64 the output, all gradients and the running statistics agree to 1e-10, in training and evaluation."""
    ours, stock = (model.train(training) for model in pair(architecture, torch.float64))
    x = architecture.input(torch.float64)
    mine, theirs = step(ours, x), step(stock, x)
    for name in ("output", "input_gradient", "gradients", "buffers"):
        assert_close(getattr(mine, name), getattr(theirs, name), rtol=1e-10, atol=1e-10)
    assert len(theirs.gradients) == len(list(stock.parameters()))
    assert theirs.input_gradient.abs().max() > 1e-6  # nothing has been compared with zero


def formats_of_norms(model: nn.Module, formats: list[bool]) -> None:
    """Have each call of a norm note whether its output has the channels last."""

    def note(module: nn.Module, arguments: Any, output: Tensor) -> None:  # noqa: ARG001  # as torch calls it
        formats.append(output.ndim == 4 and output.is_contiguous(memory_format=torch.channels_last))

    for norm in norms_in(model):
        norm.register_forward_hook(note)


def relative_difference(state: dict[str, Tensor], other: dict[str, Tensor], start: dict[str, Tensor]) -> float:
    """Return how far two states lie apart, relative to how far the second is from where both started."""
    names = [name for name, value in start.items() if value.is_floating_point()]
    apart = torch.stack([(state[name] - other[name]).norm() for name in names]).norm()
    moved = torch.stack([(other[name] - start[name]).norm() for name in names]).norm()
    return (apart / moved).item()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["rows", "channels-last"])
@every_architecture
def test_optimizer_step_in_float32(architecture: Architecture, memory_format: torch.memory_format) -> None:
    """One step of SGD moves parameters and statistics as in the published network, and keeps the memory format."""
    if len(architecture.shape) == 5:
        memory_format = {torch.channels_last: torch.channels_last_3d}.get(memory_format, memory_format)
    ours, stock = pair(architecture)
    start = {name: value.clone() for name, value in stock.state_dict().items()}
    x = architecture.input().to(memory_format=memory_format)
    formats: dict[str, list[bool]] = {"ours": [], "stock": []}
    for name, model in (("ours", ours), ("stock", stock)):
        model.to(memory_format=memory_format)  # type: ignore[call-overload]
        formats_of_norms(model, formats[name])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        loss_of(model(x)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert formats["ours"] == formats["stock"]
    print("REL", architecture.id, relative_difference(ours.state_dict(), stock.state_dict(), start))
    assert relative_difference(ours.state_dict(), stock.state_dict(), start) < 1e-3
