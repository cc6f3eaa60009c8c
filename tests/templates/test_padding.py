"""Sequences of different lengths: does a padded batch give what each sample gives by itself?"""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from normzoo.errors import ComponentError, UsageError
from normzoo.layers import make_norm, norm_factory
from normzoo.registry import NORMS
from normzoo.templates import Lstm, Transformer, make_network, stack
from normzoo.templates._norm_slots import is_batch_independent
from normzoo.templates._padding import last_steps, max_over_steps, mean_over_steps, without_padding

LENGTHS = (7, 1, 4, 6, 7, 2)
CHANNELS, STEPS = 3, max(LENGTHS)
OPTIONS = {
    **dict.fromkeys(("group", "group+ws", "batch-channel"), "groups=2"),
    "noisy-batch": "strength=0",
}  # of which the latter draws numbers for padding, too
SPECS = [
    f"{name}:{OPTIONS[name]}" if name in OPTIONS else name
    for name in NORMS
    if not name.startswith(("evonorm", "frn-tlu"))
]
TEMPLATES: dict[str, Callable[..., nn.Module]] = {
    "lstm": lambda norm: Lstm(norm, shape=(CHANNELS, STEPS), outputs=2, ragged=STEPS, hidden=8),
    **{
        f"transformer-{placement}-{pool}": lambda norm, placement=placement, pool=pool: Transformer(
            norm,
            shape=(CHANNELS, STEPS),
            outputs=2,
            ragged=STEPS,
            width=8,
            heads=2,
            depth=1,
            placement=placement,
            pool=pool,
            qk_norm=True,
        )
        for placement, pool in (("pre", "mean"), ("post", "max"), ("peri", "mean"))
    },
}


def samples(lengths: tuple[int, ...] = LENGTHS, steps: int = STEPS) -> Tensor:
    """Draw sequences ``(N, C, T)``, NaN beyond their ends."""
    x = torch.randn(len(lengths), CHANNELS, steps, dtype=torch.float64)
    for sample, length in enumerate(lengths):
        x[sample, :, length:] = torch.nan
    return x


def network_of(template: str, norm: str) -> nn.Module:
    """Build a network in float64 whose parameters and statistics are random."""
    network = TEMPLATES[template](norm_factory(norm)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) / 2)
        for name, buffer in network.named_buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand_like(buffer) + ("var" in name))
    return network


each_template = pytest.mark.parametrize("template", TEMPLATES)
BY_DEFAULT = ("lstm", "transformer-pre-mean")


def each_with(norms: Iterable[str]) -> pytest.MarkDecorator:
    """Ask of each norm in two networks, and of two in all."""
    cases = [(template, norm) for norm in norms for template in BY_DEFAULT]
    others = [(template, norm) for norm in ("layer", "rms") for template in TEMPLATES if template not in BY_DEFAULT]
    return pytest.mark.parametrize(("template", "norm"), [*cases, *others])


@pytest.mark.slow_but_one
@each_with(SPECS)
def test_a_padded_batch_gives_what_each_sample_gives_alone(template: str, norm: str) -> None:
    """Each is cut to its own length, and evaluated by itself."""
    network = network_of(template, norm).eval()
    x = samples()
    alone = [network(x[[sample], :, :length]) for sample, length in enumerate(LENGTHS)]
    assert_close(network(x), torch.cat(alone), rtol=0, atol=1e-10)


