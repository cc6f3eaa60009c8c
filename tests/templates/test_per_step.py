"""Networks that put out numbers for every step: none of them may depend on a later one."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.errors import ComponentError, UsageError
from normzoo.layers import norm_factory
from normzoo.templates import make_network, stack

STEPS, VOCABULARY = 6, 5
TEXT: dict[str, Any] = {"shape": (STEPS,), "outputs": VOCABULARY, "vocabulary": VOCABULARY, "per_step": True}
SPECS = ["lstm:hidden=8", *(f"transformer:width=8,heads=2,placement={each}" for each in ("pre", "post", "peri"))]


def tokens(*more: int) -> Tensor:
    return torch.randint(VOCABULARY, (4, *more, STEPS))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", ["batch", "layer", "channel-layer", "group:groups=2", "rms", "none"])
@pytest.mark.parametrize("template", SPECS)
def test_what_follows_changes_nothing(template: str, norm: str) -> None:
    """A last token that is another changes the outputs of the last step alone, in evaluation."""
    network = make_network(template, norm_factory(norm), **TEXT).double().eval()
    x = tokens()
    others = x.clone()
    others[:, -1] = (x[:, -1] + 1) % VOCABULARY
    first, second = network(x), network(others)
    assert first.shape == (4, STEPS, VOCABULARY)
    assert_close(first[:, :-1], second[:, :-1], rtol=0, atol=1e-12)
    assert not torch.allclose(first[:, -1], second[:, -1])


@pytest.mark.slow_but_one
@pytest.mark.parametrize("template", SPECS)
def test_a_stack_does_what_its_members_do(template: str) -> None:
    """Tokens of its own for each member, in training."""
    members = [make_network(template, norm_factory("batch"), **TEXT).double() for _ in range(2)]
    x = tokens(2)
    alone = torch.stack([member(x[:, index]) for index, member in enumerate(members)], 1)
    assert_close(stack(members)(x), alone, rtol=0, atol=1e-9)


def test_norms_of_the_transformer_see_every_token_as_a_vector() -> None:
    """So layer norm is over the channels of a token, as torch.nn's is."""
    network: Any = make_network("transformer:width=8,heads=2", norm_factory("layer"), **TEXT)
    norm = next(module for module in network.modules() if getattr(module, "where", "") == "before the attention")
    x = torch.randn(4, STEPS, 8)
    assert_close(norm(x), nn.functional.layer_norm(x, (8,)))


@pytest.mark.parametrize("template", SPECS[:2])
def test_a_norm_over_time_is_refused(template: str) -> None:
    """Instance norm pools the steps of a sample, later ones among them."""
    with pytest.raises((ComponentError, UsageError)):
        make_network(template, norm_factory("instance"), **TEXT)
