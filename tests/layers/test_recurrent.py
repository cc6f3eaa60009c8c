"""Are ``LSTM`` and ``GRU`` torch.nn's without a norm, and what the papers say with one?"""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import ComponentError, InputError
from normzoo.layers import LSTM, norm_factory

from .references import randomized

INPUTS, HIDDEN, STEPS, SAMPLES = 3, 8, 5, 4
KINDS = ("LSTM", "GRU")
OPTIONS = [
    {"num_layers": number, "bias": bias, "batch_first": batch_first, "bidirectional": bidirectional, **projection}
    for number, bias, batch_first, bidirectional in itertools.product((1, 2), *((True, False),) * 3)
    for projection in ({}, {"proj_size": 2})
]
CASES = [(kind, options) for kind in KINDS for options in OPTIONS if kind == "LSTM" or "proj_size" not in options]


def ours(kind: str, norm: Any, **options: Any) -> Any:
    """Build a layer in float64 whose parameters and statistics are random."""
    layer = getattr(layers, kind)(INPUTS, HIDDEN, dtype=torch.float64, norm=norm, **options)
    for part in () if norm is None else (layer, *layer.modules()):
        randomized(part)
    return layer


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def first_states(kind: str, options: dict[str, Any], samples: int) -> Any:
    number = options["num_layers"] * (2 if options["bidirectional"] else 1)
    h = values(number, samples, options.get("proj_size", HIDDEN))
    return (h, values(number, samples, HIDDEN)) if kind == "LSTM" else h


def tensors_of(outputs: Any) -> list[Tensor]:
    """Return the tensors of what a layer returns, in their order."""
    if isinstance(outputs, PackedSequence):
        return [each for each in outputs if each is not None]
    return [outputs] if isinstance(outputs, Tensor) else [tensor for each in outputs for tensor in tensors_of(each)]


def gradients(outputs: Any, inputs: list[Tensor]) -> list[Tensor]:
    """Return the gradients of a loss that weighs every number differently."""
    floating = [each for each in tensors_of(outputs) if each.is_floating_point()]
    weights = (torch.linspace(-1, 1, each.numel(), dtype=each.dtype).reshape(each.shape) for each in floating)
    loss = sum((each * weight).sum() for each, weight in zip(floating, weights, strict=True))
    return list(torch.autograd.grad(loss, inputs))  # type: ignore[arg-type]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", ["none", None])
@pytest.mark.parametrize(("kind", "options"), CASES, ids=str)
def test_without_a_norm_it_is_torchs(kind: str, options: dict[str, Any], norm: str | None) -> None:
    """Outputs, last states and every gradient, from given states and for packed sequences; by our own loop, too."""
    theirs = getattr(nn, kind)(INPUTS, HIDDEN, dtype=torch.float64, **options)
    layer = ours(kind, norm, **options)
    layer.load_state_dict(theirs.state_dict())
    x = values(SAMPLES, STEPS, INPUTS) if options["batch_first"] else values(STEPS, SAMPLES, INPUTS)
    hx = first_states(kind, options, SAMPLES)
    found, expected = layer(x, hx), theirs(x, hx)
    assert_close(found, expected)
    leaves = [x, *tensors_of(hx)]
    assert_close(gradients(found, [*leaves, *layer.parameters()]), gradients(expected, [*leaves, *theirs.parameters()]))
    packed = pack_sequence([values(length, INPUTS).detach() for length in (2, 5, 1, 5)], enforce_sorted=False)
    assert_close(tensors_of(layer(packed, hx)), tensors_of(theirs(packed, hx)))


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_as_torchs(kind: str) -> None:
    """The same seed draws the same weights whatever the norm, under the same names; drawing again is torch.nn's too."""
    torch.manual_seed(1)
    theirs = getattr(nn, kind)(INPUTS, HIDDEN, 2)
    expected = theirs.state_dict()
    for norm in (None, "layer", "batch"):
        torch.manual_seed(1)
        layer = getattr(layers, kind)(INPUTS, HIDDEN, 2, norm=norm, steps=STEPS)
        assert {name: each for name, each in layer.state_dict().items() if name in expected}.keys() == expected.keys()
        for again in (False, True):
            if again:
                torch.manual_seed(1)
                randomized(layer)
                torch.manual_seed(1)
                layer.reset_parameters()
            for name, value in expected.items():
                assert torch.equal(layer.state_dict()[name], value)
    assert {name.split(".")[0] for name in layer.state_dict()} - set(expected) == {
        f"{place}_l{number}"
        for place in (
            ("norm_ih", "norm_hh", "norm_cell") if kind == "LSTM" else ("norm_ih", "norm_in", "norm_hh", "norm_hn")
        )
        for number in (0, 1)
    }


