"""Is a network that has been copied, or written and read back, the same network?"""

import copy
import pickle
from collections.abc import Callable

import pytest
from torch import nn
from torch.testing import assert_close

from .architectures import OF_EACH_KIND, Architecture
from .pairs import pair, step


def pickled(model: nn.Module) -> nn.Module:
    """Take a network through pickle."""
    loaded: nn.Module = pickle.loads(pickle.dumps(model))  # noqa: S301  # written here
    return loaded


@pytest.mark.slow_but_one
@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])
@pytest.mark.parametrize("architecture", OF_EACH_KIND, ids=lambda case: case.id)
def test_copy_trains_alike_and_apart(architecture: Architecture, duplicate: Callable[[nn.Module], nn.Module]) -> None:
    """The copy of a network that has been used takes the same step, and leaves the original as it was."""
    ours, _ = pair(architecture)
    x = architecture.input()
    step(ours, x)  # whatever a layer remembers of a call is copied as well
    duplicated = duplicate(ours)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    of_copy = step(duplicated, x)
    assert_close(dict(ours.state_dict()), before, rtol=0, atol=0)
    of_original = step(ours, x)
    assert_close(of_copy.output, of_original.output)
    assert_close(of_copy.gradients, of_original.gradients, rtol=1e-3, atol=1e-3)
    assert_close(of_copy.buffers, of_original.buffers)
    assert str(duplicated) == str(ours)
