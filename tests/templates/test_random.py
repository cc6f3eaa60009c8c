"""Do random numbers depend on a member's seed alone, in a stack as alone?"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.layers import norm_factory
from normzoo.templates import MemberModule, MemberRandom, Noise, ResNet, can_be_recorded, draw_from, keep_members, stack

from .networks import small_network

SEEDS = (5, 3, 8)
SAMPLES, CHANNELS = 4, 6
MODULES: dict[str, Callable[[], nn.Module]] = {
    "dropout": lambda: nn.Dropout(0.3),
    "all dropped": lambda: nn.Dropout(1.0),
    "none dropped": lambda: nn.Dropout(0.0),
    "none dropped, then some": lambda: nn.Sequential(nn.Dropout(0.0), nn.Dropout(0.3)),
    "channels dropped": lambda: nn.Dropout2d(0.3),
    "noise": Noise,
    "weak noise": lambda: Noise(0.1),
    "no noise": lambda: Noise(0.0),
    "dropout, channels last": lambda: nn.Dropout(0.3),
    "noise, channels last": Noise,
    "noisy norm": lambda: norm_factory("noisy-batch")(CHANNELS).double(),
    "noisy norms": lambda: small_network("cnn", norm_factory("noisy-batch")).double(),
    "sandwich": lambda: small_network(
        "transformer", norm_factory("channel-layer"), dropout=0.3, placement="sandwich"
    ).double(),
    "network": lambda: small_network("vgg", norm_factory("batch"), dropout=0.4, noise=1.0).double(),
}
each_module = pytest.mark.parametrize("name", MODULES)


def inputs(name: str, members: int = len(SEEDS)) -> Tensor:
    shape = (1, 8, 8) if name in ("network", "noisy norms", "sandwich") else (CHANNELS, 5, 5)
    x = torch.randn(SAMPLES, members, *shape, dtype=torch.float64)
    return x.movedim(2, -1).contiguous().movedim(-1, 2) if name.endswith("channels last") else x


def stacked(modules: list[nn.Module], seeds: tuple[int, ...]) -> nn.Module:
    together = stack(modules)
    draw_from(together, MemberRandom(seeds))
    return together


@pytest.mark.slow_but_one
@each_module
def test_a_member_draws_what_it_draws_alone(name: str) -> None:
    """From torch's generator, seeded alike; over several steps, with the gradients of its input."""
    members = [MODULES[name]() for _ in SEEDS]
    together, x = stacked(members, SEEDS), inputs(name).requires_grad_()
    found = [together(x) for _ in range(2)]
    (gradient,) = torch.autograd.grad(found[-1].square().sum(), x)
    for index, seed in enumerate(SEEDS):
        alone = x.detach()[:, index].clone().requires_grad_()  # which keeps the order in memory
        torch.manual_seed(seed)
        expected = [members[index](alone) for _ in range(2)]
        assert_close([y[:, index] for y in found], expected, rtol=1e-10, atol=1e-10)
        (expected_gradient,) = torch.autograd.grad(expected[-1].square().sum(), alone)
        assert_close(gradient[:, index], expected_gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.slow_but_one
@each_module
def test_a_member_draws_the_same_beside_others(name: str) -> None:
    """However many there are, in whatever place, and after some were taken out."""
    members = [MODULES[name]() for _ in SEEDS]
    whole, part = stacked(members, SEEDS), stacked([members[2], members[1]], (SEEDS[2], SEEDS[1]))
    first, second, kept = inputs(name), inputs(name), [2, 1]
    assert_close(whole(first)[:, kept], part(first[:, kept]))
    keep_members(whole, kept)
    assert_close(whole(second[:, kept]), part(second[:, kept]))
    keep_members(whole, [1])
    keep_members(part, [1])
    assert_close(whole(first[:, :1]), part(first[:, :1]))


@pytest.mark.slow_but_one
@each_module
def test_nothing_is_drawn_in_evaluation(name: str) -> None:
    """So that what is evaluated in between changes no training; outputs are always the same."""
    members = [MODULES[name]() for _ in SEEDS]
    evaluated, straight = stacked(members, SEEDS), stacked(members, SEEDS)
    x = inputs(name)
    evaluated.eval()
    assert torch.equal(evaluated(x), evaluated(x))
    before = torch.get_rng_state()
    members[0].eval()(x[:, 0])
    assert torch.equal(torch.get_rng_state(), before)
    assert_close(evaluated.train()(x), straight(x))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", ["dropout", "channels dropped", "noise", "network", "sandwich"])
def test_steps_and_seeds_differ(name: str) -> None:
    """Or the tests above could not fail."""
    members = [copy.deepcopy(MODULES[name]()) for _ in range(1)] * 2
    together = stacked([members[0], copy.deepcopy(members[0])], (1, 2))
    x = inputs(name, 1).expand(-1, 2, *inputs(name).shape[2:])
    y = together(x)
    assert not torch.allclose(y[:, 0], y[:, 1])
    assert not torch.allclose(y, together(x))


def test_a_stack_without_seeds_draws_from_torchs_generator() -> None:
    """Each member for itself; it is repeated by seeding that."""
    together, x = stack([nn.Dropout(0.5), nn.Dropout(0.5)]), torch.ones(SAMPLES, 2, 50)
    torch.manual_seed(1)
    y = together(x)
    assert not torch.equal(y[:, 0], y[:, 1])
    torch.manual_seed(1)
    assert torch.equal(together(x), y)


def test_a_copy_goes_on_as_the_original() -> None:
    """With generators of its own, in the same state."""
    together, x = stacked([Noise(), Noise()], (1, 2)), inputs("noise", 2)
    together(x)
    other = copy.deepcopy(together)
    assert torch.equal(other(x), together(x))


def test_dropout_keeps_the_mean_and_leaves_out_the_share() -> None:
    """Of values, or of whole channels."""
    x = torch.ones(200, 2, 10, 4, 4)
    for dropout in (nn.Dropout(0.25), nn.Dropout2d(0.25)):
        y = stacked([dropout, copy.deepcopy(dropout)], (0, 1))(x)
        assert (y == 0).double().mean() == pytest.approx(0.25, abs=0.02)
        assert y.mean() == pytest.approx(1, abs=0.03)
    assert ((y == 0).all((-1, -2)) | (y != 0).all((-1, -2))).all()


def test_noise_has_moments_of_its_own_for_each_channel_and_step() -> None:
    """Means within 0.5 and standard deviations from 1 to 1.25 of a standard normal input, apart by channel and step."""
    noise, x = Noise(), torch.randn(400, 20, 10, 10)
    first, second = (noise(x) for _ in range(2))
    for y in (first, second):
        means, spreads = y.mean((0, 2, 3)), y.std((0, 2, 3))
        assert means.abs().max() < 0.52
        assert means.std() == pytest.approx(1 / 12**0.5, abs=0.12)  # of a uniform distribution of width 1
        assert 0.98 < spreads.min() < 1.08
        assert 1.15 < spreads.max() < 1.28
    assert (first - second).mean((0, 2, 3)).abs().mean() > 0.1
    weak = Noise(0.1)(x) - x
    assert weak.mean((0, 2, 3)).abs().max() < 0.052


def test_negative_noise_is_refused() -> None:
    """With the way out."""
    with pytest.raises(ValueError, match=r"^Noise: strength must be at least 0, got -1; use 0 for no noise$"):
        Noise(-1)


def test_the_module_gives_each_member_its_seed() -> None:
    """By ``seeds``, and takes it out with the member."""
    members = [nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 2, bias=False)) for _ in SEEDS]
    module = MemberModule(members, lrs=[0.1] * len(SEEDS), seeds=SEEDS)
    x = torch.randn(SAMPLES, len(SEEDS), 8)
    module.keep([1, 2])
    y = module(x[:, 1:])
    torch.manual_seed(SEEDS[2])
    assert_close(y[:, 1], members[2](x[:, 2]))


def test_what_draws_is_not_recorded() -> None:
    """A recording knows no generators; the same network without is recorded."""
    for option in ("dropout", "noise"):
        options: dict[str, Any] = {option: 0.5}
        members = [small_network("vgg", norm_factory("batch"), **options) for _ in range(2)]
        assert not can_be_recorded(members[0])
        assert not can_be_recorded(stack(members))
    assert not can_be_recorded(small_network("cnn", norm_factory("noisy-batch")))
    assert can_be_recorded(ResNet(norm_factory("batch"), shape=(1, 8, 8), outputs=2, depth=8, width=4))
