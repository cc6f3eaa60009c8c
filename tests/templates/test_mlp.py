"""Is the ``mlp`` the network that its options say, and what does it refuse?"""

from typing import Any

import pytest
import torch
from torch import nn

from normzoo.errors import ComponentError
from normzoo.layers import BatchNorm, NoNorm, norm_factory
from normzoo.templates import Mlp

from .own_norms import Positional


def mlp(norm: str = "batch", **options: Any) -> Mlp:
    return Mlp(norm_factory(norm), **{"shape": (1, 4, 4), "outputs": 3, "widths": (8, 6), **options})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "Flatten Linear ReLU BatchNorm Linear ReLU BatchNorm Linear"),
        ({"placement": "pre"}, "Flatten Linear BatchNorm ReLU Linear BatchNorm ReLU Linear"),
        ({"sites": "first", "activation": "gelu"}, "Flatten Linear GELU BatchNorm Linear GELU Linear"),
        ({"sites": "last", "activation": "silu"}, "Flatten Linear SiLU Linear SiLU BatchNorm Linear"),
        ({"widths": (5,), "activation": "tanh", "dropout": 0.5}, "Flatten Linear Tanh BatchNorm Dropout Linear"),
    ],
    ids=str,
)
def test_layers_stand_in_the_order_that_options_say(options: dict[str, Any], expected: str) -> None:
    """Norms, activations and dropout; and ``places`` names the norms, and nothing else."""
    network = mlp(**options)
    assert " ".join(type(layer).__name__ for layer in network.layers) == expected
    norms = {name for name, module in network.named_modules() if isinstance(module, BatchNorm)}
    assert set(network.places) == norms


@pytest.mark.parametrize("shape", [(16,), (1, 4, 4), (3, 2, 5)], ids=str)
def test_vectors_and_images_become_logits(shape: tuple[int, ...]) -> None:
    """Images are flattened, and every parameter has a part in the result."""
    network = mlp(shape=shape)
    logits = network(torch.randn(5, *shape))
    assert logits.shape == (5, 3)
    logits.logsumexp(1).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("norm", [norm_factory("instance"), Positional], ids=["instance", "own"])
def test_a_norm_that_needs_positions_is_left_out(norm: Any) -> None:
    """It says so, and is what the network is without a norm."""
    torch.manual_seed(0)
    left_out = Mlp(norm, shape=(16,), outputs=3, widths=(8,))
    torch.manual_seed(0)
    without = Mlp(NoNorm, shape=(16,), outputs=3, widths=(8,))
    x = torch.randn(4, 16)
    assert torch.equal(left_out(x), without(x))
    assert left_out.notes == ("no norm at all, as vectors have no positions, which it needs",)
    assert without.notes == ()


def test_a_norm_that_takes_no_vectors_is_refused() -> None:
    """With what it fails with."""
    with pytest.raises(ComponentError, match=r"ValueError on vectors of shape \(4, 8\): expected 4D input"):
        Mlp(nn.BatchNorm2d, shape=(16,), outputs=3, widths=(8,))


def test_an_mlp_without_hidden_layers_is_refused() -> None:
    """There is nowhere for a norm to stand."""
    with pytest.raises(
        ValueError, match=r"^Mlp: norms stand at hidden layers, got no widths; use for example widths=64"
    ):
        mlp(widths=())
