"""Does `normzoo doctor` look at everything, and say what is wrong?"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from normzoo.cli import _probe, doctor
from normzoo.cli._checks import (
    PACKAGES,
)
from normzoo.cli.doctor import Probed, examine, probe, to_json

from .in_process import call, cells, fill
from .materials import file_in, script
from .synthetic import run_record, run_spec

MODULES = {
    "fine": "",
    "noisy": "print('{}'); print('[1]'); print('hello')",
    "broken": "raise RuntimeError('no\\nkernel')",
    "dies": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "leaves": "import os; os._exit(3)",
    "hangs": "import time; time.sleep(600)",
}
TORCH_WITH_GPUS = """
class cuda:
    is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 2)
    get_device_name = staticmethod(lambda index: f"GPU {index}")
"""


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules that break in every way, and a torch that sees two GPUs."""
    for name, text in {**MODULES, "torch": TORCH_WITH_GPUS}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("fakes")
def test_modules_that_import_are_no_failures() -> None:
    """Whatever they print; torch is asked for its devices."""
    assert probe(["noisy", "torch", "fine"]) == Probed({}, ["GPU 0", "GPU 1"])


@pytest.mark.usefixtures("fakes")
def test_a_module_that_raises_does_not_hide_the_next() -> None:
    """The message is in one line."""
    assert probe(["broken", "torch"]) == Probed({"broken": "RuntimeError: no kernel"}, ["GPU 0", "GPU 1"])


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(
    ("module", "failure"), [("dies", "Python is killed by SIGKILL"), ("leaves", "Python ends with exit code 3")]
)
def test_a_module_that_ends_python_is_named(module: str, failure: str) -> None:
    """Those after it are not blamed."""
    assert probe(["fine", module, "torch"]) == Probed({module: failure}, None)


@pytest.mark.slow
@pytest.mark.usefixtures("fakes")
def test_a_module_that_hangs_is_named() -> None:
    """After a while."""
    assert probe(["torch", "hangs"], seconds=2) == Probed({"hangs": "takes more than 2 s"}, ["GPU 0", "GPU 1"])


def test_without_torch_what_is_built_on_it_is_not_blamed(fakes: Path) -> None:
    """The one failure is torch's."""
    (fakes / "torch.py").write_text("raise ImportError('libcudart.so.13')", encoding="utf-8")
    assert probe(["fine", "torch", "broken"]) == Probed({"torch": "ImportError: libcudart.so.13"}, None)


@pytest.mark.slow
def test_the_real_packages_import() -> None:
    """Those that these tests themselves need."""
    assert probe(["numpy", "torch"]).failures == {}


def test_another_accelerator_is_named_by_its_kind() -> None:
    """Where torch has such, and one is there."""
    none = SimpleNamespace(is_available=lambda: False)
    mps = SimpleNamespace(
        is_available=lambda: True, current_accelerator=lambda: SimpleNamespace(type="mps"), device_count=lambda: 1
    )
    assert _probe.devices(SimpleNamespace(cuda=none, accelerator=mps)) == ["mps"]
    assert _probe.devices(SimpleNamespace(cuda=none, accelerator=none)) == []
    assert _probe.devices(SimpleNamespace(cuda=none)) == []


def returning(answer: object) -> Callable[..., object]:
    return lambda *_: answer


@pytest.fixture
def healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing is wrong, whatever is on this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NORMZOO_BACKEND", raising=False)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setenv("CXX", script(tmp_path, "g++", "echo g++ 13.2"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(doctor, "_metadata", returning(([*PACKAGES, "rich"], ">=3.11")))
    monkeypatch.setattr(doctor, "machine_has_gpus", returning(False))
    monkeypatch.setattr(doctor, "probe", returning(Probed({}, [])))
    return tmp_path


def test_where_nothing_is_wrong_the_doctor_says_so(capsys: pytest.CaptureFixture[str], healthy: Path) -> None:
    """One line for each thing; exit code 0; no store is made."""
    outcome = call(capsys, "doctor")
    assert (outcome.code, outcome.stderr) == (0, "")
    lines = cells(outcome.stdout)
    assert lines[-1] == ["Nothing is wrong."]
    shown = {line[1]: line[2] for line in lines[1:-1]}
    assert {line[0] for line in lines[1:-1]} == {"ok"}
    assert [*shown] == [
        *("normzoo", "python", *PACKAGES, "others", "cpu", "gpus"),
        *("C++ compiler", "backend", "compile cache", "store", "datasets"),
    ]
    assert shown["C++ compiler"] == "g++ 13.2"
    assert shown["store"] == "normzoo.sqlite: none yet"
    assert {path.name for path in healthy.iterdir()} == {"g++"}


