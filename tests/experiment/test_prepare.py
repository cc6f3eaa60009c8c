"""What does a worker find out before anything is trained?"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from normzoo.errors import ComponentError, ConfigError, UsageError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.worker.networks import _check_causal
from normzoo.experiment.worker.prepare import prepare
from normzoo.registry import NORMS

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


@pytest.mark.slow
def test_the_facts_are_those_of_the_dataset() -> None:
    """Sizes of the splits, shape, outputs and checksum; the worker keeps the data itself."""
    prepared, dataset = prepare(MatrixSpec(norms=("none",)), CPU)
    facts = prepared.dataset
    assert (facts.name, facts.shape, facts.outputs) == ("digits", (1, 8, 8), 10)
    assert (facts.train, facts.validation, facts.test) == (1078, 359, 360)
    assert facts.checksum == dataset.checksum
    assert prepared.device == "cpu"
    assert prepared.environment["torch"] == torch.__version__.partition("+")[0]


@pytest.mark.slow
def test_where_the_norms_of_each_network_stand_is_found_out() -> None:
    """In the trial of each template with each norm, whatever the smallest batch size."""
    prepared, _ = prepare(MatrixSpec(norms=("batch", "none"), batch_sizes=(3, 8)), CPU)
    assert set(prepared.networks) == {(template, norm) for template in ("cnn", "lstm") for norm in ("batch", "none")}
    for (_, norm), network in prepared.networks.items():
        assert len(network.places) == 3
        assert {place.has_norm for place in network.places} == {norm == "batch"}
    dense = prepared.networks["cnn", "batch"].places[-1]
    assert (dense.where, dense.pooled(2), dense.pooled(32)) == ("after the dense layer", 2, 32)


def test_the_source_of_ones_own_norm_is_a_checksum_of_its_file(own_module: Path) -> None:
    """A change anywhere in the file changes it, for a class and for a function alike."""
    before = NORMS.source("own_norm_to_prepare:Mine")
    assert before is not None
    assert NORMS.source("own_norm_to_prepare:make") == before
    assert NORMS.source("own_norm_to_prepare:Mine:gain=2") == before
    own_module.write_text(OWN + "# changed\n")
    assert NORMS.source("own_norm_to_prepare:Mine") != before


def test_registered_norms_have_no_source(own_module: Path) -> None:
    """Their versions are the protocol's to tell; what is no class or function has none either."""
    assert own_module.exists()
    assert NORMS.source("batch") is None
    assert NORMS.source("own_norm_to_prepare:NUMBER") is None


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"batch_sizes": (1, 1079)}, ConfigError, "batch_sizes: 1079 is larger than .* use at most 1078"),
        ({"norms": ("none", "group:groups=7")}, ComponentError, "norms: in the cnn, .* groups must divide channels"),
        ({"norms": ("batch:gain=2",)}, ComponentError, r"it has no option 'gain'; .*\(it takes: eps"),
        ({"norms": ("no_such_module:Norm",)}, ComponentError, "cannot import 'no_such_module'"),
        ({"norms": ("own_norm_to_prepare:Your",)}, UsageError, "'Your'; did you mean|unknown name in module"),
        ({"norms": ("own_norm_to_prepare:NUMBER",)}, ComponentError, "is neither a class nor a function"),
        ({"templates": ("cnn:widths=4-4-4-4",), "norms": ("none",)}, UsageError, "the cnn.* Cnn: .* use fewer widths"),
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


@pytest.mark.slow
def test_a_matrix_at_the_limit_is_accepted() -> None:
    """All training samples in one batch."""
    assert prepare(MatrixSpec(norms=("none",), batch_sizes=(1078,)), CPU)[0].dataset.train == 1078


def test_a_batch_larger_than_what_the_hold_out_leaves_says_how_many_are_held_out(tmp_path: Path) -> None:
    """Of a hundred samples ninety are trained on, if the file has no validation split of its own."""
    path = tmp_path / "own.npz"
    x, y = np.random.default_rng(0).random((100, 8, 8)), np.arange(100) % 2
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    settings: dict[str, Any] = {"norms": ("none",), "templates": ("cnn",), "dataset": f"npz:{path}"}
    prepare(MatrixSpec(**settings, batch_sizes=(90,)), CPU)
    with pytest.raises(ConfigError) as caught:
        prepare(MatrixSpec(**settings, batch_sizes=(8, 100)), CPU)
    assert str(caught.value) == (
        f"batch_sizes: 100 is larger than the training set of 'npz:{path}' (90 of 100 samples, after 10 for "
        "validation); use at most 90"
    )


