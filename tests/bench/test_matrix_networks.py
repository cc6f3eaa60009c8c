"""Do the peers train the same networks as normzoo?"""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from benchmarks.matrix.bare_torch import build_network
from benchmarks.matrix.spec import Norm, Template
from normzoo.layers import norm_factory
from normzoo.registry import TEMPLATES, load

SHAPE, CLASSES = (2, 8, 8), 5
SIZES: dict[str, dict[str, Any]] = {
    "cnn": {"widths": (16, 32), "hidden": 24},
    "lstm": {"hidden": 24},
    "resnet": {"depth": 8, "width": 8},
}


def pair(template: str, norm: str) -> tuple[nn.Module, nn.Module]:
    """Return the peer's network and normzoo's in float64, with the same parameters, none of them as they start."""
    target: Any = load(TEMPLATES[template].target)
    ours: nn.Module = target(norm_factory(norm), shape=SHAPE, outputs=CLASSES, **SIZES[template])
    theirs = build_network(template, norm, shape=SHAPE, classes=CLASSES, sizes=SIZES[template])
    for mine, other in zip(ours.double().parameters(), theirs.double().parameters(), strict=True):
        assert mine.shape == other.shape
        nn.init.normal_(mine, 0.1, 0.3)
        with torch.no_grad():
            other.copy_(mine)
    return theirs, ours


def results(network: nn.Module, images: Tensor) -> list[Tensor]:
    """Return logits, and the gradients of a loss that weighs every logit differently."""
    images = images.clone().requires_grad_()
    logits = network(images)
    weights = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    return [logits, *torch.autograd.grad((logits * weights).sum(), [images, *network.parameters()])]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", get_args(Norm))
@pytest.mark.parametrize("template", get_args(Template))
def test_a_peers_network_is_normzoos(template: str, norm: str) -> None:
    """Outputs and all gradients in training, over some steps, and then outputs in evaluation, by their statistics."""
    torch.manual_seed(0)
    theirs, ours = pair(template, norm)
    for _ in range(3):
        images = torch.randn(6, *SHAPE, dtype=torch.float64)
        torch.testing.assert_close(results(theirs, images), results(ours, images), rtol=1e-9, atol=1e-11)
    theirs.eval(), ours.eval()
    torch.testing.assert_close(theirs(images), ours(images), rtol=1e-9, atol=1e-11)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", get_args(Norm))
@pytest.mark.parametrize("template", get_args(Template))
def test_a_peers_network_starts_as_normzoos(template: str, norm: str) -> None:
    """From the same seed weights of the same spread, norms and biases the same: recurrent gain and forget gate, too."""
    target: Any = load(TEMPLATES[template].target)
    torch.manual_seed(0)
    ours = target(norm_factory(norm), shape=SHAPE, outputs=CLASSES, **SIZES[template])
    torch.manual_seed(0)
    theirs = build_network(template, norm, shape=SHAPE, classes=CLASSES, sizes=SIZES[template])
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)
