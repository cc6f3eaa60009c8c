"""Which of defaults, files, ``--set`` and flags wins?"""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import KEYS, OPTION_OF, Configuration, reproducing_command, resolve
from normzoo.experiment.config.spec import MatrixSpec


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files that both speak of epochs and seeds."""
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("epochs: 11\nseeds: 11\nlr_reference: 11\n")
    second.write_text("epochs: 12\nseeds: 12\njobs: 2\n")
    return [first, second]


def test_without_anything_there_are_the_defaults() -> None:
    """Every setting has one."""
    assert resolve([], [], {}) == Configuration(MatrixSpec(), Execution())


def test_each_layer_wins_over_those_before_it(files: list[Path]) -> None:
    """Defaults, then files in order, then --set, then flags; each setting for itself."""
    configuration = resolve(files, ["seeds=13", "lr=0.5"], {"lr": "0.25", "epochs": None})
    matrix = configuration.matrix
    assert matrix.lr_reference == 11
    assert matrix.epochs == 12
    assert matrix.seeds == 13
    assert matrix.lr == 0.25
    assert matrix.optimizer == MatrixSpec().optimizer
    assert configuration.execution.jobs == 2


def test_the_order_of_files_and_of_assignments_counts(files: list[Path]) -> None:
    """The later wins."""
    matrix = resolve(list(reversed(files)), ["lr=1", "lr=2"], {}).matrix
    assert (matrix.epochs, matrix.seeds, matrix.lr) == (11, 11, 2.0)


def test_a_flag_wins_over_everything(files: list[Path]) -> None:
    """What is typed last is meant."""
    assert resolve(files, ["epochs=13"], {"epochs": "14"}).matrix.epochs == 14


def test_set_takes_a_key_as_a_flag_writes_it() -> None:
    """``--set batch-sizes=2,8`` is ``--batch-sizes 2,8``; only the first = separates."""
    matrix = resolve([], ["batch-sizes=2,8", "norms=group:groups=4,none"], {}).matrix
    assert matrix.batch_sizes == (2, 8)
    assert matrix.norms == ("group:groups=4", "none")


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"norms": "group:groups=4,eps=1e-3,none", "lr": "1e-5", "batch_sizes": "1,64", "templates": "cnn:widths=4"},
        {"lrs": "0.1,0.01", "norms": "none", "strategy": "sequential", "compile": "never", "task": "regression"},
        {"dataset": "npz:some folder/a:b.npz", "timeout": "2.5", "jobs": "3", "store": "no.sqlite", "download": True},
    ],
)
def test_a_printed_configuration_reads_back_as_itself(flags: dict[str, Any], tmp_path: Path) -> None:
    """``to_yaml`` is a file for ``--config``, and names every setting; of ``lr`` and ``lrs`` the one that holds."""
    configuration = resolve([], [], flags)
    path = tmp_path / "printed.yaml"
    path.write_text(configuration.to_yaml())
    assert resolve([path], [], {}) == configuration
    other = "lr" if configuration.matrix.lrs else "lrs"
    assert tuple(yaml.safe_load(configuration.to_yaml())) == tuple(
        key for key in KEYS if key not in (other, *OPTION_OF)
    )


def test_yaml_writes_numbers_as_people_do(tmp_path: Path) -> None:
    """YAML takes 1e-3 for text, and none for text as well, which is what is meant by both."""
    path = tmp_path / "settings.yaml"
    path.write_text("lr: 1e-3\nbatch_sizes: [4, '8']\nnorms: [none, batch]\nseeds: '3'\n")
    matrix = resolve([path], [], {}).matrix
    assert (matrix.lr, matrix.batch_sizes, matrix.norms, matrix.seeds) == (0.001, (4, 8), ("none", "batch"), 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("auto", "auto"), ("2GB", 2 * 10**9), ("1.5 MiB", 3 * 2**19), ("4096", 4096), (0, 0), (4096, 4096)],
)
def test_how_much_may_be_resident_is_a_size(text: Any, expected: Any) -> None:
    """It is written to a file as bytes, and read back as them."""
    assert Execution(resident_memory=text).resident_memory == expected
    assert Execution.model_validate_json(Execution(resident_memory=text).model_dump_json()).resident_memory == expected


@pytest.mark.parametrize("text", ["lots", "-1", -1, "2 parsecs", True, 0.5, None])
def test_what_is_no_size_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=f"expected 'auto' or a size such as 500MB or 2GB, got '{text}'"):
        Execution(resident_memory=text)


@pytest.mark.parametrize(
    ("jobs", "device", "groups", "expected"),
    [(3, "cpu", 10, 3), (3, "cpu", 2, 2), (3, "cuda", 10, 3), (3, "cpu", 0, 1), ("auto", "cuda", 10, 1)],
)
def test_there_are_no_more_workers_than_groups(jobs: Any, device: str, groups: int, expected: int) -> None:
    """As many as asked for; automatically one on a GPU."""
    assert Execution(jobs=jobs).jobs_for(device, groups) == expected


@pytest.mark.parametrize(
    ("gpus", "per_gpu", "processors", "expected"),
    [(1, 1, 16, 1), (1, 4, 16, 4), (1, 4, 2, 2), (2, 4, 16, 8), (8, 4, 4, 8), (8, 1, 64, 8)],
)
def test_automatic_workers_on_gpus(
    gpus: int, per_gpu: int, processors: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least one for each; where steps are small, several, as far as there are processors to drive them."""
    monkeypatch.setattr("normzoo.experiment.config.execution.available_cpus", lambda: processors)
    assert Execution().jobs_for("cuda", 100, gpus, per_gpu) == expected


