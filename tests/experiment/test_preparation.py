"""What does a worker find out before anything is trained?"""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from normzoo.errors import ComponentError, ConfigError, DeviceError, UsageError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.worker.prepare import norm_source, prepare, resolve_device

CPU = Execution(device="cpu")
OWN = "from torch import nn\nclass Mine(nn.Identity): pass\ndef make(channels): return Mine()\nNUMBER = 3\n"


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user's own that can be imported."""
    path = tmp_path / "own_norm_to_prepare.py"
    path.write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return path


def test_the_facts_are_those_of_the_dataset() -> None:
    """Sizes of the splits, shape, classes and checksum; the worker keeps the data itself."""
    prepared, dataset = prepare(MatrixSpec(norms=("none",)), CPU)
    facts = prepared.dataset
    assert (facts.name, facts.shape, facts.classes) == ("digits", (1, 8, 8), 10)
    assert (facts.train, facts.validation, facts.test) == (1078, 359, 360)
    assert facts.checksum == dataset.checksum
    assert prepared.device == "cpu"
    assert prepared.environment["torch"] == torch.__version__.partition("+")[0]


def test_the_source_of_ones_own_norm_is_a_checksum_of_its_file(own_module: Path) -> None:
    """A change anywhere in the file changes it, for a class and for a function alike."""
    before = norm_source("own_norm_to_prepare:Mine")
    assert before is not None
    assert norm_source("own_norm_to_prepare:make") == before
    assert norm_source("own_norm_to_prepare:Mine:gain=2") == before
    own_module.write_text(OWN + "# changed\n")
    assert norm_source("own_norm_to_prepare:Mine") != before


def test_registered_norms_have_no_source(own_module: Path) -> None:
    """Their versions are the protocol's to tell; what is no class or function has none either."""
    assert own_module.exists()
    assert norm_source("batch") is None
    assert norm_source("own_norm_to_prepare:NUMBER") is None


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"batch_sizes": (1, 1079)}, ConfigError, "batch_sizes: 1079 is larger than .* use at most 1078"),
        ({"norms": ("none", "group:groups=7")}, ComponentError, "norms: in the cnn, .* groups must divide channels"),
        ({"norms": ("batch:gain=2",)}, ComponentError, r"unexpected keyword argument 'gain' \(it takes: .*eps"),
        ({"norms": ("no_such_module:Norm",)}, ComponentError, "cannot import 'no_such_module'"),
        ({"norms": ("own_norm_to_prepare:Your",)}, UsageError, "'Your'; did you mean|unknown name in module"),
        ({"norms": ("own_norm_to_prepare:NUMBER",)}, ComponentError, "is no class or function"),
        ({"widths": (4, 4, 4, 4)}, ConfigError, "the cnn with norm .* Cnn: .* use fewer widths"),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_refused_before_anything_is_trained(
    settings: dict[str, Any], kind: type[Exception], message: str, own_module: Path
) -> None:
    """Every norm in every template, not only the first."""
    assert own_module.exists()
    with pytest.raises(kind, match=message):
        prepare(MatrixSpec(**settings), CPU)


def test_a_matrix_at_the_limit_is_accepted() -> None:
    """All training samples in one batch."""
    assert prepare(MatrixSpec(norms=("none",), batch_sizes=(1078,)), CPU)[0].dataset.train == 1078


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` takes a GPU if there is one; ``cuda`` is refused without; ``cpu`` is always the processor."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [resolve_device(name) for name in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [resolve_device(name) for name in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(DeviceError, match="torch finds no CUDA device; use --device cpu or auto"):
        resolve_device("cuda")