def normalized(norms: Any, x: Tensor, step: int) -> Tensor:
    """Normalize vectors as the papers define it, with torch.nn's functions."""
    norm = norms[min(step, len(norms) - 1)]
    if isinstance(norm, layers.GroupNorm):
        return functional.layer_norm(x, x.shape[-1:], norm.weight, norm.bias)
    mean, var = (None, None) if norm.training else (norm.running_mean, norm.running_var)
    return functional.batch_norm(x, mean, var, norm.weight, norm.bias, norm.training)


def lstm_by_hand(lstm: Any, x: Tensor) -> Tensor:
    h = c = torch.zeros(x.shape[1], HIDDEN, dtype=x.dtype)
    states = []
    for step, values_of_step in enumerate(x):
        gates = normalized(lstm.norm_ih_l0, values_of_step @ lstm.weight_ih_l0.T, step)
        gates = gates + normalized(lstm.norm_hh_l0, h @ lstm.weight_hh_l0.T, step) + lstm.bias_ih_l0 + lstm.bias_hh_l0
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * normalized(lstm.norm_cell_l0, c, step).tanh()
        states.append(h)
    return torch.stack(states)


def gru_by_hand(gru: Any, x: Tensor) -> Tensor:
    h = torch.zeros(x.shape[1], HIDDEN, dtype=x.dtype)
    states = []
    for step, values_of_step in enumerate(x):
        driven, recurrent = values_of_step @ gru.weight_ih_l0.T, h @ gru.weight_hh_l0.T
        gates = normalized(gru.norm_ih_l0, driven[:, : 2 * HIDDEN], step) + gru.bias_ih_l0[: 2 * HIDDEN]
        gates = gates + normalized(gru.norm_hh_l0, recurrent[:, : 2 * HIDDEN], step) + gru.bias_hh_l0[: 2 * HIDDEN]
        r, z = gates.sigmoid().chunk(2, 1)
        candidate = normalized(gru.norm_in_l0, driven[:, 2 * HIDDEN :], step) + gru.bias_ih_l0[2 * HIDDEN :]
        inner = normalized(gru.norm_hn_l0, recurrent[:, 2 * HIDDEN :], step) + gru.bias_hh_l0[2 * HIDDEN :]
        h = (1 - z) * (candidate + r * inner).tanh() + z * h
        states.append(h)
    return torch.stack(states)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("norm", ["layer", "batch"])
@pytest.mark.parametrize("kind", KINDS)
def test_with_a_norm_it_is_the_papers(kind: str, norm: str, training: bool) -> None:
    """The equations, outputs and every gradient; also of more steps than there are statistics for."""
    layer = ours(kind, norm, steps=STEPS).train(training)
    by_hand = {"LSTM": lstm_by_hand, "GRU": gru_by_hand}[kind]
    for steps in (STEPS, STEPS + 2):
        x = values(steps, SAMPLES, INPUTS)
        found, expected = layer(x)[0], by_hand(layer, x)
        assert_close(found, expected)
        leaves = [x, *layer.parameters()]
        assert_close(gradients(found, leaves), gradients(expected, leaves))


