"""Do the options that torch.nn's layers do not have do what they say, and nothing where they are not asked for?"""

import copy
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.ao.quantization import fuse_modules
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import InputError
from normzoo.layers import make_norm
from normzoo.layers._policies import DEFAULTS, Policies
from normzoo.registry import NORMS
from normzoo.templates import stack

from .cases import ONE_OF_EACH
from .formulas import ONE_OF_EACH_FORMULA
from .test_small_batches import SMALL

CASES: list[Any] = [*ONE_OF_EACH, *ONE_OF_EACH_FORMULA]


NEEDED = {
    **dict.fromkeys(("batch-channel", "evonorm-s0", "group", "group+ws"), "groups=2"),
    "noisy-batch": "strength=0",
    "position": "affine=true",
}
"""Options with which a norm of few channels has what is asked about, and no more."""


def takes(name: str) -> list[str]:
    """Return the norms of the registry that have an option."""
    return [norm for norm, entry in NORMS.items() if name in entry.explanation.options]


def has_weight(name: str) -> bool:
    layer = make_norm(f"{name}:{options}" if (options := NEEDED.get(name)) else name, 4)
    return any(parameter.rpartition(".")[2] == "weight" for parameter, _ in layer.named_parameters())


PAGE = Path(__file__).parents[2] / "docs" / "policies.md"
ROW = re.compile(r"^\| \[(?P<options>[^\]]*)\][^|]*\|[^|]*\| (?P<norms>[^|;]*)", re.MULTILINE)


@pytest.mark.parametrize("row", list(ROW.finditer(PAGE.read_text())), ids=lambda row: row["options"])
def test_the_page_says_which_norms_have_an_option(row: re.Match[str]) -> None:
    """By their names in the registry; classes that the registry does not name may stand beside them."""
    said = {name for name in re.findall(r"`([^`]*)`", row["norms"]) if name in NORMS}
    if "every norm with a `weight`" in row["norms"]:
        said = {name for name in NORMS if has_weight(name)} - {"grn"}
    for option in re.findall(r"`([^`]*)`", row["options"]):
        assert set(takes(option)) == said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_defaults_are_what_torch_does(case: Any) -> None:
    """All of them are keywords, and a layer without them prints nothing of them."""
    parameters = inspect.signature(case.layer).parameters
    for name in (name for name in DEFAULTS if name in parameters):
        assert parameters[name].default == DEFAULTS[name]
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert f"{name}=" not in repr(case.ours())


def test_every_option_has_a_default() -> None:
    """By which it is known whether it is asked for."""
    assert set(DEFAULTS) == set(Policies.__annotations__)


# zero_centered


def factors(name: str) -> list[str]:
    """Return the names of the weights that what is normalized is multiplied by; grn's is no such."""
    tensors = NORMS[name].explanation.tensors
    names = {each.name for each in tensors if each.name.rpartition(".")[2] in ("weight", "channel_weight")}
    return sorted(names) if name != "grn" else []


@pytest.mark.parametrize("name", [name for name in NORMS if factors(name)])
def test_zero_centred_is_the_norm_of_one_more(name: str) -> None:
    """Output, statistics and gradients, at the start and with any weight; of every norm that has one."""
    spec = ":".join(filter(None, (name, NEEDED.get(name, ""))))
    centred: Any = make_norm(f"{spec}{',' if ':' in spec else ':'}zero_centered=true", 4).double()
    plain: Any = make_norm(spec, 4).double()
    assert all(torch.all(centred.get_parameter(each) == 0) for each in factors(name))
    assert "zero_centered=True" in repr(centred)
    x = torch.randn(3, 4, 5, dtype=torch.float64)
    assert_close(centred(x), plain(x))
    with torch.no_grad():
        for each in factors(name):
            plain.get_parameter(each).copy_(1 + centred.get_parameter(each).copy_(torch.randn(4)))
    for training in (True, False):
        results = []
        for layer in (centred.train(training), plain.train(training)):
            y = layer(x)
            results.append((y, *torch.autograd.grad(y.pow(3).sum(), list(layer.parameters()))))
        assert_close(*results)
    centred.reset_parameters()
    assert all(torch.all(centred.get_parameter(each) == 0) for each in factors(name))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_zero_centred_rms_norm_is_gemmas(dtype: torch.dtype) -> None:
    """Whose factor is ``1 + weight`` in float32, and whose output is rounded once, after it."""
    layer = layers.RMSNorm(6, eps=1e-6, zero_centered=True, dtype=dtype)
    nn.init.normal_(layer.weight, std=0.01)
    x = torch.randn(5, 6).to(dtype)
    wide = x.float()
    normalized = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
    assert_close(layer(x), (normalized * (1.0 + layer.weight.float())).to(dtype), rtol=1e-6, atol=1e-6)


