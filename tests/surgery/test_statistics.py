"""Are recalibrated statistics those of all values?"""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from networks.architectures import Architecture
from networks.pairs import pair
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import UsageError
from normzoo.layers import make_norm
from normzoo.surgery import eval_statistics, freeze, keeps_statistics, recalibrate
from normzoo.surgery._freeze import tracked_norms
from normzoo.templates import stack

from .published import each_published

each_library = pytest.mark.parametrize("library", [nn, layers], ids=["torch", "ours"])
SIZES = (6, 5, 1, 3)


def network(library: Any = nn) -> nn.Sequential:
    """Return a network in which a norm is called twice, with dropout, an instance norm, and one that tracks nothing."""
    shared = library.BatchNorm2d(4, momentum=0.3)
    return nn.Sequential(
        nn.Conv2d(3, 4, 1), shared, nn.Dropout(0.5), nn.ReLU(), shared, library.GroupNorm(2, 4),
        library.InstanceNorm2d(4, track_running_stats=True), library.BatchNorm2d(4, track_running_stats=False),
        nn.Flatten(), nn.Linear(64, 4), library.BatchNorm1d(4, momentum=None),
    ).double()  # fmt: skip


def images(samples: int) -> Tensor:
    return 3 * torch.randn(samples, 3, 4, 4, dtype=torch.float64) + 2


def keep(kept: list[Tensor], norm: nn.Module, given: tuple[Tensor, ...]) -> None:  # noqa: ARG001  # as torch calls it
    kept.append(given[0])


def inputs_of_norms(model: nn.Module, batches: list[Tensor]) -> dict[nn.Module, list[Tensor]]:
    """Return what each norm that tracks sees, where all normalize by a batch's own statistics and nothing drops out."""
    alone = copy.deepcopy(model)
    seen: dict[nn.Module, list[Tensor]] = {}
    for module in alone.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    pairs = list(zip(tracked_norms(model), tracked_norms(alone), strict=True))
    for original, copied in pairs:
        seen[original] = []
        copied.register_forward_pre_hook(partial(keep, seen[original]))
    with torch.no_grad():
        for batch in batches:
            alone.train()(batch)
    return seen


def everything(model: nn.Module) -> Iterator[Any]:
    """Yield all that could change: modes, settings, hooks, and tensors with their identity."""
    for module in model.modules():
        yield {name: value for name, value in vars(module).items() if name[0] != "_"}
        yield len(module._forward_pre_hooks), len(module._forward_hooks)
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            yield name, id(tensor), None if tensor is None else tensor.tolist(), getattr(tensor, "requires_grad", None)


@pytest.mark.slow_but_one
@each_published
def test_published_networks(architecture: Architecture, ours: bool) -> None:
    """Each batch norm gets the mean and variance of all that it sees, over batches of unequal sizes."""
    model = pair(architecture, torch.float64)[0 if ours else 1]
    batches = [architecture.input(torch.float64, samples) for samples in (3, 2)]
    seen = inputs_of_norms(model, batches)
    assert recalibrate(model, batches) is model
    for norm, inputs in seen.items():
        values = torch.cat([x.transpose(0, 1).flatten(1) for x in inputs], 1)
        assert_close(norm.running_mean, values.mean(1), rtol=1e-10, atol=1e-10)
        assert_close(norm.running_var, values.var(1, correction=0), rtol=1e-10, atol=1e-10)
    assert len(seen) == sum(isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d) for module in model.modules())


