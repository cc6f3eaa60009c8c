"""What do norms in the ``lstm`` share over time, and what not?"""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from normzoo.layers import BatchNorm, InstanceNorm, norm_factory
from normzoo.layers._make import NormFactory
from normzoo.templates import NormalizedLstm

from .lstm_reference import StepNorm, as_it_is, hidden_states
from .own_norms import Positional

PLACES = ("norm_ih", "norm_hh", "norm_cell")


def lstm_of(norm: NormFactory, steps: int = 5) -> NormalizedLstm:
    return NormalizedLstm(norm, inputs=3, hidden=8, steps=steps)


def test_batch_norm_keeps_running_statistics_per_time_step() -> None:
    """Inputs whose mean and spread grow over time leave as many different running means and variances."""
    lstm = lstm_of(norm_factory("batch"))
    growth = torch.arange(1.0, 6.0).reshape(1, 5, 1)
    lstm(growth + growth * torch.randn(32, 5, 3))
    for place in PLACES:
        layers = getattr(lstm, place)
        assert len(layers) == 5
        assert all(layer.num_batches_tracked == 1 for layer in layers)
        for name in ("running_mean", "running_var"):
            values = torch.stack([getattr(layer, name) for layer in layers])
            assert torch.pdist(values).min() > 0, (place, name)


def test_the_first_recurrent_step_has_nothing_to_normalize() -> None:
    """The first hidden state is zero: its batch variance is zero, and stays apart from those of later steps."""
    lstm = lstm_of(norm_factory("batch:momentum=1.0"))
    lstm(torch.randn(16, 5, 3))
    variances = torch.stack([layer.get_buffer("running_var") for layer in lstm.norm_hh])
    assert variances[0].max() == 0
    assert variances[1:].min() > 0


def test_batch_norm_shares_weight_and_bias_over_time() -> None:
    """One parameter each per place, whatever the number of steps; a gradient step moves it for all."""
    lstm = lstm_of(norm_factory("batch"))
    for place in PLACES:
        layers = list(getattr(lstm, place))
        assert all(layer.weight is layers[0].weight and layer.bias is layers[0].bias for layer in layers)
    assert len(list(lstm.parameters())) == 3 + 2 * len(PLACES)


@pytest.mark.parametrize("norm", ["layer", "group", "rms", "none"])
def test_norms_without_statistics_are_one_layer_for_all_steps(norm: str) -> None:
    """What keeps nothing needs no copies."""
    lstm = lstm_of(norm_factory(norm))
    assert [len(getattr(lstm, place)) for place in PLACES] == [1, 1, 1]


def test_steps_beyond_share_the_last_ones_statistics() -> None:
    """A longer sequence than was planned for is read to its end."""
    lstm = lstm_of(norm_factory("batch"), steps=2)
    assert lstm(torch.randn(4, 5, 3)).shape == (4, 5, 8)
    assert [layer.get_buffer("num_batches_tracked").item() for layer in lstm.norm_ih] == [1, 4]


def over_time(values: Tensor) -> Tensor:
    """Standardize each sample and channel over its time steps, ``(N, T, C)``, as it is defined."""
    centered = values - values.mean(1, keepdim=True)
    standardized: Tensor = centered / (centered.square().mean(1, keepdim=True) + 1e-5).sqrt()
    return standardized


def test_instance_normalizes_the_input_to_hidden_transform_over_time_and_nothing_else() -> None:
    """The reference standardizes each sample and channel over the rows, and leaves the rest as it is."""
    lstm = lstm_of(norm_factory("instance")).double()
    x = torch.randn(4, 5, 3, dtype=torch.float64)
    driven = over_time(x @ lstm.weight_ih.T)
    read: StepNorm = lambda _, step: driven[:, step]  # noqa: E731
    assert_close(lstm(x), hidden_states(lstm, x, read, as_it_is, as_it_is))


def test_instance_is_noted() -> None:
    """A reader of the table learns that it stands elsewhere than the others."""
    lstm = lstm_of(norm_factory("instance"))
    assert lstm.notes == ("normalizes the input-to-hidden transform over time, and nothing else",)
    assert sum(isinstance(module, InstanceNorm) for module in lstm.modules()) == 1
    assert lstm_of(norm_factory("batch")).notes == ()


def test_a_norm_of_the_users_own_that_needs_positions_is_placed_over_time_too() -> None:
    """It never sees vectors."""
    lstm = lstm_of(Positional)
    assert lstm(torch.randn(2, 5, 3)).shape == (2, 5, 8)
    assert lstm.notes


def test_a_norm_of_the_users_own_with_statistics_gets_them_per_step_too() -> None:
    """The template asks for buffers, not for a name; parameters of inner layers are shared as well."""

    class Wrapped(torch.nn.Module):
        def __init__(self, num_features: int) -> None:
            super().__init__()
            self.inner = BatchNorm(num_features)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.inner(x)
            return y

    lstm = lstm_of(Wrapped)
    assert len(lstm.norm_cell) == 5
    assert len({id(layer.inner.weight) for layer in lstm.norm_cell}) == 1  # type: ignore[union-attr]
    assert len({id(layer.inner.running_mean) for layer in lstm.norm_cell}) == 5  # type: ignore[union-attr]
