"""Does a layer keep its input's type and layout, and compute well in each?"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from .cases import CASES, NORMS, TRACKED, Case, on_each_backend
from .references import by_hand, random_mask, randomized

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
every_norm = pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)


def transposed(x: Tensor) -> Tensor:
    """Lay the same values out with the dimensions in reverse order."""
    dims = tuple(reversed(range(x.ndim)))
    return x.permute(dims).contiguous().permute(dims)


def sliced(x: Tensor) -> Tensor:
    """Lay the same values out as every second of a larger tensor, in each dimension."""
    every_second = tuple(slice(None, None, 2) for _ in x.shape)
    larger = x.new_full([2 * size for size in x.shape], float("nan"))
    larger[every_second] = x
    return larger[every_second]


def expanded(x: Tensor) -> Tensor:
    """Repeat the first sample without copying it."""
    return x[:1].expand_as(x)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("lay_out", [transposed, sliced, expanded])
@every_case
def test_layout_does_not_matter(case: Case, lay_out: Callable[[Tensor], Tensor]) -> None:
    """Transposed, sliced and expanded inputs give what a contiguous one gives, gradients included."""
    layer = randomized(case.ours(torch.float64)).train()
    x = lay_out(case.input())
    assert not x.is_contiguous()
    cotangent = torch.randn(case.shape, dtype=torch.float64)
    results = []
    for same in (x.detach().requires_grad_(), x.detach().contiguous().requires_grad_()):
        layer.zero_grad()
        y = layer(same)
        y.backward(cotangent)
        results.append((y, same.grad, [parameter.grad for parameter in layer.parameters()]))
    assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", [case for case in CASES if len(case.shape) in (4, 5)], ids=lambda case: case.id)
def test_channels_last_stays(case: Case, training: bool, masked: bool) -> None:
    """Maps and volumes with their channels last come out so, with the values that a contiguous input gives."""
    memory_format = torch.channels_last if len(case.shape) == 4 else torch.channels_last_3d
    layer = randomized(case.ours(torch.float64)).train(training)
    mask = random_mask(case) if masked else None
    x = case.input().contiguous(memory_format=memory_format)
    for channels_last in (x, x[:0]):
        y = layer(channels_last, mask if len(channels_last) or mask is None else mask[:0])
        assert y.is_contiguous(memory_format=memory_format)
    assert layer(x, mask).stride() == x.stride()
    assert_close(layer.eval()(x, mask), layer(x.contiguous(), mask).contiguous(), rtol=1e-9, atol=1e-9)
    assert layer(x.contiguous(), mask).is_contiguous()


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("dtype", "single"),
    [
        (torch.float64, False),
        (torch.float32, True),
        (torch.bfloat16, False),
        (torch.bfloat16, True),
        (torch.float16, True),
    ],
    ids=lambda value: str(value) if isinstance(value, torch.dtype) else f"{'float32' if value else 'own'}-parameters",
)
@every_case
def test_statistics_are_float32_or_wider(case: Case, dtype: torch.dtype, single: bool) -> None:
    """The output has the input's type and is off by that type's rounding alone, in training and evaluation."""
    layer = randomized(case.ours(torch.float32 if single else dtype))
    wide = case.ours(torch.float64)
    wide.load_state_dict(layer.state_dict())
    rounding = torch.finfo(dtype).eps
    for training in (True, False):
        x = (8 + case.input()).to(dtype).requires_grad_()
        y = layer.train(training)(x)
        y.sum().backward()
        assert y.dtype == dtype
        assert x.grad is not None
        assert x.grad.dtype == dtype
        assert_close(
            y.double(), wide.train(training)(x.double()), rtol=rounding, atol=1e-4 if rounding > 1e-15 else 1e-12
        )
        wide.load_state_dict(layer.state_dict())  # what low-precision running statistics lost is not the question
    assert all(tensor.dtype in (dtype, torch.float32, torch.int64) for tensor in layer.state_dict().values())


@pytest.mark.usefixtures("on_backend")
@on_each_backend(TRACKED)
def test_running_statistics_in_single_precision(case: Case) -> None:
    """Low-precision inputs leave float32 running statistics as exact as the float64 inputs of equal value do."""
    layer, wide = case.ours(torch.float32), case.ours(torch.float64)
    for _ in range(5):
        x = (8 + case.input()).bfloat16()
        layer(x)
        wide(x.double())
    for name, buffer in layer.named_buffers():
        assert_close(buffer.double(), wide.get_buffer(name).double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@every_norm
def test_far_from_zero(case: Case, masked: bool) -> None:
    """Values of mean 1e4 and deviation 1 in float32 are normalized as in float64, to a hundredth."""
    layer = case.ours(torch.float32)
    mask = random_mask(case) if masked else None
    x = (1e4 + by_hand(case, case.ours(torch.float64), case.input(), mask)).float()
    y = layer(x, mask)
    if case.centered:
        assert y.std() > 0.5
    assert_close(y.double(), by_hand(case, layer, x.double(), mask), rtol=0, atol=1e-2)
