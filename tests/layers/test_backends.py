"""Do the backends compute the same, and is one chosen as promised?"""

import copy
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from normzoo import layers
from normzoo.errors import UnknownNameError
from normzoo.layers import backend
from normzoo.layers._kernels import autotune, dispatch, eager, inductor
from normzoo.layers._kernels.spec import NormSpec
from normzoo.registry.backends import Backend, backend_of_process

from .cases import KINDS, NORMS, Case, on_each_backend
from .references import randomized

BACKENDS: list[Backend] = ["eager", "compiled"]


def results(layer: Any, x: Tensor, cotangent: Tensor) -> list[Any]:
    """Return the output, the gradients and the state that a step leaves."""
    layer.zero_grad()
    leaf = x.detach().requires_grad_()
    y = layer(leaf)
    y.backward(cotangent)
    return [y.detach(), leaf.grad, [p.grad for p in layer.parameters()], copy.deepcopy(layer.state_dict())]


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", KINDS, ids=lambda case: case.id)
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


VECTORS, SEQUENCES, MAPS = (64, 16), (8, 16, 9), (4, 16, 20, 21)
IN_EACH_TYPE: list[tuple[str, tuple[int, ...], torch.dtype]] = [
    ("batch", VECTORS, torch.float32),
    ("batch", MAPS, torch.float16),
    ("layer", SEQUENCES, torch.bfloat16),
    ("group", MAPS, torch.float32),
    ("group", SEQUENCES, torch.float16),
    ("rms", VECTORS, torch.bfloat16),
]
"""Each norm, each type and each shape, the types at two; not all of them with all."""


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
        ("compiled", "input", True, True),
        ("compiled", "weight", True, True),
        ("compiled", "bias", False, True),
        ("compiled", "input", False, False),
    ],
)
def test_gradients_wanted_alone(name: Backend, wanted: str, training: bool, affine: bool) -> None:
    """Only the gradient that is wanted is computed, and it is what it is among all."""
    layer: Any = randomized(layers.BatchNorm2d(3, affine=affine).double()).train(training)
    x, cotangent = torch.randn(4, 3, 5, 5).double().requires_grad_(), torch.randn(4, 3, 5, 5).double()
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


