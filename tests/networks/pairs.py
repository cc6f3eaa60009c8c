"""A network with our norms and the same as published, and what a step of training makes of them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .architectures import Architecture
from .exchange import norms_in


@dataclass(frozen=True)
class Step:
    """All that a forward and a backward pass leave behind.

    Attributes:
        output: what the network returned.
        input_gradient: the gradient at the input.
        gradients: those of the parameters, by name.
        buffers: running statistics and whatever else, by name.
    """

    output: Tensor
    input_gradient: Tensor
    gradients: dict[str, Tensor]
    buffers: dict[str, Tensor]


def randomized(architecture: Architecture, model: nn.Module) -> nn.Module:
    """Draw the norms' parameters, and let their running statistics be those of some batch, shifted a little."""
    norms = norms_in(model)
    with torch.no_grad():
        for norm in norms:
            for name, parameter in norm.named_parameters():
                drawn = 0.5 + torch.rand_like(parameter) if name == "weight" else 0.3 * torch.randn_like(parameter)
                parameter.copy_(drawn)
        momenta = [getattr(norm, "momentum", None) for norm in norms]
        for norm in norms:
            norm.momentum = 1.0  # type: ignore[assignment]  # layer norms do not look at it
        model.train()(architecture.input(next(model.parameters()).dtype))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum  # type: ignore[assignment]
            for name, buffer in norm.named_buffers():
                if name.startswith("running"):
                    buffer.mul_(0.8 + 0.4 * torch.rand_like(buffer))
    return model


def pair(architecture: Architecture, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
    """Return the network with our norms and as published, with one state, in which norms have any values."""
    stock = randomized(architecture, architecture.stock(dtype))
    ours = architecture.ours(dtype)
    ours.load_state_dict(stock.state_dict())
    return ours, stock


def loss_of(output: Tensor) -> Tensor:
    """Return a loss of which no output has the gradient zero, or the same as another."""
    weights = torch.linspace(0.5, 1.5, output.numel(), dtype=output.dtype).reshape(output.shape)
    return (weights * output).square().mean()


def step(model: nn.Module, x: Tensor) -> Step:
    """Pass an input forward and a loss backward."""
    x = x.clone().requires_grad_()
    model.zero_grad()
    output = model(x)
    loss_of(output).backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    return Step(output.detach(), x.grad, gradients, buffers)