@each_library
@pytest.mark.parametrize("training", [True, False])
def test_all_calls_of_a_norm_count(library: Any, training: bool) -> None:
    """Of one that is called twice; of an instance norm, means over samples. Nothing else changes."""
    model = network(library).train(training)
    batches = [images(size) for size in (6, 5, 3)]
    seen = inputs_of_norms(model, batches)
    shared, instance, last = tracked_norms(model)
    assert [len(seen[norm]) for norm in (shared, instance, last)] == [6, 3, 3]
    settings = [{**vars(module), "_buffers": None} for module in model.modules()]
    counts = [norm.get_buffer("num_batches_tracked").fill_(7) for norm in (shared, instance, last)]
    recalibrate(model, batches)
    for norm in (shared, last):
        values = torch.cat([x.transpose(0, 1).flatten(1) for x in seen[norm]], 1)
        assert_close(norm.running_mean, values.mean(1))
        assert_close(norm.running_var, values.var(1, correction=0))
    samples = torch.cat(seen[instance]).flatten(2)
    assert_close(instance.running_mean, samples.mean((0, 2)))
    assert_close(instance.running_var, samples.var(2, correction=0).mean(0))
    assert [{**vars(module), "_buffers": None} for module in model.modules()] == settings
    assert [count.item() for count in counts] == [7, 7, 7]
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    "kind", [layers.ExtendedBatchNorm, layers.SwitchableNorm, layers.BatchInstanceNorm, layers.BatchChannelNorm]
)
def test_norms_with_a_formula_of_their_own_keep_statistics_too(kind: Any) -> None:
    """They are found, recalibrated, evaluated by a batch's own and frozen as batch norms are."""
    norm, x = kind(16).double(), torch.randn(6, 16, 4, 4, dtype=torch.float64) + torch.arange(16).reshape(-1, 1, 1)
    own = copy.deepcopy(norm)(x)
    assert keeps_statistics(norm)
    with eval_statistics(norm, "batch"):
        assert_close(norm(x), own)
    assert not torch.allclose(norm.eval()(x), own, atol=0.1)
    assert_close(recalibrate(norm, [x])(x), own, rtol=1e-9, atol=1e-9)
    before = copy.deepcopy(norm.state_dict())
    freeze(norm).train()(x + 1)
    assert_close(norm.state_dict(), before)


def test_of_equal_batches_means_are_those_of_torch() -> None:
    """``update_bn`` averages the batches' variances, and leaves out how their means differ."""
    model = nn.Sequential(nn.BatchNorm2d(3)).double()
    batches = [images(4), images(4) + 5]
    expected = copy.deepcopy(model)
    update_bn(batches, expected)
    recalibrate(model, batches)
    assert_close(model[0].running_mean, expected[0].running_mean)
    variances = [each.get_submodule("0").get_buffer("running_var") for each in (model, expected)]
    assert bool((variances[0] > 1.3 * variances[1]).all())


@pytest.mark.parametrize("kind", [layers.BatchNorm, layers.BatchNorm2d, layers.InstanceNorm2d])
@pytest.mark.parametrize("named", [False, True])
def test_what_a_mask_hides_does_not_count(kind: Any, named: bool) -> None:
    """As if it was not there."""
    norm = kind(3, track_running_stats=True).double()
    x, mask = images(5), torch.rand(5, 4, 4) > 0.4
    mask[0] = False
    x[~mask[:, None].expand_as(x)] = 1e6
    recalibrate(norm, [x[:2], x[2:]], forward=lambda part: norm(part, mask=of(part)) if named else norm(part, of(part)))
    kept = [x[sample][:, mask[sample]] for sample in range(1, 5)]
    if kind is layers.InstanceNorm2d:
        mean = torch.stack([sample.mean(1) for sample in kept]).mean(0)
        var = torch.stack([sample.var(1, correction=0) for sample in kept]).mean(0)
    else:
        mean, var = torch.cat(kept, 1).mean(1), torch.cat(kept, 1).var(1, correction=0)
    assert_close(norm.running_mean, mean)
    assert_close(norm.running_var, var)


def of(part: Tensor) -> Tensor:
    """Return the mask of a part of the images: what is not a million."""
    return part[:, 0] != 1e6


@each_library
@pytest.mark.parametrize(("name", "shape"), [("1d", (3, 9)), ("2d", (3, 4, 5)), ("3d", (3, 2, 3, 4))])
def test_an_instance_norm_takes_a_sample_by_itself(library: Any, name: str, shape: tuple[int, ...]) -> None:
    """Without a dimension of samples."""
    norms = [getattr(library, f"InstanceNorm{name}")(3, track_running_stats=True) for _ in range(2)]
    samples = [torch.randn(shape) for _ in range(3)]
    recalibrate(norms[0], samples)
    recalibrate(norms[1], [torch.stack(samples)])
    assert_close(dict(norms[0].named_buffers()), dict(norms[1].named_buffers()))


