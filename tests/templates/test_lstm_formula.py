"""Does the ``lstm`` compute what torch.nn.LSTM and the papers' equations do?"""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from normzoo.layers import norm_factory
from normzoo.templates import Lstm, NormalizedLstm

from .lstm_reference import StepNorm, gradients, hidden_states

INPUTS, HIDDEN, STEPS, SAMPLES = 3, 5, 6, 4


def lstm_of(norm: str) -> NormalizedLstm:
    """Build one in float64, and give its norms and bias values that matter."""
    lstm = NormalizedLstm(norm_factory(norm), inputs=INPUTS, hidden=HIDDEN, steps=STEPS).double()
    with torch.no_grad():
        for name, parameter in lstm.named_parameters():
            if "weight_" not in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return lstm


def rows() -> Tensor:
    return torch.randn(SAMPLES, STEPS, INPUTS, dtype=torch.float64, requires_grad=True)


def norm_parameters(lstm: NormalizedLstm, place: str) -> tuple[nn.Parameter, nn.Parameter]:
    return lstm.get_parameter(f"{place}.0.weight"), lstm.get_parameter(f"{place}.0.bias")


def layer_norm(lstm: NormalizedLstm, place: str) -> StepNorm:
    weight, bias = norm_parameters(lstm, place)
    return lambda values, _: functional.layer_norm(values, weight.shape, weight, bias)


def batch_norm(lstm: NormalizedLstm, place: str, running: list[tuple[Tensor, Tensor]]) -> StepNorm:
    weight, bias = norm_parameters(lstm, place)
    return lambda values, step: functional.batch_norm(values, *running[step], weight, bias, lstm.training)


def test_with_none_it_is_torchs_lstm() -> None:
    """Given the same weights, outputs and every gradient agree in float64."""
    ours, theirs = lstm_of("none"), nn.LSTM(INPUTS, HIDDEN, batch_first=True).double()
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"]
    weights = dict(zip(names, [ours.weight_ih, ours.weight_hh, ours.bias], strict=True))
    theirs.load_state_dict({**weights, "bias_hh_l0": torch.zeros_like(ours.bias)})
    x = rows()
    expected, _ = theirs(x)
    actual = ours(x)
    assert_close(actual, expected)
    assert_close(
        gradients(actual, x, list(weights.values())),
        gradients(expected, x, [theirs.get_parameter(name) for name in names]),
    )


def test_with_layer_it_is_ba_et_als() -> None:
    """Layer norm on both transforms and the cell, at every step: outputs and every gradient."""
    lstm, x = lstm_of("layer"), rows()
    places = [layer_norm(lstm, place) for place in ("norm_ih", "norm_hh", "norm_cell")]
    actual, expected = lstm(x), hidden_states(lstm, x, *places)
    assert_close(actual, expected)
    parameters = list(lstm.parameters())
    assert_close(gradients(actual, x, parameters), gradients(expected, x, parameters))


def test_with_batch_it_is_cooijmans_et_als() -> None:
    """Batch norm with statistics per step: outputs, gradients, running statistics, and evaluation by them."""
    lstm = lstm_of("batch")
    sizes = {"norm_ih": 4 * HIDDEN, "norm_hh": 4 * HIDDEN, "norm_cell": HIDDEN}
    running = {
        place: [(torch.zeros(size).double(), torch.ones(size).double()) for _ in range(STEPS)]
        for place, size in sizes.items()
    }
    places = [batch_norm(lstm, place, running[place]) for place in sizes]
    parameters = list(lstm.parameters())
    for _ in range(3):
        x = rows()
        actual, expected = lstm(x), hidden_states(lstm, x, *places)
        assert_close(actual, expected)
        assert_close(gradients(actual, x, parameters), gradients(expected, x, parameters))
    for place, statistics in running.items():
        for step, (mean, var) in enumerate(statistics):
            assert_close(getattr(lstm, place)[step].running_mean, mean)
            assert_close(getattr(lstm, place)[step].running_var, var)
    lstm.eval()
    assert_close(lstm(x), hidden_states(lstm, x, *places))


@pytest.mark.parametrize(("norm", "gain"), [("batch", 0.1), ("layer", 1.0), ("group:groups=4", 1.0), ("rms", 1.0)])
def test_the_weights_of_the_norms_start_as_their_papers_say(norm: str, gain: float) -> None:
    """0.1 for batch norm, so that tanh does not saturate; 1 for the others; biases 0, the forget gate's 1."""
    lstm = NormalizedLstm(norm_factory(norm), inputs=INPUTS, hidden=8, steps=STEPS)
    for place in ("norm_ih", "norm_hh", "norm_cell"):
        for layer in getattr(lstm, place):
            assert_close(layer.weight, torch.full_like(layer.weight, gain))
            assert_close(layer.bias, torch.zeros_like(layer.bias))
    assert lstm.bias.reshape(4, 8).tolist() == [[0.0] * 8, [1.0] * 8, [0.0] * 8, [0.0] * 8]


def test_weights_start_as_torchs_lstm_does() -> None:
    """Uniform within one over the root of the hidden units."""
    lstm = NormalizedLstm(norm_factory("none"), inputs=64, hidden=64, steps=1)
    for weight in (lstm.weight_ih, lstm.weight_hh):
        assert_close(weight.abs().max(), torch.tensor(1 / 8), atol=1e-3, rtol=0)
        assert_close(weight.std(), torch.tensor(1 / 8 / 3**0.5), atol=2e-3, rtol=0)


def test_images_are_read_row_by_row_and_classified_by_the_last_state() -> None:
    """A row's values, all channels of it, are one time step."""
    network = Lstm(norm_factory("none"), shape=(2, 3, 4), outputs=7, hidden=5).double()
    images = torch.randn(6, 2, 3, 4, dtype=torch.float64)
    by_hand = torch.stack([images[:, :, row].reshape(6, 8) for row in range(3)], dim=1)
    logits = network(images)
    assert logits.shape == (6, 7)
    assert_close(logits, network.head(network.lstm(by_hand)[:, -1]))
