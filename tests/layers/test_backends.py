"""Do the backends compute the same?"""

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from normzoo import layers
from normzoo.layers import backend
from normzoo.layers._kernels import autotune, eager
from normzoo.layers._kernels.spec import NormSpec
from normzoo.registry.backends import Backend

from .cases import KINDS, LARGE, NORMS, Case, on_each_backend
from .references import randomized

BACKENDS: list[Backend] = ["eager", "compiled"]


def results(layer: Any, x: Tensor, cotangent: Tensor) -> list[Any]:
    """Return the output, the gradients and the state that a step leaves."""
    layer.zero_grad()
    leaf = x.detach().requires_grad_()
    y = layer(leaf)
    y.backward(cotangent)
    return [y.detach(), leaf.grad, [p.grad for p in layer.parameters()], copy.deepcopy(layer.state_dict())]


STEPS = [
    *((case, True) for case in KINDS),
    *((case, False) for case in NORMS if case.id in ("batch-maps", "batch-maps-plain-frozen")),
]
"""Cases, and whether in training. Evaluation by running statistics, with parameters and without, asks for no pool."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "training"), STEPS, ids=[f"{case.id}-{'train' if training else 'eval'}" for case, training in STEPS]
)
def test_backends_agree(case: Case, training: bool) -> None:
    """Outputs, gradients and running statistics agree to rounding over several steps, in training and evaluation."""
    layer = randomized(case.ours(torch.float64)).train(training)
    twin = copy.deepcopy(layer)
    for _ in range(3):
        x, cotangent = case.input(), torch.randn(case.shape, dtype=torch.float64)
        with backend("eager"):
            expected = results(layer, x, cotangent)
        with backend("compiled"):
            assert_close(results(twin, x, cotangent), expected, rtol=1e-9, atol=1e-9)


IN_EACH_TYPE: list[tuple[str, tuple[int, ...], torch.dtype]] = [
    ("group", (4, 16, 20, 21), torch.float16),
    ("batch", LARGE.shape, torch.bfloat16),
]
"""Each narrow type, and another shape. ``test_accuracy`` asks about float32, ``test_autocast`` compiles the second."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "dtype"), IN_EACH_TYPE, ids=lambda v: f"{len(v)}D" if isinstance(v, tuple) else str(v)
)
def test_backends_agree_in_each_type(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """On larger inputs of each type, with float32 parameters, the compiled backend is off by that type's rounding."""
    layer = randomized(layers.make_norm(name, shape[1]))
    twin = copy.deepcopy(layer)
    x, cotangent = (1 + torch.randn(shape)).to(dtype), torch.randn(shape).to(dtype)
    with backend("eager"):
        expected = results(layer, x, cotangent)
    with backend("compiled"):
        found = results(twin, x, cotangent)
    assert found[0].dtype == dtype
    tolerance = max(8 * torch.finfo(dtype).eps, 1e-4)
    assert_close(found, expected, rtol=tolerance, atol=tolerance)


def batch_maps(**options: Any) -> tuple[Any, Tensor, Tensor]:
    """Return a layer, an input that learns, and a cotangent, like those of the case: what is compiled is shared."""
    layer = randomized(layers.BatchNorm2d(2, **options).double())
    return layer, torch.randn(3, 2, 3, 4).double().requires_grad_(), torch.randn(3, 2, 3, 4).double()


WANTED = [
    (wanted, training, affine)
    for wanted, affine in (("input", True), ("weight", True), ("bias", True), ("input", False))
    for training in (True, False)
]


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("name", "wanted", "training", "affine"),
    [
        *(("eager", *each) for each in WANTED),
        ("compiled", "weight", True, True),
        ("compiled", "bias", False, True),
    ],
)
def test_gradients_wanted_alone(name: Backend, wanted: str, training: bool, affine: bool) -> None:
    """Only the gradient that is wanted is computed, and it is what it is among all."""
    layer, x, cotangent = batch_maps(affine=affine)
    layer.train(training)
    with backend("eager"):
        layer(x).backward(cotangent)
    sources = {"input": x, "weight": layer.weight, "bias": layer.bias}
    expected = sources[wanted].grad
    for source, tensor in sources.items():
        if tensor is not None:
            tensor.requires_grad_(source == wanted)
            tensor.grad = None
    with backend(name):
        layer(x).backward(cotangent)
    assert_close(sources[wanted].grad, expected, rtol=1e-9, atol=1e-9)
    assert all(t is None or t.grad is None for source, t in sources.items() if source != wanted)


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("training", "spelling"), [(True, "is_grads_batched"), (False, "torch.func.vmap")], ids=["train", "eval"]
)
@on_each_backend(NORMS)
def test_batched_gradients(case: Case, training: bool, spelling: str, name: Backend) -> None:
    """Many backward passes of one forward pass can be taken at once, as for a Jacobian."""
    layer: Any = randomized(case.ours(torch.float64)).train(training)
    x = case.input().requires_grad_()
    sources = [x, *layer.parameters()]
    cotangents = torch.randn(3, *case.shape, dtype=torch.float64)
    with backend(name):
        y = layer(x)
        expected = [torch.autograd.grad(y, sources, cotangent, retain_graph=True) for cotangent in cotangents]
        if spelling == "is_grads_batched":
            found = torch.autograd.grad(y, sources, cotangents, is_grads_batched=True)
        else:
            found = torch.func.vmap(lambda v: torch.autograd.grad(y, sources, v, retain_graph=True))(cotangents)
    assert_close(list(found), [torch.stack(each) for each in zip(*expected, strict=True)], rtol=1e-9, atol=1e-9)


