"""Do the examples of the page on components of one's own do what it says, by the specs of its commands?"""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from normzoo.data import Augmentations, Dataset, load_dataset
from normzoo.layers import make_norm, norm_factory
from normzoo.registry import AUGMENTATIONS, DATASETS, NORMS, OPTIMIZERS, SCHEDULES, TASKS, TEMPLATES, Registry
from normzoo.tasks import make_task
from normzoo.templates import Cnn, Lstm, MemberModule, is_elementwise, make_network, make_schedule
from normzoo.templates._norm_slots import accepts, is_batch_independent

PAGE = (Path(__file__).parents[2] / "docs" / "components.md").read_text(encoding="utf-8")
FILES = {name: text for text, name in re.findall(r"```python\n(# (\w+)\.py\n.*?)```", PAGE, flags=re.DOTALL)}
COMMANDS = sorted(set(re.findall(r"normzoo compare [^`\n]+", PAGE)))
FLAGS: dict[str, Registry[Any]] = {
    "--norms": NORMS,
    "--templates": TEMPLATES,
    "--dataset": DATASETS,
    "--task": TASKS,
    "--augment": AUGMENTATIONS,
    "--optimizer": OPTIMIZERS,
    "--schedule": SCHEDULES,
}


def asked(command: str) -> Iterator[tuple[str, str]]:
    """Yield each spec of a command with its flag; a comma stands between specs where no option follows it."""
    words = shlex.split(command)[2:]
    for flag, value in zip(words[::2], words[1::2], strict=True):
        for spec in re.split(r",(?!\w+=)", value):
            yield flag, spec


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the page in a folder, which is where one works."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)


def step(network: torch.nn.Module, dataset: Dataset, task: str, members: int) -> list[float]:
    """Train one step and evaluate, side by side where there are several."""
    module = MemberModule(
        [network] * members, lrs=[0.05] * members, task=make_task(task), scale=dataset.scale, stacked=members > 1
    )
    inputs, targets = dataset.train.inputs[:8], dataset.train.targets[:8]
    block = [torch.stack([part] * members, 1).unsqueeze(0) for part in (inputs, targets)]
    module.on_train_epoch_start()
    module.training_step((block[0], block[1]), 0)
    module.on_validation_epoch_start()
    module.validation_step((dataset.test.inputs, dataset.test.targets), 0)
    module.on_validation_epoch_end()
    names = {"loss", *(metric.name for metric in module.task.metrics)}
    assert all(set(evaluation) == names for evaluation in module.evaluations[0])
    return [*module.train_losses, *module.evaluations[0][0].values()]


def test_the_page_has_a_file_of_every_kind() -> None:
    assert set(FILES) == {"my_norms", "my_net", "plain_net", "my_data", "my_augmentations", "my_task", "my_optim"}
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", COMMANDS)
def test_every_spec_of_a_command_loads(command: str) -> None:
    """With its options, which the files take."""
    for flag, spec in asked(command):
        if flag not in FLAGS:  # a number
            continue
        registry = FLAGS[flag]
        assert callable(registry.load(spec)[0])
        if registry.parse(spec).is_own:
            assert registry.source(spec)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("template", [Cnn, Lstm])
def test_the_norm_is_one(template: Any) -> None:
    """It takes what it says, keeps to itself what it says, and is left out of nothing."""
    layer: Any = make_norm("my_norms:MyNorm:eps=0.01", 8)
    assert layer.eps == 0.01
    assert all(accepts(layer, 8, kind) for kind in ("maps", "sequences", "vectors"))
    x = torch.randn(4, 8, 5, 5)
    assert is_batch_independent(layer)
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]))
    network = template(norm_factory("my_norms:MyNorm"), shape=(1, 8, 8), outputs=10)
    assert network.notes == ()
    assert torch.tensor(step(network, load_dataset("digits"), "classification", 1)).isfinite().all()


@pytest.mark.slow_but_one
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("norm", ["batch", "my_norms:MyNorm", "torch.nn:BatchNorm2d", "timm.layers:BatchNormAct2d"])
def test_the_template_is_one(norm: str, members: int) -> None:
    """With any norm, alone and side by side."""
    target, options = TEMPLATES.load("my_net:MyNet:depth=2,width=8")
    assert options == {"depth": 2, "width": 8}
    dataset = load_dataset("digits")
    network = target(norm_factory(norm), shape=dataset.shape, outputs=dataset.outputs, **options)
    assert network.notes == ()
    assert torch.tensor(step(network, dataset, "classification", members)).isfinite().all()