def test_norms_that_share_their_statistics_gather_together() -> None:
    """Also where they are two modules, as in a stack."""
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3), nn.BatchNorm1d(3)).double()
    for name in ("running_mean", "running_var"):
        setattr(model[2], name, getattr(model[0], name))
    batches = [torch.randn(size, 3, dtype=torch.float64) for size in (5, 4)]
    seen = inputs_of_norms(model, batches)
    recalibrate(model, batches)
    values = torch.cat([x for inputs in seen.values() for x in inputs])
    assert_close(model[2].running_mean, values.mean(0))
    assert_close(model[0].running_var, values.var(0, correction=0))


@each_library
def test_frozen_norms_are_recalibrated_and_stay_frozen(library: Any) -> None:
    """By the same statistics as others."""
    model, batches = network(library), [images(4), images(3)]
    frozen = freeze(copy.deepcopy(model))
    recalibrate(model, batches)
    recalibrate(frozen, batches)
    assert_close(dict(frozen.named_buffers()), dict(model.named_buffers()))
    assert not frozen.train()[1].training


def test_statistics_that_are_not_finite_are_forgotten() -> None:
    """They have no part in what replaces them."""
    norm, x = nn.BatchNorm1d(2), torch.randn(8, 2)
    norm.get_buffer("running_mean").fill_(torch.nan)
    norm.get_buffer("running_var").fill_(torch.inf)
    recalibrate(norm, [x])
    assert_close(norm.running_mean, x.mean(0))
    assert_close(norm.running_var, x.var(0, correction=0))


def test_low_precision_is_gathered_in_float32() -> None:
    """Many batches of bfloat16 do not lose their mean."""
    norm, batches = nn.BatchNorm1d(2, dtype=torch.bfloat16), [torch.randn(8, 2).bfloat16() + 3 for _ in range(300)]
    recalibrate(norm, batches)
    assert_close(norm.running_mean, torch.cat(batches).float().mean(0).bfloat16())
    assert_close(norm.running_var, torch.cat(batches).float().var(0, correction=0).bfloat16())


