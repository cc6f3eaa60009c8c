"""Does what a layer has learned go into torch.nn's and back, and survive copying and saving?"""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from .cases import CASES, PEERED, TRACKED, Case
from .references import randomized


def saved_and_loaded(layer: nn.Module) -> Any:
    """Go through ``torch.save`` and ``torch.load``."""
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


def pickled(layer: nn.Module) -> Any:
    """Go through a pickle of our own making."""
    return pickle.loads(pickle.dumps(layer))  # noqa: S301


def trained(layer: Any, case: Case) -> Any:
    """Give the layer random parameters and running statistics from a few batches."""
    randomized(layer)
    for _ in range(3):
        layer(case.input(torch.float32))
    return layer


@pytest.mark.parametrize("case", PEERED, ids=lambda case: case.id)
def test_state_goes_both_ways(case: Case) -> None:
    """Keys, order, shapes and types agree, and either loads the other's state strictly."""
    ours, theirs = trained(case.ours(), case), trained(case.theirs(), case)
    described = [[(name, v.shape, v.dtype) for name, v in layer.state_dict().items()] for layer in (ours, theirs)]
    assert described[0] == described[1]
    for source, fresh in ((ours, case.theirs()), (theirs, case.ours())):
        fresh.load_state_dict(source.state_dict(), strict=True)
        assert_close(fresh.state_dict(), source.state_dict(), rtol=0, atol=0)
        x = case.input(torch.float32)
        assert_close(fresh.eval()(x), source.eval()(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("version", [None, 1])
@pytest.mark.parametrize("case", [case for case in TRACKED if case.peer], ids=lambda case: case.id)
def test_state_from_before_batches_were_counted(case: Case, version: int | None) -> None:
    """A state without ``num_batches_tracked``, from before version 2, loads strictly as it does in torch.nn."""
    state = trained(case.theirs(), case).state_dict()
    del state["num_batches_tracked"]
    if version is None:
        del state._metadata
    else:
        state._metadata[""]["version"] = version
    for used in (False, True):
        loaded = [trained(layer, case) if used else layer for layer in (case.ours(), case.theirs())]
        for layer in loaded:
            layer.load_state_dict(copy.deepcopy(state), strict=True)
        assert_close(loaded[0].state_dict(), loaded[1].state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("case", TRACKED, ids=lambda case: case.id)
def test_state_of_today_needs_the_count(case: Case) -> None:
    """A state of version 2 without ``num_batches_tracked`` is refused, as in torch.nn."""
    state = case.ours().state_dict()
    del state["num_batches_tracked"]
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        case.ours().load_state_dict(state, strict=True)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled, saved_and_loaded])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_copies_are_equal_and_apart(case: Case, duplicate: Callable[[Any], Any]) -> None:
    """A copy prints and computes the same in training and evaluation, and shares no tensor with the original."""
    layer = trained(case.ours(), case)
    twin = duplicate(layer)
    assert repr(twin) == repr(layer)
    for training in (True, False):
        x = case.input(torch.float32)
        assert_close(twin.train(training)(x), layer.train(training)(x), rtol=0, atol=0)
        assert_close(twin.state_dict(), layer.state_dict(), rtol=0, atol=0)
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    for tensor in twin.state_dict().values():
        tensor.add_(1)
    assert_close(layer.state_dict(), before, rtol=0, atol=0)
