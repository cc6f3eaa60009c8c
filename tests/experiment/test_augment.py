"""Are training batches augmented, and nothing else, in a run that is known by its augmentation?"""

import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from normzoo.data import Dataset, Split
from normzoo.data.batches import OF_AUGMENTATION
from normzoo.errors import ComponentError, UsageError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import reproducing_command, resolve
from normzoo.experiment.config.spec import MatrixSpec, Strategy
from normzoo.experiment.planning.facts import timing_key
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.worker.prepare import prepare, try_augmentations
from normzoo.experiment.worker.time_steps import time_steps
from normzoo.experiment.worker.train import drawing_seed, training_blocks

from .conftest import TRAIN, TrainAll, tiny_spec
from .synthetic import FACTS, run_spec
from .test_stacked_parity import of_member, small_spec, trained

OURS = ("flip", "crop:1", "cutout:3")

OWN = """
import torch

def dim(images, factor: float = 0.5):
    return images * factor * torch.rand(())

def failing(images):
    return images @ 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the user's own."""
    path = tmp_path / "own_dimming.py"
    path.write_text(OWN, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "own_dimming", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return path


def test_augmentation_has_random_numbers_of_its_own() -> None:
    """Others than those of a run's weights and order, and of its dropout, which would go with flips and crops."""
    spec = run_spec(seed=3)
    seeds = [spec.seed, drawing_seed(spec), OF_AUGMENTATION + spec.seed]
    drawn = [torch.rand(3, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    assert not any(torch.equal(first, second) for first, second in itertools.combinations(drawn, 2))


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("augment", [OURS, (*OURS, "own_dimming:dim")], ids=["ours", "own"])
def test_both_strategies_train_on_the_same_images(digits: Dataset, augment: tuple[str, ...]) -> None:
    """Bit for bit; of two learning rates with one seed, too."""
    specs = [run_spec(seed=seed, lr=lr, augment=augment) for lr in (0.01, 0.1) for seed in (0, 1)]
    alone = [[inputs for inputs, _ in training_blocks([spec], digits)] for spec in specs]
    together = torch.cat([inputs for inputs, _ in training_blocks(specs, digits)])
    for member, blocks in enumerate(alone):
        assert torch.equal(together[:, :, [member]], torch.cat(blocks))
    assert torch.equal(together[:, :, 0], together[:, :, 2])
    assert not torch.equal(together[:, :, 0], together[:, :, 1])


@pytest.mark.slow
def test_a_run_of_a_stack_is_the_run_alone(digits: Dataset) -> None:
    """Its parameters after an epoch, as without augmentation; and they are others than without."""
    train = Split(digits.train.inputs[:160].double(), digits.train.targets[:160])
    exact = replace(digits, train=train)
    specs = [small_spec("cnn", "batch", seed=seed, lr=0.01, augment=OURS) for seed in (0, 1)]
    stacked, _ = trained(specs, exact, "stacked")
    for member, spec in enumerate(specs):
        alone, _ = trained([spec], exact, "sequential")
        assert_close(of_member(stacked, member), dict(alone), rtol=0, atol=1e-8)
    plain, _ = trained([specs[0].model_copy(update={"augment": ()})], exact, "sequential")
    alone, _ = trained([specs[0]], exact, "sequential")
    assert any((alone[name] - plain[name]).abs().max() > 1e-3 for name in plain)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of an augmentation had, of a module that can be imported by its name."""
    sizes: list[int] = []

    def watch(images: Tensor) -> Tensor:
        sizes.append(len(images))
        return images

    module = ModuleType("watching_augmentation")
    module.watch = watch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return sizes


@pytest.mark.slow_but_one
@pytest.mark.parametrize("strategy", ["stacked", "sequential"])
def test_nothing_but_training_batches_is_augmented(train_all: TrainAll, seen: list[int], strategy: Strategy) -> None:
    """Neither validation nor test, nor what statistics are recalibrated by: one call for each step and member."""
    specs = [
        tiny_spec(
            norm="batch",
            seed=seed,
            strategy=strategy,
            epochs=2,
            augment=("watching_augmentation:watch",),
            further_eval_stats=("recalibrated", "batch"),
        )
        for seed in (0, 1)
    ]
    records = train_all(specs)
    assert [set(record.eval_stats) for record in records] == [{"recalibrated", "batch"}] * 2
    steps = TRAIN // 64
    assert seen == [64] * (2 * 2 * steps)


def test_a_run_without_is_what_it_was() -> None:
    """The key of an earlier version, in which there was no augmentation; and its steps are not timed again."""
    assert run_spec(augment=()).key == "722423dd9c13a308"
    assert run_spec(augment=("flip",)).key != run_spec().key
    old = run_spec().model_dump(mode="json", exclude={"augment"})
    assert timing_key([run_spec().model_validate(old)], {}) == timing_key([run_spec()], {})
    assert timing_key([run_spec(augment=("flip",))], {}) != timing_key([run_spec()], {})


def keys(augment: str, sources: dict[str, dict[str, str]] | None = None) -> list[str]:
    return [run.key for run in expand(MatrixSpec(augment=augment), FACTS, sources=sources)]


def test_the_order_is_in_the_key_and_the_spelling_is_not() -> None:
    """A cutout that is shifted afterwards is another one."""
    assert keys("crop:4,cutout:8") != keys("cutout:8,crop:4")
    assert keys("flip , crop:4:padding=zeros") == keys("[flip, crop:4]")


@pytest.mark.slow
def test_the_file_of_ones_own_is_in_the_key(own: Path) -> None:
    """Of one or several, in their order; a change of it is another run."""
    matrix = MatrixSpec(augment="own_dimming:dim,flip,own_dimming:dim:factor=0.1", norms="none", templates="cnn")
    prepared, _ = prepare(matrix, Execution(device="cpu"))
    checksum = prepared.sources["augment"][",".join(matrix.augment)]
    assert len(checksum.split(",")) == 2
    (run, *_) = expand(matrix, FACTS, sources=prepared.sources)
    assert run.sources == {"augment": checksum}
    assert prepared.modules["own_dimming"] == str(own)
    ours = MatrixSpec(augment="flip", norms="none", templates="cnn")
    assert "augment" not in prepare(ours, Execution(device="cpu"))[0].sources


def test_it_is_asked_for_in_all_the_usual_ways() -> None:
    """As a flag, in a file, from the key of a stored run; the default is none, and is not written down."""
    for given in ("flip,crop:4", ["flip", "crop:4"], ("flip", "crop:4")):
        assert resolve([], [], {"augment": given}).matrix.augment == ("flip", "crop:4")
    assert resolve([], ["augment="], {}).matrix.augment == ()
    assert "--augment flip,crop:4" in reproducing_command(MatrixSpec(augment="flip,crop:4"))
    assert "augment" not in reproducing_command(MatrixSpec())


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("specs", "kind", "message"),
    [
        (("flip", "crop:8"), UsageError, "augment: crop:8 may leave nothing of images of 8x8; use at most crop:7"),
        (("own_dimming:failing",), ComponentError, "augment: own_dimming:failing fails on images of shape (1, 8, 8): "),
        (("own_dimming:failing",), ComponentError, "own_dimming.py:8)"),
        (("own_dimming:diming",), UsageError, "unknown name in module 'own_dimming': 'diming'; did you mean 'dim'?"),
    ],
)
def test_what_fails_is_refused_before_anything_is_trained(
    digits: Dataset, specs: tuple[str, ...], kind: type[UsageError], message: str
) -> None:
    """On a few images; one's own with its file and line."""
    with pytest.raises(kind) as caught:
        try_augmentations(specs, digits)
    assert message in str(caught.value)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Tensor], Tensor]:
    """An augmentation that takes as long as a clock says that only it moves."""
    now = [0.0]
    monkeypatch.setattr("normzoo.experiment.worker.time_steps.time.perf_counter", lambda: now[0])

    def wait(images: Tensor) -> Tensor:
        now[0] += 1.0
        return images

    module = ModuleType("waiting_augmentation")
    module.wait = wait  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return wait


@pytest.mark.slow_but_one
@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("strategy", ["stacked", "sequential"])
def test_the_time_of_a_step_includes_augmenting_it(digits: Dataset, strategy: Strategy) -> None:
    """Of all its members."""
    specs = [tiny_spec(seed=seed, strategy=strategy, augment=("waiting_augmentation:wait",)) for seed in (0, 1)]
    (_, timing) = time_steps([(specs, "key")] * 2, digits, "cpu")
    assert timing.seconds_per_step == pytest.approx(2.0)