def test_weight_decay_pulls_a_zero_centred_factor_to_one() -> None:
    """And a plain one to zero."""
    for zero_centered, goal in ((True, 1.0), (False, 0.0)):
        layer = layers.LayerNorm(3, elementwise_affine=True, zero_centered=zero_centered)
        nn.init.constant_(layer.weight, 0.7)
        optimizer = torch.optim.SGD(layer.parameters(), lr=1.0, weight_decay=0.9)
        for _ in range(10):
            layer.weight.grad = torch.zeros(3)
            optimizer.step()
        assert_close(layer.weight.detach() + zero_centered, torch.full((3,), goal), atol=1e-6, rtol=0)


def test_gain_of_a_zero_centred_norm_inside_a_recurrence() -> None:
    """Its weight should start at one less."""
    assert layers.BatchNorm1d(3, zero_centered=True).recurrent_gain == pytest.approx(-0.9)
    assert layers.LayerNorm(3, zero_centered=True).recurrent_gain == 0
    assert layers.BatchNorm1d(3).recurrent_gain == 0.1


def test_zero_centred_takes_an_empty_batch() -> None:
    """Whose output is connected to the weight."""
    layer = layers.BatchNorm1d(3, zero_centered=True)
    layer(torch.randn(0, 3)).sum().backward()
    assert layer.weight.grad is not None


# unbiased, unbiased_running


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("affine", [True, False])
def test_the_unbiased_variance_is_that_of_torch(affine: bool, training: bool) -> None:
    """Batch norm by it, and by the running one, which is unbiased by itself."""
    layer: Any = make_norm(f"batch:unbiased=true,affine={affine}", 3).double().train(training)
    x = torch.randn(4, 3, 5, dtype=torch.float64)
    flat = x.transpose(0, 1).flatten(1)
    mean, var = (flat.mean(1), flat.var(1)) if training else (torch.zeros(3).double(), torch.ones(3).double())
    expected = (x - mean[:, None]) / torch.sqrt(var[:, None] + 1e-5)
    assert_close(layer(x), expected)
    if training:
        assert_close(layer.running_var, 0.9 + 0.1 * var)


@pytest.mark.parametrize("name", takes("unbiased_running"))
def test_the_biased_variance_may_be_remembered(name: str) -> None:
    """What is normalized by does not depend on it; with ``momentum=1`` evaluation is then what training was."""
    if name == "instance":
        name += ":track_running_stats=true"
    spec = f"{name}{',' if ':' in name else ':'}momentum=1.0,unbiased_running=false"
    layer: Any = make_norm(spec, 3).double()
    x = torch.randn(1 if name.startswith("instance") else 4, 3, 5, dtype=torch.float64)
    y = layer(x)
    assert_close(layer.running_var, x.var((0, 2), correction=0))
    assert_close(layer.eval()(x), y)
    mask = torch.rand(len(x), 5) < 0.7
    mask[:, :2] = True
    y = layer.train()(x, mask)
    assert_close(layer.eval()(x, mask), y)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", takes("unbiased"))
def test_the_gradient_goes_through_the_unbiased_variance(name: str) -> None:
    """First and second, and under a mask."""
    spec = f"{name}:{NEEDED[name]},unbiased=true" if name in NEEDED else f"{name}:unbiased=true"
    layer: Any = make_norm(spec, 4).double()
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    assert torch.autograd.gradcheck(layer, (x,))
    assert torch.autograd.gradgradcheck(layer, (x,), fast_mode=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, mask), (x,))


