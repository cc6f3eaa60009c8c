"""Are channels found where ``channel_dim`` says, without moving memory?"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from normzoo import layers
from normzoo.errors import InputError
from normzoo.layers import make_norm
from normzoo.registry import NORMS
from normzoo.templates import stack


def takes(name: str) -> list[str]:
    """Return the norms of the registry that have an option."""
    return [norm for norm, entry in NORMS.items() if name in entry.explanation.options]


def with_options(name: str, **options: object) -> Any:
    """Return a norm of six channels in float64."""
    given = {**({"groups": 2} if name in ("group", "group+ws") else {}), **options}
    spec = ",".join(f"{key}={value}" for key, value in given.items())
    return make_norm(f"{name}:{spec}" if spec else name, 6).double()


def moved(layer: nn.Module, x: Tensor, dim: int, mask: Tensor | None = None) -> tuple[Tensor, ...]:
    """Return the output for an input with channels second, which is given with them elsewhere, and all gradients."""
    given = x.movedim(1, dim).contiguous().requires_grad_()
    y = layer(given) if mask is None else layer(given, mask)
    assert y.stride() == given.stride()
    gradients = torch.autograd.grad(y.pow(3).sum(), [given, *layer.parameters()])
    return y.movedim(dim, 1), gradients[0].movedim(dim, 1), *gradients[1:]


PLACES = (
    ((3, 6), -1),
    ((3, 6, 4), -1),
    ((3, 6, 4), 2),
    ((3, 6, 4, 2), -1),
    ((3, 6, 4, 2), 2),
    ((3, 6, 2, 1, 2, 2), -1),
)


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("name", "shape", "dim"),
    [(name, *place) for name in takes("channel_dim") for place in PLACES if name != "instance" or len(place[0]) > 2],
    ids=str,
)
def test_channels_elsewhere(name: str, shape: tuple[int, ...], dim: int) -> None:
    """Outputs, gradients and statistics are those of the channels put second; the output lies as the input does."""
    plain, layer = with_options(name), with_options(name, channel_dim=dim)
    x = torch.randn(shape, dtype=torch.float64)
    mask = torch.rand(shape[0], *shape[2:]) < 0.7
    mask.view(-1)[:] |= len(shape) == 2
    mask[..., :2] = True
    for each in (None, mask):
        assert_close(moved(layer, x, dim, each), moved(plain, x, 1, each))
    assert_close(dict(layer.named_buffers()), dict(plain.named_buffers()))
    assert_close(layer.eval()(x.movedim(1, dim)).movedim(dim, 1), plain.eval()(x))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["batch", "layer", "rms", "extended"])
def test_channels_last_in_all_ways(name: str) -> None:
    """Half precision, no samples, changes in place, export and a stack."""
    layer, x = with_options(name, channel_dim=-1), torch.randn(3, 4, 6, dtype=torch.float64)
    y = copy.deepcopy(layer)(x)
    assert_close(copy.deepcopy(layer).float()(x.bfloat16()).double(), y, rtol=0.05, atol=0.05)
    assert layer(x[:0]).shape == (0, 4, 6)
    loss: Any = torch.relu_(copy.deepcopy(layer)(x.clone().requires_grad_())).sum()
    loss.backward()
    exported = torch.export.export(copy.deepcopy(layer), (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    assert_close(exported.module()(x), y)
    members = [with_options(name, channel_dim=-1) for _ in range(2)]
    assert_close(stack(copy.deepcopy(members))(torch.stack([x, x], 1)), torch.stack([each(x) for each in members], 1))


def test_nothing_is_moved_in_memory() -> None:
    """Channels-last sequences are seen as maps of width one whose channels are last in memory."""
    layer, x = layers.BatchNorm1d(6, channel_dim=-1).eval(), torch.randn(3, 4, 6)
    with torch.no_grad(), Copies() as copies:
        layer(x)
    assert not copies.seen


class Copies(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what is copied."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(function.overloadpacket) in ("aten.clone", "aten.copy_", "aten._to_copy"):
            self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


LAST_BY_MISTAKE = "channels are its second dimension; for channels last use channel_dim=-1"


@pytest.mark.parametrize("name", takes("channel_dim"))
def test_channels_last_by_mistake(name: str) -> None:
    """The error says how to ask for them; with the option it says what is seen, and what the input should be."""
    with pytest.raises(InputError, match=LAST_BY_MISTAKE):
        with_options(name)(torch.randn(3, 4, 6, dtype=torch.float64))
    layer = with_options(name, channel_dim=-1)
    with pytest.raises(InputError, match=r"written with the channels second; they are dimension -1\)$") as refusal:
        layer(torch.randn(3, 6, 4, dtype=torch.float64))
    assert LAST_BY_MISTAKE not in str(refusal.value)


@pytest.mark.parametrize("dim", [0, 2.5, "last"])
def test_what_is_no_dimension_of_channels_is_refused(dim: Any) -> None:
    """When the layer is built; samples are first."""
    with pytest.raises(ValueError, match=rf"channel_dim must be a dimension after the samples, got {dim!r}; use -1"):
        layers.GroupNorm(2, 4, channel_dim=dim)


@pytest.mark.parametrize(("dim", "shape"), [(2, (3, 4)), (-2, (4, 3)), (-4, (3, 4, 5))])
def test_an_input_without_that_dimension_is_refused(dim: int, shape: tuple[int, ...]) -> None:
    """As is one in which it would be that of the samples."""
    with pytest.raises(InputError) as refusal:
        layers.BatchNorm(4, channel_dim=dim)(torch.randn(shape))
    assert str(refusal.value) == (
        "BatchNorm: the input must have its channels after its samples, in dimension channel_dim, "
        f"got shape {shape} and channel_dim={dim}; change the input or channel_dim"
    )
