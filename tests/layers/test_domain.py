"""Is domain-specific batch norm a batch norm for each domain?"""

import copy
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.errors import UsageError
from normzoo.layers import BatchNorm, DomainBatchNorm, domain, make_norm
from normzoo.surgery import freeze, recalibrate
from normzoo.templates import stack


def batch(index: int) -> Tensor:
    """Draw a batch of a domain."""
    return 3 * index + (1 + index) * torch.randn(6, 3, 4, dtype=torch.float64)


def network() -> nn.Sequential:
    """Make a network with two norms, for three domains."""
    made = nn.Sequential(nn.Conv1d(3, 3, 1), DomainBatchNorm(3, 3), nn.ReLU(), DomainBatchNorm(3, 3)).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.uniform_(0.5, 1.5)
    return made


def batch_norms(norm: nn.Module) -> list[Any]:
    """Return the batch norm of each domain."""
    return list(norm.norms.children()) if isinstance(norm, DomainBatchNorm) else []


def of_domain(model: nn.Sequential, index: int) -> nn.Sequential:
    """Return a copy with the batch norms of a domain."""
    parts = [copy.deepcopy(part) for part in model]
    return nn.Sequential(*(part.norms[index] if isinstance(part, DomainBatchNorm) else part for part in parts))


def test_each_domain_has_a_batch_norm_of_its_own() -> None:
    """Outputs, gradients and running statistics over several batches, and in evaluation; the others stay."""
    model = network()
    expected = [of_domain(model, index) for index in range(3)]
    for index in (2, 0, 2):
        x = batch(index)
        model.zero_grad()
        with domain(model, index):
            y = model(x)
        y.pow(3).sum().backward()
        expected[index].zero_grad()
        wanted = expected[index](x)
        wanted.pow(3).sum().backward()
        assert_close(y, wanted)
        for part, alone in zip(model, expected[index], strict=True):
            if isinstance(part, DomainBatchNorm):
                assert_close(part.norms[index].weight.grad, alone.weight.grad)
                assert part.norms[1].weight.grad is None
    for index in range(3):
        with domain(model, index):
            assert_close(model.eval()(batch(0).zero_()), expected[index].eval()(batch(0).zero_()))


def test_a_domain_is_set_within_alone() -> None:
    """Also after an error, and one within another."""
    model = network()
    with domain(model, 1):
        with suppress(RuntimeError), domain(model, 2):
            assert [model[1].domain, model[3].domain] == [2, 2]
            raise RuntimeError
        assert [model[1].domain, model[3].domain] == [1, 1]
    assert [model[1].domain, model[3].domain] == [0, 0]


def test_parameters_may_be_shared() -> None:
    """Each once in the optimizer, in all domains; statistics are not."""
    norm = DomainBatchNorm(3, 2, shared_affine=True).double()
    assert len(list(norm.parameters())) == 2
    for index in range(2):
        with domain(norm, index):
            norm(batch(index)).pow(3).sum().backward()
    first, second = batch_norms(norm)
    assert first.weight is second.weight
    assert not torch.allclose(first.running_mean, second.running_mean)
    other = DomainBatchNorm(3, 2, shared_affine=True).double()
    other.load_state_dict(norm.state_dict())
    first, second = batch_norms(other)
    assert first.weight is second.weight


def test_a_stack_has_domains() -> None:
    """Members side by side, in the domain that is set."""
    members = [network() for _ in range(2)]
    x = torch.stack([batch(1), batch(1)], 1)
    together: nn.Module = stack(members)
    with domain(together, 1):
        y = together(x)
    for index, member in enumerate(members):
        with domain(member, 1):
            assert_close(y[:, index], member(x[:, index]))


def test_tools_see_batch_norms() -> None:
    """They are frozen, and recalibrated on the batches of a domain."""
    model = network()
    with domain(model, 1):
        recalibrate(model, [batch(1), batch(1)])
    first, second, _ = batch_norms(model[1])
    assert not first.running_mean.any()
    assert second.running_mean.all()
    freeze(model)
    assert not any(part.training for part in model.modules() if isinstance(part, BatchNorm))


def test_a_domain_begins_with_a_trained_norm() -> None:
    """Of torch.nn, by its state."""
    trained, norm = nn.BatchNorm1d(3).double(), DomainBatchNorm(3, 2).double()
    trained(batch(1)).sum().backward()
    batch_norms(norm)[1].load_state_dict(trained.state_dict())
    with domain(norm.eval(), 1):
        assert_close(norm(batch(1).fill_(2)), trained.eval()(batch(1).fill_(2)))


@pytest.mark.parametrize("index", [-1, 3])
def test_an_unknown_domain_is_refused(index: int) -> None:
    """Before anything is set."""
    model = network()
    with pytest.raises(UsageError, match=rf"^domain: index must be from 0 to 2, got {index}; "), domain(model, index):
        pass
    assert model[1].domain == 0


def test_a_model_without_domains_is_refused() -> None:
    """With the way out; so is a norm without domains."""
    with pytest.raises(UsageError, match=r"^domain: the model has no DomainBatchNorm; "), domain(nn.ReLU(), 0):
        pass
    with pytest.raises(ValueError, match=r"^DomainBatchNorm: domains must be at least 1, got domains=0; "):
        DomainBatchNorm(3, 0)


@pytest.mark.parametrize("norm", ["domain:domains=2", "noisy-batch"])
def test_torchs_synchronized_norm_may_take_the_place_within(norm: str) -> None:
    """In one process it is batch norm."""
    layer = make_norm(norm, 4).eval()
    x = torch.randn(8, 4, 3)
    expected = layer(x)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(layer)  # type: ignore[no-untyped-call]
    assert any(isinstance(part, nn.SyncBatchNorm) for part in converted.modules())
    assert_close(converted(x), expected)