@pytest.mark.parametrize("spelling", ["is_grads_batched", "torch.func.vmap"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
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


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_bias_without_weight(training: bool, name: Backend) -> None:
    """A layer whose weight was taken away still learns its bias."""
    layer: Any = layers.LayerNorm((3, 4)).double().train(training)
    layer.weight = None
    x, cotangent = torch.randn(5, 3, 4).double().requires_grad_(), torch.randn(5, 3, 4).double()
    with backend(name):
        layer(x).backward(cotangent)
    assert_close(layer.bias.grad, cotangent.sum(0))
    expected = torch.autograd.grad(torch.nn.functional.layer_norm(x, (3, 4)), x, cotangent)[0]
    assert_close(x.grad, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("hook", ["contiguous", "half", "negated"])
def test_whatever_hooks_make_of_what_is_saved(hook: str, name: Backend) -> None:
    """Saved tensors may come back in another layout or type, and gradients lazily negated; no kernel misreads them."""
    layer = randomized(layers.BatchNorm2d(3))
    x = torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    cotangent = torch.randn(4, 3, 5, 5)
    expected = torch.autograd.grad(layer(x), x, cotangent)[0]
    hooks: dict[str, Any] = {"contiguous": lambda t: t.contiguous(), "half": lambda t: t.half() if t.ndim == 4 else t}
    with backend(name), torch.autograd.graph.saved_tensors_hooks(hooks.get(hook, lambda t: t), lambda t: t):
        for _ in range(2):
            y = layer(x)
            gradient = torch.complex(cotangent, -cotangent).conj().imag if hook == "negated" else cotangent
            assert gradient.is_neg() == (hook == "negated")
            assert_close(torch.autograd.grad(y, x, gradient)[0], expected, rtol=1e-2, atol=1e-2)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", BACKENDS)
def test_a_lazily_negated_gradient_after_a_plain_one(name: Backend) -> None:
    """Of the same strides: what was compiled for the plain one does not read it with the wrong sign."""
    layer = randomized(layers.BatchNorm2d(3))
    x, cotangent = torch.randn(4, 3, 5, 5, requires_grad=True), torch.randn(4, 3, 5, 5)
    parts = torch.complex(cotangent, -cotangent)
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
def test_threads_share_what_is_compiled() -> None:
    """Several threads that call the same kind of layer at once get right results."""
    layer = randomized(layers.GroupNorm(2, 6).double())
    x, cotangent = torch.randn(5, 6, 7).double(), torch.randn(5, 6, 7).double()
    with backend("eager"):
        expected = results(layer, x, cotangent)[:2]
    found: list[Any] = []

    def run() -> None:
        with backend("compiled"):
            for _ in range(20):
                leaf = x.clone().requires_grad_()
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


@pytest.mark.slow
def test_gradients_of_other_layouts() -> None:
    """A gradient that is expanded or transposed, and a second one of the same forward pass, are taken as they come."""
    layer = randomized(layers.GroupNorm(2, 4).double())
    x = torch.randn(3, 4, 5, 6, dtype=torch.float64)
    gradients = [
        torch.ones((), dtype=torch.float64).expand(x.shape),
        torch.randn(6, 5, 4, 3).double().permute(3, 2, 1, 0),
    ]
    for gradient in gradients:
        found = []
        for name in BACKENDS:
            leaf = x.clone().requires_grad_()
            with backend(name):
                y = layer(leaf)
                y.backward(gradient, retain_graph=True)
                y.backward(gradient)
            found.append(leaf.grad)
        assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", ["eager", "compiled"])
def test_training_between_an_evaluation_and_its_gradient(name: Backend) -> None:
    """The gradient is that of the running statistics that were used; torch.nn's takes those that are there by then."""
    layer = randomized(layers.BatchNorm1d(3))
    x, cotangent = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3)
    sources = [x, *layer.parameters()]
    with backend(name):
        expected = torch.autograd.grad(layer.eval()(x), sources, cotangent)
        y = layer(x)
        layer.train()(x)
        assert_close(torch.autograd.grad(y, sources, cotangent), expected)


@pytest.mark.slow
def test_a_momentum_of_ones_own() -> None:
    """A schedule of momenta needs no compilation of its own for each, and does what it does eagerly."""
    layer = layers.BatchNorm1d(3).double()
    twin = copy.deepcopy(layer)
    for step in range(5):
        layer.momentum = twin.momentum = 1 / (2 + step)
        x = torch.randn(7, 3).double()
        with backend("eager"):
            layer(x)
        before = autotune._accounts.compilations
        with backend("compiled"):
            twin(x)
        assert step == 0 or autotune._accounts.compilations == before
        assert_close(twin.state_dict(), layer.state_dict(), rtol=1e-12, atol=1e-12)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> autotune._Accounts:
    """Forget what was compiled, and compile as soon as something was called at all."""
    accounts = autotune._Accounts()
    monkeypatch.setattr(autotune, "_accounts", accounts)
    monkeypatch.setattr(dispatch, "_kernels", {})
    monkeypatch.setattr(autotune, "STARTUP_SECONDS", 0.0)
    monkeypatch.setattr(autotune, "COMPILATION_SECONDS", 1e-9)
    return accounts


def count_compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Have functions "compiled" into themselves, and return the list that they are noted in."""
    compiled: list[Any] = []

    def compile_function(function: Any, _example: Any) -> Any:
        compiled.append(function)
        return function

    monkeypatch.setattr(dispatch, "compile_function", compile_function)
    return compiled


def steps(layer: Any, count: int, shape: tuple[int, ...] = (4, 6)) -> None:
    for _ in range(count):
        layer(torch.randn(shape, requires_grad=True)).sum().backward()


def test_auto_compiles_what_repays(fresh: autotune._Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of call is compiled, forward and backward, once it has taken as long as compiling it would."""
    compiled = count_compilations(monkeypatch)
    with backend("auto"):
        steps(layers.LayerNorm(6), 1)
        assert compiled == []
        steps(layers.LayerNorm(6), 1)
        assert len(compiled) == 2
        steps(layers.LayerNorm(6), 50)
        assert len(compiled) == 2
        fresh.compilation_seconds = 1e6
        steps(layers.RMSNorm(6), 50)
        assert len(compiled) == 2


def test_auto_waits_for_what_the_compiler_costs_to_load(
    fresh: autotune._Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first compilation, all norms together must have taken as long as that would."""
    compiled = count_compilations(monkeypatch)
    monkeypatch.setattr(autotune, "STARTUP_SECONDS", 1e6)
    with backend("auto"):
        steps(layers.LayerNorm(6), 50)
        assert compiled == []
        fresh.eager_seconds = 1e7
        steps(layers.LayerNorm(6), 1)
    assert len(compiled) == 2


@pytest.mark.usefixtures("fresh")
def test_auto_goes_back_to_what_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiled function that is slower than the eager one is dropped after some calls; `compiled` still takes it."""
    calls, now = [], [0.0]

    def compile_function(function: Any, _example: Any) -> Any:
        def slow(*arguments: Any) -> Any:
            calls.append(function)
            now[0] += 1.0
            return function(*arguments)

        return slow

    def clock() -> float:
        now[0] += 1e-3
        return now[0]

    monkeypatch.setattr(dispatch, "compile_function", compile_function)
    monkeypatch.setattr(autotune, "time", SimpleNamespace(perf_counter=clock))
    layer = layers.LayerNorm(6)
    with backend("auto"), torch.no_grad():
        for _ in range(3 * autotune.TRIALS):
            layer(torch.randn(4, 6))
        assert len(calls) == autotune.TRIALS
    with backend("compiled"), torch.no_grad():
        layer(torch.randn(4, 6))
        assert len(calls) == autotune.TRIALS + 1


@pytest.mark.usefixtures("fresh")
def test_auto_stays_put_where_results_must_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where deterministic algorithms are asked for, auto does not change over in the middle of a training."""
    compiled = count_compilations(monkeypatch)
    torch.use_deterministic_algorithms(True)
    try:
        with backend("auto"):
            steps(layers.LayerNorm(6), 20)
    finally:
        torch.use_deterministic_algorithms(False)
    assert compiled == []


@pytest.mark.usefixtures("fresh")
def test_ever_new_shapes_are_not_kept_account_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a limit to the kinds of calls that are remembered; the rest runs eagerly."""
    monkeypatch.setattr(dispatch, "MAX_KINDS", 5)
    count_compilations(monkeypatch)
    with backend("auto"), torch.no_grad():
        for length in range(2, 40):
            layers.InstanceNorm1d(3)(torch.randn(2, 3, length))
    assert len(dispatch._kernels) == 5


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", ["auto", "compiled"])
def test_without_a_compiler_it_is_eager_after_one_warning(name: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where compiling fails, everything runs eagerly, right, and with a single warning that says why."""

    def compile_function(_function: Any, _example: Any) -> Any:
        raise RuntimeError("no compiler\nand a long story")

    monkeypatch.setattr(dispatch, "compile_function", compile_function)
    layer = layers.LayerNorm(6)
    with backend(name), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for width in (6, 6, 6, 12):
            steps(layers.LayerNorm(width), 3, (4, width))
        assert autotune._accounts.in_vain
        y = layer(torch.ones(2, 6).cumsum(1))
    assert [str(each.message) for each in caught] == ["norms cannot be compiled here and run eagerly: no compiler"]
    assert_close(y.mean(1), torch.zeros(2), rtol=0, atol=1e-6)


@pytest.mark.usefixtures("fresh")
def test_unusual_tensors_are_left_to_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sliced inputs, parameters elsewhere in memory and tensor subclasses are not compiled for."""

    class Tagged(Tensor):
        pass

    compiled = count_compilations(monkeypatch)
    layer = layers.LayerNorm(6)
    with backend("compiled"):
        assert type(layer(torch.randn(4, 6).as_subclass(Tagged))) is Tagged
        layer(torch.randn(4, 12)[:, ::2])
        layer.weight = torch.nn.Parameter(torch.ones(12)[::2])
        layer(torch.randn(4, 6))
    assert compiled == []


def test_backend_is_the_calls_own() -> None:
    """The context holds within and is undone after, also after an error; a backward pass keeps the forward pass's."""
    before = dispatch._chosen.get()
    with backend("eager"):
        with backend("compiled"):
            assert dispatch._chosen.get() == "compiled"
        assert dispatch._chosen.get() == "eager"
        with pytest.raises(KeyError), backend("auto"):
            raise KeyError
        assert dispatch._chosen.get() == "eager"
    assert dispatch._chosen.get() == before
    layer = layers.LayerNorm(6)
    with backend("eager"):
        y = layer(torch.randn(4, 6))
    compilations = autotune._accounts.compilations
    with backend("compiled"):
        y.sum().backward()
    assert autotune._accounts.compilations == compilations


def test_threads_have_the_default_backend() -> None:
    """A thread started within a context runs on the default, and norms work in it."""
    seen = []

    def run() -> None:
        steps(layers.LayerNorm(6), 1)
        seen.append(dispatch._chosen.get())

    with backend("eager"):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert seen == [dispatch._DEFAULT]


def test_unknown_backend() -> None:
    """A wrong name is refused with those there are."""
    with pytest.raises(UnknownNameError) as refusal, backend("compile"):  # type: ignore[arg-type]
        pass
    message = "unknown backend 'compile'; did you mean 'compiled'? (known: eager, compiled, auto)"
    assert str(refusal.value) == message


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_environment_variable_sets_the_backend() -> None:
    """NORMZOO_BACKEND is the backend of a process."""
    code = "from normzoo.layers._kernels import dispatch; print(dispatch._chosen.get())"
    assert run_python(code, NORMZOO_BACKEND="eager").stdout == "eager\n"


def test_the_environment_variable_is_read_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is empty, a process has the default; a wrong one is refused at once."""
    monkeypatch.setenv("NORMZOO_BACKEND", "compiled")
    assert backend_of_process() == "compiled"
    monkeypatch.setenv("NORMZOO_BACKEND", "")
    assert backend_of_process() == "auto"
    monkeypatch.setenv("NORMZOO_BACKEND", "fast")
    with pytest.raises(UnknownNameError, match=r"unknown backend 'fast' \(known: eager, compiled, auto\)"):
        backend_of_process()


STEPS = """
import sys, torch
from normzoo.layers import LayerNorm
layer = LayerNorm(64)
for _ in range({count}):
    layer(torch.randn(8, 64, requires_grad=True)).sum().backward()
print(float(layer.weight.grad.abs().sum()) > 0, "torch._inductor" in sys.modules, "torch._dynamo" in sys.modules)
"""


@pytest.mark.slow
def test_a_short_program_never_loads_the_compiler() -> None:
    """A few hundred calls on the default backend neither compile anything nor load what would."""
    done = run_python(STEPS.format(count=300), NORMZOO_BACKEND="auto")
    assert (done.stdout, done.stderr) == ("True False False\n", "")


@pytest.mark.slow
def test_a_machine_without_a_compiler(tmp_path: Path) -> None:
    """Asked to compile where there is no C++ compiler, a norm works, and one warning says what is wrong."""
    done = run_python(
        STEPS.format(count=3), NORMZOO_BACKEND="compiled", CXX="no-such-compiler", TORCHINDUCTOR_CACHE_DIR=str(tmp_path)
    )
    assert done.stdout.startswith("True")
    assert done.returncode == 0
    assert done.stderr.count("norms cannot be compiled here and run eagerly") == 1


@pytest.mark.slow
def test_what_is_compiled_stays_on_disk(tmp_path: Path) -> None:
    """A second process takes what the first has compiled, and builds nothing anew."""
    found: list[dict[Path, int]] = []
    for _ in range(2):
        done = run_python(
            STEPS.format(count=2),
            NORMZOO_BACKEND="compiled",
            TORCHINDUCTOR_CACHE_DIR=str(tmp_path),
            TORCHINDUCTOR_VEC_ISA_OK="0",  # or what the processor can is tried out by compiling, for as long again
        )
        assert done.stdout == "True True True\n"
        found.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.so")})
    assert found[0]
    assert found[1] == found[0]


@pytest.mark.slow
def test_compiled_functions_take_numbers_and_nothing() -> None:
    """What the compiler's wrapper makes of numbers, of None, and of inputs that are changed."""

    def function(x: Tensor, nothing: None, total: Tensor, factor: Tensor) -> list[Tensor]:
        assert nothing is None
        total.add_(x.sum() * factor)
        return [x * factor]

    x, total = torch.randn(3), torch.zeros(())
    compiled = inductor.compile_function(function, (x, None, total, 2.0))
    version = total._version
    (y,) = compiled(x, None, total, 3.0)
    assert_close(y, 3 * x)
    assert_close(total, 3 * x.sum())
    assert total._version > version