@pytest.mark.slow
@pytest.mark.parametrize("template", ["cnn", "lstm"])
def test_a_batch_of_one_is_refused_where_it_has_no_variance(template: str) -> None:
    """In the norm's own words; norms that pool over no other sample take it, and so does batch norm a batch of two."""
    small: dict[str, Any] = {"templates": (template,), "norms": ("batch",)}
    message = f"batch_sizes: the {template} with norm 'batch' cannot be trained at batch size 1: BatchNorm: a mean and"
    with pytest.raises(ComponentError, match=message):
        prepare(MatrixSpec(**small, batch_sizes=(1, 8)), CPU)
    prepare(MatrixSpec(**small, batch_sizes=(2, 8)), CPU)
    prepare(MatrixSpec(**{**small, "norms": ("layer", "instance", "none")}, batch_sizes=(1,)), CPU)


FAULTY = """
import torch
from torch import nn

class Failing(nn.Module):
    def __init__(self, channels): super().__init__()
    def forward(self, x):
        return x + torch.zeros(x.shape[1] + 1)

class Shortening(nn.Module):
    def __init__(self, channels): super().__init__()
    def forward(self, x): return x[:, 1:]

class Crowded(nn.Module):
    def __init__(self, channels): super().__init__()
    def forward(self, x):
        if self.training and len(x) < 4:
            raise RuntimeError("a crowd, please")
        return x

class Asserting(nn.Module):
    def __init__(self, channels): super().__init__()
    def forward(self, x):
        torch._assert(not self.training or len(x) >= 4, "")
        return x
"""


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (
            "Failing",
            r"norms: in the cnn, .*RuntimeError on maps of shape .*: The size of tensor a .*faulty_norms\.py:8\)",
        ),
        ("Shortening", r"norms: in the cnn, .*it must keep the shape of its input: given maps of shape .* it returned"),
        ("Crowded", r"cannot be trained at batch size 2: RuntimeError: a crowd, please \(.*faulty_norms\.py:18\)"),
        ("Asserting", r"cannot be trained at batch size 2: AssertionError \(.*faulty_norms\.py:24\)"),
    ],
)
def test_a_norm_that_does_not_work_is_refused_with_its_place(
    norm: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and the line at which it failed; before anything is trained."""
    (tmp_path / "faulty_norms.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "faulty_norms", raising=False)
    with pytest.raises(ComponentError, match=message):
        prepare(MatrixSpec(norms=(f"faulty_norms:{norm}",), templates=("cnn",), batch_sizes=(2,)), CPU)


OTHER_WEIGHTS = (
    "the {} with norm 'batch' starts from other weights when it is made again with the same seed; draw them from "
    "torch's random numbers, so that seeds can be paired and runs repeated"
)

PROBING = """
import numpy
import torch
from torch import nn
from normzoo.layers import BatchNorm


class Fitting(nn.Module):
    consists_of_parts = True

    def __init__(self, norm, outputs):
        super().__init__()
        self.norm, self.head = norm(1), nn.Linear(64, outputs)

    def forward(self, x):
        return self.head(self.norm(x).flatten(-3))


class Claiming(Fitting):
    def forward(self, x):
        return super().forward(x / x.abs().amax((1, 2, 3), keepdim=True))


class Dropping(nn.Sequential):
    def __init__(self, outputs):
        super().__init__(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(), nn.Linear(144, outputs))

    def forward(self, x):
        return nn.functional.relu(super().forward(x))


class Paired(Dropping):
    def forward(self, x):
        y = super().forward(x)
        return (y, y) if self.training else y


class Mistaken(nn.Sequential):
    def __init__(self, outputs, norm):
        super().__init__(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, outputs))
        self.extra = norm(8)

    def forward(self, x):
        return super().forward(self.extra(x))


class Idle(Fitting):
    def forward(self, x):
        return self.head(x.flatten(-3))


class Drawn(Fitting):
    def __init__(self, norm, outputs):
        super().__init__(norm, outputs)
        self.head.weight.data = torch.tensor(numpy.random.randn(outputs, 64)).float()


class Counted(Fitting):
    made = 0

    def __init__(self, norm, outputs):
        super().__init__(norm, outputs)
        Counted.made += 1
        self.further = nn.ModuleList(nn.Linear(1, 1) for _ in range(Counted.made))


class Named(Fitting):
    def forward(self, x):
        return {"logits": super().forward(x)}


class Twofold(nn.Sequential):
    def __init__(self, outputs):
        super().__init__(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, outputs))

    def forward(self, x, z):
        return super().forward(x + z)


