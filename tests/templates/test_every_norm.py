"""Does every registered norm work in the cnn and the mlp, and those that are used most in every template?"""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from zoo import CLASSIC

from normzoo.layers import norm_factory
from normzoo.registry import NORMS

from .networks import SMALL, small_network

PAIRS = [(template, norm) for norm in NORMS for template in SMALL if norm in CLASSIC or template in ("cnn", "mlp")]
STEPS = 12
pytestmark = pytest.mark.parametrize(("template", "norm"), PAIRS, ids=["-".join(pair) for pair in PAIRS])


def network_of(template: str, norm: str) -> nn.Module:
    return small_network(template, norm_factory(norm))


def batch() -> tuple[Tensor, Tensor]:
    labels = torch.arange(12) % 3
    return torch.randn(12, 1, 8, 8) + labels.reshape(-1, 1, 1, 1), labels


@pytest.mark.slow_but_one
def test_it_learns(template: str, norm: str) -> None:
    """A few steps on one batch lower the loss, with finite gradients for every parameter."""
    network = network_of(template, norm)
    is_touchy = template == "vgg" or norm == "partial-rms"  # which divides by a channel or two, after a ReLU
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005 if is_touchy else 0.02)
    images, labels = batch()
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = cross_entropy(network(images), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow_but_one
def test_in_evaluation_a_sample_does_not_depend_on_the_others(template: str, norm: str) -> None:
    """Whatever a norm pools in training, a test image's logits are its own."""
    network = network_of(template, norm)
    images, _ = batch()
    network(images)
    network.eval()
    together, alone = network(images), network(images[:1])
    assert together.shape == (12, 3)
    torch.testing.assert_close(together[:1], alone)


@pytest.mark.slow_but_one
def test_it_can_be_saved_and_loaded(template: str, norm: str) -> None:
    """The state of one network makes another compute the same."""
    first, second = network_of(template, norm), network_of(template, norm)
    images, _ = batch()
    first(images)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second.eval()(images), first.eval()(images))