class Branches(nn.Module):
    """Uses one norm or the other, and takes a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.BatchNorm1d(2), nn.BatchNorm1d(2)

    def forward(self, x: Tensor, uses_second: bool = False) -> Tensor:
        y: Tensor = (self.second if uses_second else self.first)(x)
        return y


def test_a_norm_that_is_not_called_keeps_its_statistics() -> None:
    """Such as one of a branch for training."""
    model = Branches()
    recalibrate(model, [torch.randn(5, 2) + 9])
    assert model.first.running_mean.min() > 5  # type: ignore[union-attr]
    assert model.second.running_mean.tolist() == [0, 0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "batch", [lambda x: x, lambda x: (x, 1), lambda x: [x, "name"]], ids=["tensor", "tuple", "list"]
)
def test_batches_are_what_loaders_return(batch: Callable[[Tensor], Any]) -> None:
    """And anything else with a function for it. An empty batch adds nothing."""
    x = torch.randn(6, 2) + 9
    expected = recalibrate(Branches(), [x]).state_dict()
    assert_close(dict(recalibrate(Branches(), iter([batch(x[:0]), batch(x)])).state_dict()), dict(expected))
    model = Branches()
    recalibrate(model, [{"x": x}], forward=lambda given: model(**given))
    assert_close(dict(model.state_dict()), dict(expected))


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "recalibrate: no batch has reached a norm; pass at least one, and an iterator only once"),
        ([torch.zeros(0, 2)], "recalibrate: no batch has reached a norm; pass at least one, and an iterator only once"),
        (
            [{"x": 1}],
            "recalibrate: a batch must be a tensor, or begin with one, got dict; pass forward=..., a function that "
            "passes such a batch through the model",
        ),
        (
            [("x", 1)],
            "recalibrate: a batch must be a tensor, or begin with one, got tuple; pass forward=..., a function that "
            "passes such a batch through the model",
        ),
    ],
)
def test_other_batches_are_refused(batches: list[Any], message: str) -> None:
    """And everything is as it was."""
    model = Branches()
    before = list(everything(model))
    with pytest.raises(UsageError) as caught:
        recalibrate(model, batches)
    assert str(caught.value) == message
    assert list(everything(model)) == before


def test_without_norms_that_track_no_batch_is_looked_at() -> None:
    """There is nothing to do."""
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    assert recalibrate(model, iter(lambda: 1 / 0, None)) is model


@pytest.mark.slow
@each_library
def test_compiled_networks_are_recalibrated(library: Any) -> None:
    """Though compiled code sees no new hooks; it goes on by the new statistics."""
    model = network(library)
    expected = copy.deepcopy(model)
    compiled: Any = torch.compile(model, backend="eager")
    batches, x = [images(5), images(4)], images(3)
    with torch.no_grad():
        compiled.eval()(batches[0])
        recalibrate(compiled, batches)
        assert_close(compiled(x), recalibrate(expected, batches).eval()(x))


def test_timms_norms() -> None:
    """They keep their activations, and what they drop is not dropped."""
    timm_layers: Any = pytest.importorskip("timm.layers")
    norm = timm_layers.BatchNormAct2d(3, drop_layer=nn.Dropout).double()
    x = images(5)
    with eval_statistics(norm, "batch"):
        assert_close(norm(x), nn.BatchNorm2d(3).double()(x).relu())
    recalibrate(norm, [x[:2], x[2:]])
    assert_close(norm.running_var, x.transpose(0, 1).flatten(1).var(1, correction=0))


@pytest.mark.parametrize("members", [2, 3], ids=["members", "as many members as channels"])
def test_masks_of_a_stack_are_those_of_its_members(members: int) -> None:
    """Each recalibrates to what it does alone, by the positions that count for it."""
    alone = [layers.BatchNorm1d(3).double() for _ in range(members)]
    together = stack(alone)
    x, mask = torch.randn(6, members, 3, 5, dtype=torch.float64), torch.rand(6, members, 5) < 0.6
    recalibrate(together, [(x, mask)], forward=lambda pair: together(*pair))
    for member, norm in enumerate(alone):
        recalibrate(norm, [(x[:, member], mask[:, member])], forward=lambda pair, norm=norm: norm(*pair))  # type: ignore[misc]
        for name in ("running_mean", "running_var"):
            assert_close(together.get_buffer(name)[member], norm.get_buffer(name))


@pytest.mark.parametrize("norm", ["batch", "instance:track_running_stats=true"])
def test_recalibrated_variances_are_those_that_normalize(norm: str) -> None:
    """Also where these are unbiased: evaluating a batch is then what training on it is."""
    layer = make_norm(f"{norm}{',' if ':' in norm else ':'}unbiased=true", 3).double()
    x = torch.randn(1 if norm.startswith("instance") else 4, 3, 5, dtype=torch.float64)
    y = layer.train()(x)
    recalibrate(layer, [x])
    assert_close(layer.eval()(x), y)


def test_statistics_of_channels_last() -> None:
    """Are gathered over that dimension."""
    x, mask = torch.randn(4, 5, 3), torch.rand(4, 5) < 0.7
    norm, other = layers.BatchNorm1d(3, channel_dim=-1), layers.BatchNorm1d(3)
    recalibrate(norm, [x], forward=lambda batch: norm(batch, mask))
    recalibrate(other, [x], forward=lambda batch: other(batch.movedim(-1, 1), mask))
    assert_close(dict(norm.state_dict()), dict(other.state_dict()))


def test_a_tensor_is_no_batches() -> None:
    """Each of its samples would be one."""
    with pytest.raises(UsageError, match=r"^recalibrate: batches must be several, got a tensor; pass \[batch\], or a"):
        recalibrate(nn.BatchNorm1d(3), torch.randn(4, 3))
