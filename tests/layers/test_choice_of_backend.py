"""Is a backend chosen as promised, and what it compiles kept?"""

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
from normzoo.layers._kernels import autotune, dispatch, inductor
from normzoo.registry.backends import Backend, backend_of_process


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


class OnGpu(Tensor):
    """A tensor that says it is on a GPU."""

    is_cuda = True


def test_nothing_is_compiled_while_a_gpu_records(fresh: autotune._Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler waits for the GPU, which a recording does not survive; the call is eager, the next one compiled."""
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    done: list[str] = []

    def noting(word: str) -> Any:
        def function(*_: Any) -> list[Tensor]:
            done.append(word)
            return []

        return function

    def compiling(_: Any) -> Any:
        done.append("compiling")
        return noting("compiled")

    variant = autotune.Variant(noting("eager"), compiling)
    argument = torch.ones(1).as_subclass(OnGpu)
    for patient in (True, False):
        variant([argument], patient)
    assert done == ["eager", "eager"]
    assert fresh.failures == 0
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    variant([argument], False)
    assert done[2:] == ["compiling", "compiled"]


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


def test_what_a_compilation_costs_is_measured_where_there_was_one() -> None:
    """Before, it is what is known of compilers, and what it takes to load one; then, what those so far took each."""
    accounts = autotune._Accounts()
    accounts.eager_seconds = autotune.STARTUP_SECONDS
    assert [accounts.repays(share * autotune.COMPILATION_SECONDS) for share in (0.9, 1)] == [False, True]
    accounts.eager_seconds = 0.9 * autotune.STARTUP_SECONDS
    assert not accounts.repays(autotune.COMPILATION_SECONDS)
    accounts.compilations, accounts.compilation_seconds = 4, 8.0
    assert [accounts.repays(seconds) for seconds in (1.9, 2.0)] == [False, True]


@pytest.mark.usefixtures("fresh")
def test_auto_stays_put_where_results_must_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where deterministic algorithms are asked for, auto does not change over in the middle of a training."""
    compiled = count_compilations(monkeypatch)
    torch.use_deterministic_algorithms(True)
    try:
        with backend("auto"):
            steps(layers.LayerNorm(6), 20)
            assert dispatch.backend_here() == "eager"
        with backend("compiled"):
            assert dispatch.backend_here() == "compiled"
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


def test_the_environment_variable_is_read_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is empty, a process has the default; a wrong one is refused at once."""
    monkeypatch.setenv("NORMZOO_BACKEND", "compiled")
    assert backend_of_process() == "compiled"
    monkeypatch.setenv("NORMZOO_BACKEND", "")
    assert backend_of_process() == "auto"
    monkeypatch.setenv("NORMZOO_BACKEND", "fast")
    with pytest.raises(UnknownNameError, match=r"unknown backend 'fast' \(known: eager, compiled, auto\)"):
        backend_of_process()


WIDTH = 67
"""Of a layer that is asked about nowhere else, so that nothing was compiled for it before."""


def in_a_process(count: int, short: int = 0, **environment: str) -> tuple[list[str], list[str]]:
    """Take steps in a process of its own, some of them on ``auto`` before, and return what each part says; stderr."""
    code = f"""
import sys, torch
from normzoo.layers import LayerNorm, backend
layer = LayerNorm({WIDTH})
def take_steps(count):
    for _ in range(count):
        layer(torch.randn(7, {WIDTH}, requires_grad=True)).sum().backward()
    print(float(layer.weight.grad.abs().sum()) > 0, "torch._inductor" in sys.modules, "torch._dynamo" in sys.modules)
    print("done", file=sys.stderr)
if {short}:
    with backend("auto"):
        take_steps({short})
take_steps({count})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    return done.stdout.splitlines(), done.stderr.split("done\n")[:-1]


@pytest.fixture(scope="module")
def without_a_compiler(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Return what a process says that has no C++ compiler, of a few hundred steps on ``auto`` and three compiled."""
    folder = tmp_path_factory.mktemp("compiled")
    environment = {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(folder)}
    return in_a_process(3, 300, NORMZOO_BACKEND="compiled", **environment)


@pytest.mark.slow
def test_a_short_program_never_loads_the_compiler(without_a_compiler: tuple[list[str], list[str]]) -> None:
    """Neither does importing the layers, nor do a few hundred calls on the default backend."""
    said, warned = without_a_compiler
    assert (said[0], warned[0]) == ("True False False", "")


@pytest.mark.slow
def test_a_machine_without_a_compiler(without_a_compiler: tuple[list[str], list[str]]) -> None:
    """Asked to compile where there is no C++ compiler, a norm works, and one warning says what is wrong."""
    said, warned = without_a_compiler
    assert said[1].startswith("True")
    assert warned[1].count("norms cannot be compiled here and run eagerly") == 1


@pytest.mark.usefixtures("fresh")
def test_a_function_is_compiled_for_its_kind_and_for_the_type_and_layout_of_its_arguments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And is called for no other."""
    monkeypatch.setattr(dispatch, "_variants", {})

    def carried_out(kind: str, x: Tensor) -> Any:
        def compiling(example: Any) -> Any:
            return lambda _: [(kind, example[0].dtype, example[0].stride())]

        return dispatch.carry_out("compiled", (kind,), lambda x: [x], compiling, (x,))[0]

    x = torch.randn(3, 3)
    for _ in range(2):
        assert carried_out("one", x) == ("one", torch.float32, (3, 1))
        assert carried_out("another", x) == ("another", torch.float32, (3, 1))
        assert carried_out("one", x.T) == ("one", torch.float32, (1, 3))
        assert carried_out("one", x.double()) == ("one", torch.float64, (3, 1))


@pytest.mark.slow
@pytest.mark.usefixtures("fresh")
def test_what_is_compiled_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process, whose backend the environment says, takes what this one has compiled, and builds nothing."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")  # or each tries in this folder what the processor can

    def built() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.so")}

    with backend("compiled"):
        steps(layers.LayerNorm(WIDTH), 2, (7, WIDTH))
    before = built()
    assert before
    said, warned = in_a_process(2, NORMZOO_BACKEND="compiled", TORCHINDUCTOR_VEC_ISA_OK="0")
    assert (said, built()) == (["True True True"], before)
    assert "norms cannot be compiled here" not in warned[0]


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