@pytest.mark.slow_but_one
@each_with(name for name in SPECS if is_batch_independent(make_norm(name, 8)))
def test_so_do_gradients_of_norms_that_look_at_one_sample(template: str, norm: str) -> None:
    """The gradient of a padded batch in training is the sum of those of the samples."""
    network = network_of(template, norm).train()
    x = samples((7, 3, 4, 6))
    parameters = list(network.parameters())
    together = torch.autograd.grad(network(x).square().sum(), parameters)
    alone = [
        torch.autograd.grad(network(x[[sample], :, :length]).square().sum(), parameters, materialize_grads=True)
        for sample, length in enumerate((7, 3, 4, 6))
    ]
    assert_close(together, tuple(map(sum, zip(*alone, strict=True))), rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@each_with(SPECS)
def test_more_padding_changes_nothing_in_training(template: str, norm: str) -> None:
    """Neither outputs, nor gradients, nor running statistics."""
    lengths = (5, 2, 4, 5)
    first, second = network_of(template, norm), network_of(template, norm)
    second.load_state_dict(first.state_dict())
    x = samples(lengths, 5)
    padded = torch.cat([x, torch.full((len(lengths), CHANNELS, STEPS - 5), torch.nan, dtype=x.dtype)], -1)
    outputs = []
    for network, given in ((first, x), (second, padded)):
        outputs.append(network.train()(given))
        outputs[-1].square().sum().backward()
    assert_close(outputs[0], outputs[1], rtol=0, atol=1e-10)
    gradients = [{name: each.grad for name, each in network.named_parameters()} for network in (first, second)]
    assert all(each is not None and each.isfinite().all() for each in gradients[1].values())
    assert_close(gradients[0], gradients[1], rtol=0, atol=1e-9)
    counts_alike = {name: value for name, value in second.state_dict().items() if "num_batches" not in name}
    assert_close({name: first.state_dict()[name] for name in counts_alike}, counts_alike, rtol=0, atol=1e-10)


def test_batch_norm_in_the_lstm_uses_the_samples_that_have_not_ended() -> None:
    """By hand: at each step torch's batch norm of those alone; the last of two that are left shares no statistics."""
    lstm: Any = network_of("lstm", "batch").train().lstm
    lengths = (5, 2, 4, 5)
    x, mask = without_padding(samples(lengths, 5))
    states = lstm(x.mT, mask)
    h = c = torch.zeros(4, 8, dtype=torch.float64)

    def norm(place: str, values: Tensor, step: int, chosen: Tensor) -> Tensor:
        layer: Any = getattr(lstm, place)[step]
        normalized = torch.zeros_like(values)
        of_those = values[chosen]
        deviations = of_those - of_those.mean(0)
        normalized[chosen] = deviations / (of_those.var(0, correction=0) + layer.eps).sqrt() * layer.weight + layer.bias
        return normalized

    for step in range(5):
        chosen = mask[:, step]
        gates = norm("norm_ih", x[:, :, step] @ lstm.weight_ih.T, step, chosen)
        gates = gates + norm("norm_hh", h @ lstm.weight_hh.T, step, chosen) + lstm.bias
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * norm("norm_cell", c, step, chosen).tanh()
        assert_close(states[chosen, step], h[chosen], rtol=0, atol=1e-10)


def test_where_one_sample_is_left_batch_norm_gives_its_bias_and_remembers_nothing() -> None:
    """The steps that only the longest sample has."""
    lstm: Any = network_of("lstm", "batch").train().lstm
    before = {name: buffer.clone() for name, buffer in lstm.named_buffers()}
    x, mask = without_padding(samples((3, 7, 3)))
    assert lstm(x.mT, mask).isfinite().all()
    after = dict(lstm.named_buffers())
    for name in ("running_mean", "running_var"):
        moved = [
            not torch.equal(before[f"norm_ih.{step}.{name}"], after[f"norm_ih.{step}.{name}"]) for step in range(7)
        ]
        assert moved == [True] * 3 + [False] * 4


@pytest.mark.slow_but_one
@each_template
@pytest.mark.parametrize("norm", ["batch", "layer", "instance"])
def test_a_stack_does_what_its_members_do(template: str, norm: str) -> None:
    """In training, each member with sequences of its own."""
    members = [network_of(template, norm).train() for _ in range(2)]
    x = torch.stack([samples(), samples((2, 7, 7, 3, 5, 4))], 1)
    together = stack(members)(x)
    alone = torch.stack([member(x[:, index]) for index, member in enumerate(members)], 1)
    assert_close(together, alone, rtol=0, atol=1e-9)


def test_steps_that_training_does_not_have_use_the_statistics_of_its_last_one() -> None:
    """A longer test sample is normalized by what the longest one of training left, not by what a norm starts with."""
    network: Any = Lstm(norm_factory("batch"), shape=(CHANNELS, STEPS), outputs=2, ragged=4, hidden=8)
    assert [len(getattr(network.lstm, place)) for place in ("norm_ih", "norm_hh", "norm_cell")] == [4, 4, 4]
    assert network.eval()(samples().float()).isfinite().all()


@pytest.mark.parametrize("template", ["lstm:hidden=8", "transformer:heads=2,width=8"])
def test_outputs_of_every_step_know_of_no_padding(template: str) -> None:
    """Batch norm in training, whose statistics would."""
    asked: dict[str, Any] = {"outputs": 2, "per_step": True, "ragged": 5}
    networks = [
        make_network(template, norm_factory("batch"), shape=(CHANNELS, steps), **asked).double() for steps in (5, STEPS)
    ]
    for name, parameter in networks[1].named_parameters():
        other = networks[0].get_parameter(name)
        other.data = parameter.data[: len(other)].clone()
    x = samples((5, 2, 4, 5), 5)
    padded = torch.cat([x, torch.full((4, CHANNELS, STEPS - 5), torch.nan, dtype=x.dtype)], -1)
    counts = ~x[:, 0].isnan()
    assert_close(networks[0](x)[counts], networks[1](padded)[:, :5][counts], rtol=0, atol=1e-10)


def test_padding_is_told_by_nan() -> None:
    """Of a mask that follows from it, last steps, means and maxima."""
    x = torch.tensor([[[1.0, 2.0, torch.nan], [3.0, -4.0, torch.nan]]])
    values, mask = without_padding(x)
    assert values.tolist() == [[[1.0, 2.0, 0.0], [3.0, -4.0, 0.0]]]
    assert mask.tolist() == [[True, True, False]]
    assert last_steps(values.mT, mask).tolist() == [[2.0, -4.0]]
    assert mean_over_steps(values.mT, mask).tolist() == [[1.5, -0.5]]
    assert max_over_steps(values.mT - 5, mask).tolist() == [[-3.0, -2.0]]


class Masking(nn.Module):
    """Sums what counts, by a mask."""

    def __init__(self, norm: Callable[[int], nn.Module], outputs: int) -> None:
        super().__init__()
        self.norm, self.linear = norm(CHANNELS), nn.Linear(CHANNELS, outputs)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y: Tensor = self.linear(self.norm((x * mask.unsqueeze(1)).sum(-1)))
        return y


class Counting(Masking):
    """Divides by the lengths."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        y: Tensor = self.linear(self.norm(x.sum(-1) / lengths[:, None]))
        return y


class Ignoring(Masking):
    """Knows of no padding."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        y: Tensor = self.linear(self.norm(x.sum(-1)))
        return y


@pytest.mark.parametrize("name", ["Masking", "Counting"])
def test_a_network_of_ones_own_is_told_which_steps_count(name: str) -> None:
    """By a mask, or by lengths."""
    asked: dict[str, Any] = {"shape": (CHANNELS, STEPS), "outputs": 2, "ragged": STEPS}
    network = make_network(f"{__name__}:{name}", norm_factory("layer"), **asked)
    x = samples().float()
    alone = [network(x[[sample], :, :length]) for sample, length in enumerate(LENGTHS)]
    assert_close(network(x), torch.cat(alone))


def test_one_that_takes_neither_is_refused() -> None:
    """Else padding would count as data."""
    with pytest.raises(UsageError, match="its forward takes neither 'mask' nor 'lengths'"):
        make_network(f"{__name__}:Ignoring", norm_factory("layer"), shape=(CHANNELS, STEPS), outputs=2, ragged=STEPS)


@each_template
def test_a_norm_that_pools_samples_and_takes_no_mask_is_refused(template: str) -> None:
    """Torch's batch norm; torch's group norm over a step's channels is fine in the lstm, and not over time."""
    with pytest.raises(ComponentError, match="it takes no mask, and sequences of different lengths need one"):
        TEMPLATES[template](nn.BatchNorm1d)
    group = norm_factory("torch.nn:GroupNorm:num_groups=2")
    if template == "lstm":
        x = samples().float()
        network = TEMPLATES[template](group)
        assert_close(network(x)[[1]], network(x[[1], :, : LENGTHS[1]]))
    else:
        with pytest.raises(ComponentError, match="it takes no mask"):
            TEMPLATES[template](group)


@pytest.mark.parametrize(
    ("template", "samples_of", "told"),
    [
        ("cnn", {"shape": (3, 9), "ragged": True}, "sequences of shape (3, 9) and of different lengths"),
        ("resnet", {"shape": (3, 9)}, "sequences of shape (3, 9)"),
        ("lstm", {"shape": (9,)}, "vectors of shape (9,)"),
        ("mlp", {"shape": (9,), "vocabulary": 5}, "tokens of shape (9,)"),
        ("vgg", {"shape": (1, 8, 8, 8)}, "volumes of shape (1, 8, 8, 8)"),
    ],
)
def test_a_template_names_what_it_does_not_take_and_who_does(
    template: str, samples_of: dict[str, Any], told: str
) -> None:
    """Who does is found in the registry."""
    with pytest.raises(UsageError) as caught:
        make_network(template, norm_factory("layer"), outputs=2, **samples_of)
    message, _, others = str(caught.value).partition("; use ")
    assert message == f"it does not take {told}"
    for other in others.split(", "):
        if "torchvision" not in other and "timm" not in other:
            make_network(other, norm_factory("layer"), outputs=2, **samples_of)