@pytest.mark.slow_but_one
@pytest.mark.parametrize("members", [1, 2])
def test_the_plain_network_has_its_norms_exchanged(members: int) -> None:
    dataset = load_dataset("digits")
    network = make_network(
        "plain_net:PlainNet:width=8", norm_factory("group"), shape=dataset.shape, outputs=dataset.outputs
    )
    assert network.notes == ("its own norms are exchanged: 1 BatchNorm2d",)
    assert type(network.get_submodule("1")).__name__ == "GroupNorm"
    assert torch.tensor(step(network, dataset, "classification", members)).isfinite().all()


def test_the_template_says_what_it_leaves_out() -> None:
    target, options = TEMPLATES.load("my_net:MyNet")
    with pytest.raises(ValueError, match="Given normalized_shape"):
        target(norm_factory("torch.nn:LayerNorm"), shape=(1, 8, 8), outputs=3, **options)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize(
    ("spec", "task", "outputs"),
    [("my_data:load:samples=40", "classification", 2), ("my_data:load_tags:samples=40", "my_task:MyTask", 2)],
)
def test_the_datasets_and_the_task_are_ones(spec: str, task: str, outputs: int, members: int) -> None:
    """What is read is learned and evaluated, the same each time it is read."""
    dataset = load_dataset(spec, task=make_task(task))
    assert (dataset.shape, dataset.outputs) == ((1, 8, 8), outputs)
    assert load_dataset(spec, task=make_task(task)).checksum == dataset.checksum
    network = Cnn(norm_factory("batch"), shape=dataset.shape, outputs=dataset.outputs, widths=(8,), hidden=8)
    assert torch.tensor(step(network, dataset, task, members)).isfinite().all()


@pytest.mark.parametrize("spec", ["my_augmentations:noise:strength=0.5", "my_augmentations:Contrast"])
def test_the_augmentations_are_ones(spec: str) -> None:
    """Each changes every image, those of two members differently, and the same way by the same numbers."""
    augmentations = Augmentations([spec])
    images = torch.randn(1, 4, 1, 1, 8, 8).expand(2, 4, 2, 1, 8, 8)
    random = augmentations.draw(16, torch.Generator().manual_seed(0)).view(2, 4, 2, -1)
    augmented = augmentations(images, random, random)
    assert not (augmented == images).flatten(3).all(-1).any()
    assert not torch.equal(augmented[:, :, 0], augmented[:, :, 1])
    assert torch.equal(augmentations(images, random, random), augmented)


@pytest.mark.slow
def test_the_task_is_learned() -> None:
    """Tags that show are found."""
    task = make_task("my_task:MyTask:smoothing=0.1")
    dataset = load_dataset("my_data:load_tags:samples=400", task=task)
    torch.manual_seed(0)
    network = Cnn(norm_factory("batch"), shape=dataset.shape, outputs=dataset.outputs, widths=(8,), hidden=16)
    module = MemberModule([network], lrs=[0.05], task=task, stacked=False)
    inputs, targets = (part[None, :, None].expand(30, -1, -1, *part.shape[1:]) for part in vars(dataset.train).values())
    module.on_train_epoch_start()
    module.training_step((inputs, targets), 0)
    module.eval()
    module.on_validation_epoch_start()
    module.validation_step((dataset.test.inputs, dataset.test.targets), 0)
    module.on_validation_epoch_end()
    assert module.evaluations[0][0]["tags"] > 0.9


def test_the_optimizer_updates_each_number_by_itself() -> None:
    """So that it trains seeds side by side, with a weight decay."""
    assert is_elementwise("my_optim:Lion:betas=0.9-0.95", torch.nn.Linear(3, 2), weight_decay=0.1)


def test_the_schedule_is_one() -> None:
    """It rises to its peak and falls."""
    schedule = make_schedule("my_optim:triangle:peak=0.25", steps=8)
    assert schedule is not None
    assert [schedule(step) for step in (0, 1, 2, 5)] == [0, 0.5, 1, 0.5]
