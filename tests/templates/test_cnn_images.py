"""Which images does the ``cnn`` take?"""

import pytest
import torch

from normzoo.layers import norm_factory
from normzoo.templates import Cnn, stack


@pytest.mark.slow_but_one
@pytest.mark.parametrize("size", [8, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("placement", ["post", "pre"])
def test_images_of_every_dataset_become_logits(size: int, channels: int, placement: str) -> None:
    """Digits, MNIST and CIFAR pass in both placements, and every parameter has a part in the result."""
    network = Cnn(
        norm_factory("batch"),
        shape=(channels, size, size),
        outputs=10,
        placement=placement,  # type: ignore[arg-type]
        widths=(4, 8),
        hidden=8,
    )
    logits = network(torch.randn(3, channels, size, size))
    assert logits.shape == (3, 10)
    logits.logsumexp(1).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def test_images_need_not_be_square() -> None:
    """Height and width shrink each by itself, and a last odd row or column is left out."""
    network = Cnn(norm_factory("layer"), shape=(1, 5, 12), outputs=2, widths=(4, 4), hidden=4)
    assert network(torch.randn(2, 1, 5, 12)).shape == (2, 2)


@pytest.mark.parametrize(
    ("shape", "widths"), [((1, 3, 8), (4, 4)), ((1, 8, 3), (4, 4)), ((1, 1, 1), (4,)), ((1, 8, 8), (4, 4, 4, 4))]
)
def test_too_small_images_are_refused(shape: tuple[int, int, int], widths: tuple[int, ...]) -> None:
    """The message names the least size, the size given and the way out."""
    least, given = 2 ** len(widths), f"{shape[1]}x{shape[2]}"
    with pytest.raises(ValueError, match=f"Cnn: .* at least {least}x{least}, got {given}; use fewer widths"):
        Cnn(norm_factory("none"), shape=shape, outputs=2, widths=widths)


def test_the_smallest_images_pass() -> None:
    """4x4 are enough for two poolings."""
    network = Cnn(norm_factory("none"), shape=(1, 4, 4), outputs=2, widths=(4, 4), hidden=4)
    assert network(torch.randn(2, 1, 4, 4)).shape == (2, 2)


@pytest.mark.parametrize(
    ("shape", "names"), [((3, 9), ("Conv1d", "MaxPool1d")), ((2, 8, 9, 10), ("Conv3d", "MaxPool3d"))]
)
def test_signals_and_volumes_are_convolved_along_their_own_axes(shape: tuple[int, ...], names: tuple[str, str]) -> None:
    """A stack of two does what each does, in float64."""
    members = [Cnn(norm_factory("batch"), shape=shape, outputs=2, widths=(4, 8), hidden=8).double() for _ in range(2)]
    kinds = [type(layer).__name__ for layer in members[0].layers]
    assert {each: kinds.count(each) for each in names} == dict.fromkeys(names, 2)
    x = torch.randn(5, 2, *shape, dtype=torch.float64)
    alone = torch.stack([member(x[:, index]) for index, member in enumerate(members)], 1)
    torch.testing.assert_close(stack(members)(x), alone, rtol=0, atol=1e-10)
    assert members[0].notes == ()


def test_too_short_a_signal_is_refused_in_its_own_words() -> None:
    """Sequences are not images."""
    with pytest.raises(ValueError, match="Cnn: 2 poolings need sequences of at least 4, got 3; use fewer widths"):
        Cnn(norm_factory("batch"), shape=(3, 3), outputs=2)