def test_one_value_has_no_unbiased_variance() -> None:
    """Where torch.nn takes it, in evaluation, the output is the bias, not NaN."""
    layer = layers.GroupNorm(4, 4, unbiased=True).eval()
    assert_close(layer(torch.randn(3, 4)), torch.zeros(3, 4))


# skip_nonfinite

Build = Callable[..., Any]
SKIPPING: dict[str, Build] = {
    "batch": lambda **options: layers.BatchNorm1d(3, skip_nonfinite=True, **options),
    "cumulative": lambda **options: layers.BatchNorm1d(3, momentum=None, skip_nonfinite=True, **options),
    "instance": lambda **options: layers.InstanceNorm1d(3, track_running_stats=True, skip_nonfinite=True, **options),
    "extended": lambda **options: layers.ExtendedBatchNorm(3, skip_nonfinite=True, **options),
    "ghost": lambda **options: layers.GhostBatchNorm(3, size=4, skip_nonfinite=True, **options),
}
every_skipping = pytest.mark.parametrize("build", SKIPPING.values(), ids=SKIPPING)


@pytest.mark.parametrize(
    ("option", "asked"), [("small_batch", SMALL), ("min_values", SMALL), ("skip_nonfinite", SKIPPING)]
)
def test_a_norm_that_takes_an_option_is_asked_what_it_does(option: str, asked: dict[str, Build]) -> None:
    """By a line in the list of those."""
    assert set(takes(option)) <= set(asked)


def batches(garbage: float) -> list[Tensor]:
    """Return three batches, of which the second holds one value that is no number."""
    found = [torch.randn(4, 3, 5) for _ in range(3)]
    found[1][2, 1, 3] = garbage
    return found


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf"), 1e30], ids=str)
@every_skipping
def test_a_batch_that_is_not_finite_is_skipped_and_counted(build: Build, garbage: float) -> None:
    """As though it had not been there; its own output is what it would be. The squares of 1e30 are infinite."""
    layer, without = build(), build()
    for index, x in enumerate(batches(garbage)):
        layer(x)
        if index != 1:
            without(x)
    assert layer.num_batches_skipped == 1
    without.num_batches_skipped.add_(1)
    assert_close(layer.state_dict(), without.state_dict(), rtol=0, atol=0)


@every_skipping
def test_without_such_batches_nothing_is_other(build: Build) -> None:
    """The same statistics and outputs, to rounding in their own type, as without the option."""
    layer, plain = build(dtype=torch.float64), build(dtype=torch.float64)
    plain.skip_nonfinite = False
    del plain.num_batches_skipped
    for x in batches(0.0):
        assert_close(layer(x.double()), plain(x.double()))
    state = {**plain.state_dict(), "num_batches_skipped": torch.tensor(0)}
    assert_close(state, dict(layer.state_dict()), rtol=1e-12, atol=1e-12)


@every_skipping
def test_skipping_under_a_mask(build: Build) -> None:
    """What the mask hides is no reason to skip; what it does not hide is."""
    layer, mask = build(), torch.ones(4, 5, dtype=torch.bool)
    x = batches(float("nan"))[1]
    layer(x, mask)
    before = copy.deepcopy(layer.state_dict())
    assert layer.num_batches_skipped == 1
    assert torch.all(layer.running_mean == 0)
    mask[2, 3] = False
    layer(x, mask)
    assert layer.num_batches_skipped == 1
    assert torch.all(layer.running_mean != before["running_mean"])
    assert layer.running_var.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compiled", "torch.compile"])
def test_all_options_when_compiled(name: str) -> None:
    """The same, by normzoo's backend and within somebody's ``torch.compile``, in one graph; channels last, too."""
    options = {"zero_centered": True, "unbiased": True, "unbiased_running": False, "channel_dim": -1}
    layer, eager = SKIPPING["batch"](**options), SKIPPING["batch"](**options)
    call: Any = torch.compile(layer, fullgraph=True, backend="aot_eager") if name == "torch.compile" else layer
    with layers.backend("compiled" if name == "compiled" else "auto"):
        for x in (each.mT.contiguous() for each in batches(float("inf"))):
            leaf, other = x.clone().requires_grad_(), x.clone().requires_grad_()
            loss: Any = call(leaf).square().sum()
            loss.backward()
            with layers.backend("eager"):
                eager(other).square().sum().backward()
            assert_close(leaf.grad, other.grad, equal_nan=True, rtol=1e-4, atol=1e-4)
    assert layer.num_batches_skipped == 1
    assert_close(layer.state_dict(), eager.state_dict())