def test_automatic_workers_are_one_per_processor_up_to_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds torch in memory."""
    for processors, expected in ((1, 1), (2, 2), (64, 8)):
        monkeypatch.setattr("normzoo.experiment.config.execution.available_cpus", lambda count=processors: count)
        assert Execution().jobs_for("cpu", 100) == expected


def test_the_reproducing_command_is_what_differs_from_the_defaults_and_reads_back() -> None:
    """No paths or jobs: anyone can type it anywhere, and it means the same matrix."""
    matrix = MatrixSpec(batch_sizes=(2, 4), norms=("batch", "group:groups=4,eps=0.001"), lr_rule="sqrt")
    command = reproducing_command(matrix)
    expected = "normzoo compare --batch-sizes 2,4 --norms batch,group:eps=0.001,groups=4 --lr-rule sqrt"
    assert command == expected
    words = shlex.split(command)[2:]
    flags = {
        flag.removeprefix("--").replace("-", "_"): value for flag, value in zip(words[::2], words[1::2], strict=True)
    }
    assert resolve([], [], flags).matrix == matrix


@pytest.mark.parametrize(
    ("settings", "setting", "expected"),
    [
        ({"momentum": "0.8"}, "optimizer", "sgd:momentum=0.8"),
        ({"momentum": "0.9"}, "optimizer", "sgd"),
        ({"momentum": 0, "optimizer": "rmsprop:alpha=0.9"}, "optimizer", "rmsprop:alpha=0.9"),
        ({"momentum": "0.5", "optimizer": "own:Sgd"}, "optimizer", "own:Sgd:momentum=0.5"),
        ({"warmup": "0.05", "schedule": "cosine"}, "schedule", "cosine:warmup=0.05"),
        ({"warmup": 0.3, "schedule": "onecycle"}, "schedule", "onecycle"),
        ({"warmup": "0"}, "schedule", "constant"),
        ({"label_smoothing": 0.1}, "task", "classification:smoothing=0.1"),
        ({"label_smoothing": 0}, "task", "classification"),
    ],
    ids=str,
)
def test_a_shorthand_is_an_option_of_its_component(settings: dict[str, Any], setting: str, expected: str) -> None:
    """So that either way to say it is the same run."""
    assert getattr(resolve([], [], settings).matrix, setting) == expected


def test_a_shorthand_may_stand_in_another_layer_than_its_component(tmp_path: Path) -> None:
    """Such as a flag over a file."""
    path = tmp_path / "recipe.yaml"
    path.write_text("optimizer: sgd:nesterov=true\nmomentum: 0.5\n")
    assert resolve([path], ["momentum=0.6"], {}).matrix.optimizer == "sgd:momentum=0.6,nesterov=True"