class Along(Fitting):
    def __init__(self, norm, outputs):
        super().__init__(norm, outputs)
        self.taken = nn.Conv1d(1, 1, 1)

    def forward(self, x):
        return super().forward(self.taken(x))
"""


@pytest.fixture
def probing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "probing_networks.py").write_text(PROBING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "probing_networks", raising=False)


@pytest.mark.slow_but_one
@pytest.mark.usefixtures("probing")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Fitting", ""),
        ("Claiming", "its outputs are others than those of its members alone, so it does not consist of parts"),
        ("Dropping", "it draws random numbers, and is not stacked part by part (consists_of_parts)"),
    ],
)
def test_why_a_network_of_ones_own_is_not_stacked_is_found_out(name: str, reason: str) -> None:
    """What it says of itself is tried, too."""
    template = f"probing_networks:{name}"
    prepared, _ = prepare(MatrixSpec(norms=("batch",), templates=(template,), batch_sizes=(4,)), CPU)
    assert prepared.networks[template, "batch"].unstackable == reason


@pytest.mark.slow_but_one
@pytest.mark.usefixtures("probing")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Paired", r"cannot be trained at batch size 4: its output must be of shape \(4, 10\), got a tuple"),
        ("Mistaken", r"num_features=8.*\(.*probing_networks\.py:\d+\)"),
    ],
)
def test_a_network_of_ones_own_that_fails_is_refused_before_anything_is_trained(name: str, message: str) -> None:
    """In evaluation or in training alone; where a layer of ours refuses its input, the line that calls it is named."""
    matrix = MatrixSpec(norms=("batch",), templates=(f"probing_networks:{name}",), batch_sizes=(4,))
    with pytest.raises(UsageError, match=message):
        prepare(matrix, CPU)


@pytest.mark.parametrize("inputs", [torch.randn(4, 3, 6), torch.randint(5, (4, 6))], ids=["sequences", "tokens"])
def test_what_looks_at_later_steps_is_refused_where_outputs_are_of_every_step(inputs: torch.Tensor) -> None:
    """Sequences ``(N, C, T)`` and tokens ``(N, T)`` alike: their last dimension is time."""

    class Sums(nn.Module):
        def __init__(self, *, looks_ahead: bool) -> None:
            super().__init__()
            self.looks_ahead = looks_ahead

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            steps = x.float() if x.ndim == 2 else x.sum(1)
            sums = steps.sum(-1, keepdim=True).expand(steps.shape) if self.looks_ahead else steps.cumsum(-1)
            return sums.unsqueeze(-1)

    causal, other = Sums(looks_ahead=False), Sums(looks_ahead=True)
    _check_causal(causal, inputs, causal(inputs))
    with pytest.raises(ConfigError, match="its outputs at a step change with later steps, which it is to predict"):
        _check_causal(other, inputs, other(inputs))


@pytest.mark.slow_but_one
@pytest.mark.usefixtures("probing")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Named", r"the {} fails on inputs of shape (4, 1, 8, 8): its output must be of shape (4, 10), got a dict"),
        ("Idle", "the {} makes norms, and its forward pass calls none of them; call them"),
        ("Paired", "the {} cannot be trained at batch size 4: its output must be of shape (4, 10), got a tuple"),
        (
            "Twofold",
            "the {} cannot be built for images of shape (1, 8, 8): TypeError: Twofold.forward() missing 1 required "
            "positional argument: 'z'",
        ),
        ("Drawn", OTHER_WEIGHTS),
        ("Counted", OTHER_WEIGHTS),
    ],
)
def test_what_is_the_networks_fault_is_not_said_of_a_norm(name: str, message: str) -> None:
    """What fails without any norm, too; a norm that nobody calls; and weights that no seed repeats."""
    template = f"probing_networks:{name}"
    with pytest.raises(ConfigError) as refusal:
        prepare(MatrixSpec(norms=("batch", "none"), templates=(template,), batch_sizes=(4,)), CPU)
    assert str(refusal.value) == message.format(template)


@pytest.mark.slow
@pytest.mark.usefixtures("probing")
def test_where_a_network_takes_no_images_how_to_say_what_they_are_is_told(tmp_path: Path) -> None:
    """Of a file that does not say it; a failure of the network alone."""
    x, y = np.random.default_rng(0).random((40, 8, 8)), np.arange(40) % 2
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    settings: dict[str, Any] = {"norms": ("batch", "none"), "templates": ("probing_networks:Along",)}
    with pytest.raises(ConfigError, match=r"conv1d.* \(where they are no images, say kind=sequences or kind=volumes"):
        prepare(MatrixSpec(**settings, dataset=f"npz:{tmp_path / 'own.npz'}", batch_sizes=(4,)), CPU)