@every_skipping
def test_each_member_of_a_stack_skips_its_own(build: Build) -> None:
    """Batches of one member that are finite count there, whatever the other's hold."""
    members = [build() for _ in range(2)]
    stacked = stack(copy.deepcopy(members))
    for x, other in zip(batches(float("nan")), batches(0.0), strict=True):
        stacked(torch.stack([x, other], 1))
        for member, values in zip(members, (x, other), strict=True):
            member(values)
    for name, buffer in stacked.named_buffers():
        assert_close(buffer, torch.stack([member.get_buffer(name) for member in members]))
    assert stacked.get_buffer("num_batches_skipped").tolist() == [1, 0]


def test_a_state_without_the_count_is_loaded() -> None:
    """That of torch.nn's layer, strictly; the count stays, and a state of ours brings its own."""
    layer = layers.BatchNorm1d(3, skip_nonfinite=True)
    layer(torch.full((4, 3), float("nan")))
    layer.load_state_dict(nn.BatchNorm1d(3).state_dict())
    assert layer.num_batches_skipped == 1
    other = layers.BatchNorm1d(3, skip_nonfinite=True)
    other.load_state_dict(layer.state_dict())
    assert other.num_batches_skipped == 1
    other.reset_running_stats()
    assert other.num_batches_skipped == 0
    assert set(layers.BatchNorm1d(3).state_dict()) == set(nn.BatchNorm1d(3).state_dict())


def test_nothing_to_skip_is_refused() -> None:
    """Without running statistics there is nothing to protect."""
    with pytest.raises(
        ValueError, match="skip_nonfinite is about running statistics, got track_running_stats=False; keep"
    ):
        layers.BatchNorm(3, track_running_stats=False, skip_nonfinite=True)


@pytest.mark.slow
def test_a_norm_that_skips_can_be_exported() -> None:
    """No value is asked for on the way."""
    layer, x = layers.BatchNorm1d(3, skip_nonfinite=True), torch.randn(4, 3)
    exported = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    exported.module()(torch.full((5, 3), float("nan")))
    assert dict(exported.module().named_buffers())["num_batches_skipped"] == 1


def test_ghost_skips_the_parts_that_are_not_finite() -> None:
    """The others are remembered."""
    ghost = layers.GhostBatchNorm(3, size=2, skip_nonfinite=True)
    batch = layers.BatchNorm(3)
    x = torch.randn(4, 3, 2)
    batch(x[2:])
    x[0, 1, 0] = float("nan")
    ghost(x)
    assert ghost.num_batches_tracked == 1
    assert ghost.get_buffer("num_batches_skipped") == 1
    assert_close(ghost.running_var, batch.running_var)


# Tools that take a norm for torch.nn's


def fused(norm: nn.Module) -> Any:
    """Return a convolution and a norm, fused by torch.ao.quantization."""
    fuse: Any = fuse_modules
    return fuse(nn.Sequential(nn.Conv2d(3, 3, 1), norm).eval(), [["0", "1"]])


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize(
    "tool",
    [
        torch.jit.script,
        torch.fx.symbolic_trace,
        fused,
    ],
    ids=["script", "fx", "fuse"],
)
def test_tools_that_would_compute_something_else_are_refused(tool: Callable[[nn.Module], object]) -> None:
    """What they would put in the place of the norm knows no such option."""
    with pytest.raises(InputError) as refusal:
        tool(layers.BatchNorm2d(3, zero_centered=True))
    assert str(refusal.value) == (
        "BatchNorm2d: this tool takes norms for torch.nn's, which have no such options, got zero_centered=True; "
        "use torch.export or torch.compile"
    )


def test_within_a_model_torch_fx_keeps_them() -> None:
    """As leaves, also in evaluation."""
    model = nn.Sequential(layers.BatchNorm2d(3, zero_centered=True)).eval()
    traced = torch.fx.symbolic_trace(model)
    x = torch.randn(2, 3, 4, 4)
    assert_close(traced(x), model(x))
