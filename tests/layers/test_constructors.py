"""Is a layer built, and does it print, as torch.nn's?"""

import inspect
import re

import numpy as np
import pytest
import torch
from torch import nn

from normzoo import layers
from normzoo.layers._policies import DEFAULTS

from .cases import NORMS, PEERED, Case

PEERS = sorted({(case.layer, case.peer) for case in PEERED if case.peer}, key=lambda peers: peers[0].__name__)


def parameters(layer: type[nn.Module]) -> list[tuple[str, object, object]]:
    """Return name, default and kind of each argument of the constructor."""
    signature = inspect.signature(layer)
    return [(parameter.name, parameter.default, parameter.kind) for parameter in signature.parameters.values()]


@pytest.mark.parametrize(("layer", "peer"), PEERS, ids=lambda layer: layer.__name__)
def test_constructor_takes_what_torchs_takes(layer: type[nn.Module], peer: type[nn.Module]) -> None:
    """Names, order, defaults and kinds agree; the keyword ``bias``, which older torch lacks, is always there.

    Options that torch.nn lacks are in ``test_policies``.
    """
    ours, theirs = parameters(layer), parameters(peer)
    ours = [parameter for parameter in ours if parameter[0] not in DEFAULTS]
    if "bias" not in inspect.signature(peer).parameters:
        ours = [parameter for parameter in ours if parameter[0] != "bias"]
    assert ours == theirs


@pytest.mark.parametrize("case", PEERED, ids=lambda case: case.id)
def test_prints_as_torchs(case: Case) -> None:
    """``repr`` agrees, apart from ``bias=``, which older torch does not print."""
    ours, theirs = repr(case.ours()), repr(case.theirs())
    if "bias=" not in theirs:
        ours = re.sub(r", bias=(True|False)", "", ours)
    assert ours.partition("(")[2] == theirs.partition("(")[2]
    assert ours.startswith(case.layer.__name__ + "(")


@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)
def test_device_and_dtype(case: Case) -> None:
    """Parameters and running statistics are made where and in the type asked for; batches are counted in int64."""
    layer = case.layer(*case.arguments, **case.options, device=torch.device("meta"), dtype=torch.float16)
    for name, tensor in layer.state_dict().items():
        assert tensor.is_meta
        assert tensor.dtype == (torch.int64 if name == "num_batches_tracked" else torch.float16)
    by_text = case.layer(*case.arguments, **case.options, device="cpu", dtype=torch.float64)
    assert all(tensor.device == torch.device("cpu") for tensor in by_text.state_dict().values())


@pytest.mark.parametrize("case", PEERED, ids=lambda case: case.id)
def test_attributes_are_torchs(case: Case) -> None:
    """What torch.nn's layer tells about itself, ours tells alike."""
    theirs = case.theirs()
    told = {name: value for name, value in vars(theirs).items() if not name.startswith("_")}
    assert {name: getattr(case.ours(), name) for name in told} == told


@pytest.mark.parametrize("size", [np.int64(6), torch.Size([6]), [6], 6], ids=lambda size: type(size).__name__)
@pytest.mark.parametrize("layer", [layers.LayerNorm, layers.RMSNorm])
def test_normalized_shape_in_any_form(layer: type[nn.Module], size: object) -> None:
    """A size may be any whole number or a sequence of them, as in torch.nn."""
    assert layer(size).normalized_shape == (6,)


@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)
def test_starts_as_plain_normalization(case: Case) -> None:
    """Weights start at one (or as much less), biases at zero, and ``reset_parameters`` brings all of it back."""
    fresh = case.ours().state_dict()
    starts = {"weight": 1 - case.ours().zero_centered, "running_var": 1}
    assert all(torch.all(tensor == starts.get(name, 0)) for name, tensor in fresh.items())
    layer = case.ours()
    for tensor in layer.state_dict().values():
        tensor.add_(3)
    layer.reset_parameters()
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in layer.state_dict().items())


@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.id)
def test_gain_inside_a_recurrence(case: Case) -> None:
    """Batch norm's weight should start at 0.1 inside a recurrence, as its source found; any other norm's at one."""
    gain = 0.1 if issubclass(case.layer, layers.BatchNorm) else 1.0
    assert case.ours().recurrent_gain == gain - case.ours().zero_centered