@pytest.mark.usefixtures("healthy")
def test_it_fits_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """Of 80 columns and 25 lines."""
    lines = call(capsys, "doctor", columns=80).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 25


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What is changed of the healthy folder: environment variables, what the doctor asks, and a file."""

    what: str
    variables: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""

    def make(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        for name, value in self.variables.items():
            patch.setenv(name, value)
        for name, answer in self.answers.items():
            patch.setattr(doctor, name, returning(answer))
        if self.file:
            file_in(folder, self.file, "a text, and no store " * 20)


TROUBLES = {
    "a backend that there is not": Trouble(what="backend", variables={"NORMZOO_BACKEND": "fast"}),
    "no compiler": Trouble(what="C++ compiler", variables={"CXX": "no-such-compiler"}),
    "no store": Trouble(what="store", file="normzoo.sqlite"),
    "a cache in a file": Trouble(what="compile cache", variables={"TORCHINDUCTOR_CACHE_DIR": "g++/compiled"}),
    "torch out of bounds": Trouble(what="torch", answers={"_metadata": (["torch<2"], ">=3.11")}),
    "torch that does not import": Trouble(what="torch", answers={"probe": Probed({"torch": "ImportError: x"}, None)}),
    "python out of bounds": Trouble(what="python", answers={"_metadata": (["torch"], ">=4")}),
    "normzoo not installed": Trouble(what="normzoo", answers={"_metadata": (None, "")}),
    "a GPU that torch does not see": Trouble(what="gpus", answers={"machine_has_gpus": True}),
    "half a dataset": Trouble(what="datasets", file="data/cifar-10-batches-py/test_batch"),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", TROUBLES)
def test_what_is_wrong_is_marked_told_and_exit_code_1(
    name: str, capsys: pytest.CaptureFixture[str], healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That alone; and a way out, in the table's output as in JSON."""
    trouble = TROUBLES[name]
    trouble.make(healthy, monkeypatch)
    outcome = call(capsys, "doctor")
    assert (outcome.code, outcome.stderr) == (1, "")
    lines = cells(outcome.stdout)
    assert [line[1] for line in lines if line[0] == "wrong"] == [trouble.what]
    assert lines[-2] == ["1 thing is wrong:"]
    outcome = call(capsys, "doctor", "--json")
    assert (outcome.code, outcome.stderr) == (1, "")
    said = json.loads(outcome.stdout)
    (wrong,) = [check for check in said["checks"] if check["problem"]]
    assert (said["ok"], wrong["name"]) == (False, trouble.what)
    way_out = f"{wrong['way_out'][0].upper()}{wrong['way_out'][1:]}."
    assert lines[-1] == ["-", f"{wrong['problem']}. {way_out}"]


@pytest.mark.usefixtures("healthy")
def test_json_says_what_the_table_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Name by name."""
    shown = [line[1:] for line in cells(call(capsys, "doctor").stdout)[1:-1]]
    outcome = call(capsys, "doctor", "--json")
    said = json.loads(outcome.stdout)
    assert (outcome.code, said["ok"]) == (0, True)
    assert [[check["name"], check["found"]] for check in said["checks"]] == shown


def test_the_store_and_the_data_can_be_elsewhere(healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the flags of `normzoo compare`."""
    fill(healthy / "s.sqlite", run_record(run_spec()))
    file_in(healthy, "elsewhere/cifar-10-python.tar.gz")
    outcome = call(capsys, "doctor", "--store", "s.sqlite", "--data-root", "elsewhere")
    shown = {line[1]: line[2] for line in cells(outcome.stdout)[1:-1]}
    assert shown["store"] == "s.sqlite: 1 run (1 ok), 1 comparison"
    assert shown["datasets"] == "in elsewhere: cifar10"
    assert outcome.code == 0


def test_a_hidden_gpu_is_not_missed(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA_VISIBLE_DEVICES says which of them torch is to see, and may say none."""
    monkeypatch.setattr(doctor, "machine_has_gpus", returning(True))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert json.loads(to_json(examine(healthy / "s.sqlite", healthy)))["ok"]