def test_batch_norm_starts_as_its_paper_says() -> None:
    """Weights of 0.1, and a bias for the cell alone; running statistics for each step."""
    lstm: Any = LSTM(INPUTS, HIDDEN, norm="batch", steps=STEPS)
    for place in ("norm_ih_l0", "norm_hh_l0", "norm_cell_l0"):
        norms = getattr(lstm, place)
        assert len(norms) == STEPS
        assert {each.weight for each in norms} == {norms[0].weight}
        assert_close(norms[0].weight, torch.full_like(norms[0].weight, 0.1))
        assert (norms[-1].bias is None) == (place != "norm_cell_l0")
    lstm(torch.randn(STEPS, SAMPLES, INPUTS))
    assert [int(each.num_batches_tracked) for each in lstm.norm_ih_l0] == [1] * STEPS
    lstm.reset_parameters()
    assert_close(lstm.norm_hh_l0[0].weight, torch.full((4 * HIDDEN,), 0.1))
    assert int(lstm.norm_ih_l0[1].num_batches_tracked) == 0


@pytest.mark.slow_but_one
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("norm", ["layer", "group:groups=4", "rms", "torch.nn:LayerNorm"])
@pytest.mark.parametrize("kind", KINDS)
def test_in_a_packed_sequence_a_sample_is_as_alone(kind: str, norm: str, bidirectional: bool) -> None:
    """Its states and its last one, with norms of which no sample depends on another; ended ones change nothing."""
    layer = ours(kind, norm, num_layers=2, bidirectional=bidirectional)
    sequences = [values(length, INPUTS) for length in (3, 5, 1)]
    packed, last = layer(pack_sequence(sequences, enforce_sorted=False))
    states, lengths = pad_packed_sequence(packed)
    assert lengths.tolist() == [3, 5, 1]
    for index, sequence in enumerate(sequences):
        alone, last_alone = layer(sequence)
        assert_close(states[: len(sequence), index], alone)
        assert_close([each[:, index] for each in tensors_of(last)], tensors_of(last_alone))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_batch_norm_sees_the_samples_that_have_not_ended(kind: str, bidirectional: bool) -> None:
    """What lies beyond an end changes neither outputs nor statistics; packing in another order changes nothing."""
    x, lengths = values(STEPS, SAMPLES, INPUTS), torch.tensor([2, 5, 4, 5])
    other = x.detach().clone()
    other[2:, 0] = other[4:, 2] = 100.0
    found = []
    for data, order in ((x, [0, 1, 2, 3]), (other, [0, 1, 2, 3]), (other, [3, 2, 0, 1])):
        torch.manual_seed(0)
        layer = ours(kind, "batch", steps=STEPS, bidirectional=bidirectional)
        packed = pack_padded_sequence(data[:, order], lengths[order], enforce_sorted=False)
        y, _ = pad_packed_sequence(layer(packed)[0])
        found.append((y[:, [order.index(sample) for sample in range(SAMPLES)]], layer.state_dict()))
    assert_close(found[1], found[0])
    assert_close(found[2], found[0])
    packed = pack_sequence([values(STEPS, INPUTS)] * 2)
    assert_close(layer.eval()(packed)[0].data.view(STEPS, 2, -1), layer(pad_packed_sequence(packed)[0])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_sequence_needs_no_batch(kind: str) -> None:
    layer = ours(kind, "layer", bidirectional=True)
    x = values(STEPS, INPUTS)
    alone, last = layer(x)
    batch, last_of_batch = layer(x.unsqueeze(1))
    assert_close(alone, batch.squeeze(1))
    assert_close(tensors_of(last), [each.squeeze(1) for each in tensors_of(last_of_batch)])
    start = tuple(tensors_of(last)) if kind == "LSTM" else last
    assert layer(x, start)[0].shape == alone.shape


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_between_layers_in_training(kind: str) -> None:
    layer = ours(kind, "layer", num_layers=2, dropout=0.5)
    x = values(STEPS, SAMPLES, INPUTS)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    assert_close(layer.eval()(x), layer(x))
    one = ours(kind, "layer", num_layers=2, dropout=1.0)
    upper = getattr(layers, kind)(HIDDEN, HIDDEN, dtype=torch.float64)
    upper.load_state_dict({name.replace("l1", "l0"): each for name, each in one.state_dict().items() if "l1" in name})
    assert_close(one(x)[0], upper(torch.zeros(STEPS, SAMPLES, HIDDEN, dtype=torch.float64))[0])


class Activated(nn.Identity):
    contains_activation = True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("norm", "error", "text"),
    [
        (
            "instance",
            ComponentError,
            "{kind}: norm instance needs positions, and a step has none; use for example layer",
        ),
        ("batch", ValueError, "{kind}: a norm that keeps statistics keeps them for each time step, got steps=None"),
        (lambda _: Activated(), ComponentError, "contains an activation, and there is one at every step already"),
        (
            "group:groups=8",
            ComponentError,
            "has one channel in each of its 8 groups, and a step has no positions; use for example layer",
        ),
    ],
)
def test_norms_that_cannot_stand_there_are_refused(kind: str, norm: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as refusal:
        getattr(layers, kind)(INPUTS, HIDDEN, norm=norm)
    assert text.format(kind=kind) in str(refusal.value)


@pytest.mark.parametrize("steps", [0, -1, 2.0, True])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_steps_that_are_none_are_refused(kind: str, steps: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{kind}: steps must be a whole number of at least 1, got steps={steps}; "):
        getattr(layers, kind)(INPUTS, HIDDEN, norm="batch", steps=steps)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_do_not_fit_are_refused(kind: str) -> None:
    """With what was got, and what to do."""
    layer = getattr(layers, kind)(INPUTS, HIDDEN)
    for shape in ((STEPS, SAMPLES, INPUTS + 1), (2, STEPS, SAMPLES, INPUTS), (INPUTS,)):
        with pytest.raises(InputError, match=rf"^{kind}: the input must be a sequence .* input_size=3; reshape it$"):
            layer(torch.randn(shape))
    with pytest.raises(InputError, match=rf"^{kind}: the input must hold a step, got none"):
        layer(torch.randn(0, SAMPLES, INPUTS))
    h = torch.zeros(2, SAMPLES, HIDDEN)
    with pytest.raises(InputError, match=rf"^{kind}: what it begins with .* got shape \(2, 4, 8\) for \(1, 4, 8\)"):
        layer(torch.randn(STEPS, SAMPLES, INPUTS), (h, h) if kind == "LSTM" else h)
    other = getattr(layers, kind)(INPUTS, HIDDEN, norm="torch.nn:BatchNorm1d", steps=STEPS)
    with pytest.raises(InputError, match=rf"^{kind}: norm torch.nn:BatchNorm1d must take a mask"):
        other(pack_sequence([torch.randn(2, INPUTS), torch.randn(1, INPUTS)]))
    single = getattr(layers, kind)(INPUTS, HIDDEN, norm="batch", steps=STEPS)
    with pytest.raises(InputError, match="a mean and variance need more than one value"):
        single(torch.randn(STEPS, 1, INPUTS))


def test_a_factory_makes_norms_too() -> None:
    """With the options of its own; printed by its spec."""
    lstm: Any = LSTM(INPUTS, HIDDEN, norm=norm_factory("group:groups=2"))
    assert lstm.norm_cell_l0[0].num_groups == 2
    assert repr(lstm).startswith("LSTM(\n  3, 8, norm=group:groups=2\n")
    assert repr(LSTM(INPUTS, HIDDEN, norm=None)) == repr(nn.LSTM(INPUTS, HIDDEN))