def without_weight() -> tuple[Any, Tensor, Tensor]:
    """Return a layer with a bias alone, an input that learns, and a cotangent, which the next test compiles first."""
    layer = randomized(layers.LayerNorm((3, 4)).double())
    layer.weight = None
    return layer, torch.randn(5, 3, 4).double().requires_grad_(), torch.randn(5, 3, 4).double()


@pytest.mark.slow
def test_threads_share_what_is_compiled() -> None:
    """Several threads that call the same kind of layer at once get right results."""
    layer, x, cotangent = without_weight()
    with backend("eager"):
        expected = results(layer, x, cotangent)[:2]
    found: list[Any] = []

    def run() -> None:
        with backend("compiled"):
            for _ in range(20):
                leaf = x.detach().clone().requires_grad_()
                y = layer(leaf)
                found.append((y.detach(), torch.autograd.grad(y, leaf, cotangent)[0]))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    for y, gradient in found:
        assert_close([y, gradient], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_bias_without_weight(training: bool, name: Backend) -> None:
    """A layer whose weight was taken away still learns its bias."""
    layer, x, cotangent = without_weight()
    with backend(name):
        layer.train(training)(x).backward(cotangent)
    assert_close(layer.bias.grad, cotangent.sum(0))
    expected = torch.autograd.grad(torch.nn.functional.layer_norm(x, (3, 4)), x, cotangent)[0]
    assert_close(x.grad, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("hook", ["layout", "half", "half weight", "negated"])
def test_whatever_hooks_make_of_what_is_saved(hook: str, name: Backend) -> None:
    """A saved tensor may come back in another layout or type, and gradients lazily negated; no kernel misreads them."""
    layer, x, cotangent = batch_maps()
    expected = torch.autograd.grad(layer(x), x, cotangent)[0]
    hooks: dict[str, Callable[[Tensor], Tensor]] = {
        "layout": lambda tensor: tensor.contiguous(memory_format=torch.channels_last),
        "half": Tensor.half,
        "half weight": Tensor.half,
    }
    shape = layer.weight.shape if hook == "half weight" else x.shape

    def unpack(tensor: Tensor) -> Tensor:
        return hooks[hook](tensor) if hook in hooks and tensor.shape == shape else tensor

    with backend(name):
        torch.autograd.grad(layer(x), x, cotangent)  # for which another kernel may be compiled
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, unpack):
            y = layer(x)
        gradient = torch.complex(cotangent, -cotangent).conj().imag if hook == "negated" else cotangent
        assert gradient.is_neg() == (hook == "negated")
        assert_close(torch.autograd.grad(y, x, gradient)[0], expected, rtol=1e-2, atol=1e-2)


def of_another_layout() -> Tensor:
    """Return two gradients for ``batch_maps``, as parts of complex numbers: transposed, expanded, and far apart."""
    parts = torch.randn(4, 3, 1, 3).double()
    return torch.complex(parts, -parts).permute(3, 2, 1, 0).expand(3, 2, 3, 4)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", BACKENDS)
def test_a_lazily_negated_gradient_after_a_plain_one(name: Backend) -> None:
    """Of the same strides: what was compiled for the plain one does not read it with the wrong sign."""
    layer, x, _ = batch_maps()
    parts = of_another_layout()
    with backend(name):
        plain = torch.autograd.grad(layer(x), x, parts.imag)[0]
        negated = parts.conj().imag
        assert negated.is_neg()
        assert_close(torch.autograd.grad(layer(x), x, negated)[0], -plain)


def test_parts_are_for_a_processor_with_a_cache() -> None:
    """Large inputs are normalized some samples at a time on a CPU, and all at once elsewhere."""
    spec = NormSpec(1, 2, 2, None, (1,), 1e-5, True, False, True, use_running_stats=False)
    assert eager._samples_at_a_time(spec, torch.empty(64, 2**16)) == 4
    assert eager._samples_at_a_time(spec, torch.empty(64, 2**16, device="meta")) == 0


@pytest.mark.slow_but_one
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["layer", "group", "instance", "rms"])
def test_parts_are_the_whole(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some samples at a time, also of unequal number, outputs and gradients are what they are all at once."""
    layer, shape = randomized(layers.make_norm(name, 8)), (7, 8, 5, 6)
    x, cotangent = (1 + torch.randn(shape)).to(dtype), torch.randn(shape).to(dtype)
    with backend("eager"):
        whole = results(layer, x, cotangent)
        monkeypatch.setattr(eager, "MIN_LARGE", 1)
        monkeypatch.setattr(eager, "PART", 2 * 8 * 5 * 6)
        assert eager._samples_at_a_time(NormSpec(1, 2, 2, None, (1,), 1e-5, True, False, True, False), x) == 2
        assert_close(results(layer, x, cotangent), whole, rtol=1e-5, atol=1e-5)


@on_each_backend(NORMS)
def test_inference_mode_first(case: Case, name: Backend) -> None:
    """A layer that was first called in inference mode trains afterwards."""
    layer = randomized(case.ours(torch.float64)).eval()
    x, cotangent = case.input(), torch.randn(case.shape, dtype=torch.float64)
    with backend(name):
        with torch.inference_mode():
            y = layer(x)
        leaf = x.clone().requires_grad_()
        assert_close(layer(leaf), y.clone())
        layer.train()(leaf).backward(cotangent)
    assert leaf.grad is not None


@pytest.mark.slow
def test_gradients_of_other_layouts() -> None:
    """Of one kind of call: a plain one, one that is expanded and transposed, and each a second time."""
    layer, x, cotangent = batch_maps()
    for gradient in (cotangent, of_another_layout().imag):
        found = []
        for name in BACKENDS:
            leaf = x.detach().requires_grad_()
            with backend(name):
                y = layer(leaf)
                y.backward(gradient, retain_graph=True)
                y.backward(gradient)
            found.append(leaf.grad)
        assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_inputs_of_other_layouts() -> None:
    """Of the same sizes: what was compiled for one layout is not called for another."""
    layer, x, _ = batch_maps()
    expected = layer(x)
    with backend("compiled"), torch.no_grad():
        for layout in (torch.contiguous_format, torch.channels_last, torch.contiguous_format):
            assert_close(layer(x.contiguous(memory_format=layout)), expected)


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that torch carries out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return operation(*args, **(kwargs or {}))


@pytest.mark.slow
def test_who_looks_at_operations_sees_those_of_a_gradient_too() -> None:
    """Also of one for which a compiled function was called before, whose operations could not be seen."""
    layer, x, cotangent = batch_maps()
    with backend("compiled"):
        expected, y = torch.autograd.grad(layer(x), x, cotangent)[0], layer(x)
    with Operations() as seen:
        (found,) = torch.autograd.grad(y, x, cotangent)
    assert_close(found, expected)
    assert seen.count > 3


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", ["eager", "compiled"])
def test_training_between_an_evaluation_and_its_gradient(name: Backend) -> None:
    """The gradient is that of the running statistics that were used; torch.nn's takes those that are there by then."""
    layer, x, cotangent = batch_maps()
    sources = [x, *layer.parameters()]
    with backend(name):
        expected = torch.autograd.grad(layer.eval()(x), sources, cotangent)
        y = layer(x)
        layer.train()(x)
        assert_close(torch.autograd.grad(y, sources, cotangent), expected)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("name", ["eager", "compiled"])
def test_autograd_is_told_of_statistics_that_change(name: Backend, momentum: float | None) -> None:
    """What needs them as they were is refused, rather than given others."""
    layer, x, _ = batch_maps(momentum=momentum)
    factor = torch.ones(2, dtype=torch.float64, requires_grad=True)
    with backend(name):
        for gradient in (False, True):
            y = layer.get_buffer("running_mean") * factor
            layer(x.detach().requires_grad_(gradient))
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                y.sum().backward()


@pytest.mark.slow
def test_a_momentum_of_ones_own() -> None:
    """A schedule of momenta needs no compilation of its own for each, and does what it does eagerly."""
    layer, *_ = batch_maps()
    twin = copy.deepcopy(layer)
    for step in range(5):
        layer.momentum = twin.momentum = 1 / (2 + step)
        x = torch.randn(3, 2, 3, 4).double()
        with backend("eager"):
            layer(x)
        before = autotune._accounts.compilations
        with backend("compiled"):
            twin(x)
        assert step == 0 or autotune._accounts.compilations == before
        assert_close(twin.state_dict(), layer.state_dict(), rtol=1e-12, atol=1e-12)
    layer.momentum = twin.momentum = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(2):
        layer.momentum.mul_(0.5)  # a tensor is read in each call
        with backend("eager"):
            layer(x)
        with backend("compiled"):
            twin(x)
        assert_close(twin.state_dict(), layer.state_dict(), rtol=1e-12, atol=1e-12)
