"""Does a mistake in the configuration get one line that says what to change, and where?"""

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from normzoo.errors import ConfigError
from normzoo.experiment.config.resolve import KEYS, resolve
from normzoo.registry import TEMPLATES


def refusal(*arguments: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; write settings as key: value"),
        ("# nothing but a remark\n", "is empty; write settings as key: value"),
        ("seeds: [1", "is not valid YAML: expected ',' or ']', but got '<stream end>' (line 1)"),
        ("seeds: 1\n  epochs: 2\n", "is not valid YAML: mapping values are not allowed here (line 2)"),
        ("seeds: 2020-13-45\n", "is not valid YAML: month must be in 1..12"),
        ("\x00", "is not valid YAML: unacceptable character"),
        ("- seeds\n- epochs\n", "expected settings as key: value, got a list"),
        ("seeds: 2\nnorms: [none]\nseeds: 3\n", "is not valid YAML: it says seeds 2 times; say it once"),
        ("just text\n", "expected settings as key: value, got a str"),
        ("batch_size: [2]\n", "unknown key 'batch_size'; did you mean 'batch_sizes'? (known: batch_sizes, norms,"),
        ("1: 2\n", "unknown key '1' (known: "),
        ("seeds: many\n", "seeds: expected a whole number, got 'many'"),
        ("seeds: 2.5\n", "seeds: expected a whole number, got '2.5'"),
        ("lr: fast\n", "lr: expected a number, got 'fast'"),
        ("lr: -1\n", "lr: must be greater than 0, got -1"),
        ("batch_sizes: [2, 0]\n", "batch_sizes: must be at least 1, got 0"),
        ("batch_sizes: []\n", "batch_sizes: must not be empty"),
        ("batch_sizes:\n", "batch_sizes: expected a list such as 2,8,32, got 'None'"),
        ("norms: [1]\n", "norms: expected text, got '1'; put it in quotes"),
        ("optimizer: sdg\n", "optimizer: unknown optimizer 'sdg'; did you mean 'sgd'? (known: sgd, adam, adamw, "),
        ("timeout: yes\n", "timeout: expected a number, got 'True'"),
        ("store: 3\n", "store: expected a path, got '3'"),
        ("device: gpu\n", "device: unknown device 'gpu'; did you mean 'cuda'? (known: auto, cpu, cuda, mps, xpu)"),
        ("jobs: 0\n", "jobs: expected 'auto' or a number of at least 1, got '0'"),
        ("jobs: yes\n", "jobs: expected 'auto' or a number of at least 1, got 'True'"),
        ("norms: [bach]\n", "norms: unknown norm 'bach'; did you mean 'batch'?"),
        ("norms: [batch, batch]\n", "norms: norm 'batch' is the same as 'batch'"),
    ],
)
def test_a_file_that_does_not_read_is_named_with_the_reason(content: str, message: str, tmp_path: Path) -> None:
    """The file, the key, the rule and the value."""
    path = tmp_path / "settings.yaml"
    path.write_text(content)
    assert refusal([path], [], {}).startswith(f"{path}: {message}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """By its path."""
    path = tmp_path / "missing.yaml"
    assert refusal([path], [], {}) == f"{path}: there is no such file"


def test_a_folder_and_binary_data_are_no_settings(tmp_path: Path) -> None:
    """Of a folder, what the system says is passed on."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\xfa")
    assert refusal([tmp_path], [], {}).startswith(f"{tmp_path}: cannot be read: ")
    assert refusal([binary], [], {}) == f"{binary}: is no text in UTF-8; save it as that"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("seeds", "--set: expected key=value, got 'seeds'"),
        ("seed=3", "--set: unknown key 'seed'; did you mean 'seeds'?"),
        ("seeds=x", "--set: seeds: expected a whole number, got 'x'"),
        ("seeds=", "--set: seeds: expected a whole number, got ''"),
    ],
)
def test_an_assignment_that_does_not_read_is_named(assignment: str, message: str) -> None:
    """As --set, not as a file or a flag."""
    assert refusal([], [assignment], {}).startswith(message)


def test_a_flag_is_named_as_it_is_typed() -> None:
    """With its dashes."""
    assert refusal([], [], {"batch_sizes": "2,x"}) == "--batch-sizes: expected a whole number, got 'x'"


def test_a_misspelt_baseline_is_named_by_its_flag() -> None:
    """As any other misspelt norm."""
    with pytest.raises(ConfigError, match=r"^--baseline: unknown norm 'batc'; did you mean 'batch'"):
        resolve([], [], {"baseline": "batc"})


def test_everything_that_is_wrong_is_said_at_once_each_with_its_origin(tmp_path: Path) -> None:
    """Nobody has to mend one thing to hear of the next; settings of both models are in the one line."""
    path = tmp_path / "settings.yaml"
    path.write_text("lr: 0\ncompile: maybe\n")
    assert refusal([path], ["seeds=0"], {"jobs": "-1", "templates": "autoencoder", "epochs": "1.5"}) == "; ".join(
        [
            f"--templates: unknown template 'autoencoder' (known: {', '.join(TEMPLATES)}; your own: pkg.module:MyNet)",
            "--set: seeds: must be at least 1, got 0",
            "--epochs: expected a whole number, got '1.5'",
            f"{path}: lr: must be greater than 0, got 0",
            f"{path}: compile: unknown compile 'maybe' (known: auto, always, never)",
            "--jobs: expected 'auto' or a number of at least 1, got '-1'",
        ]
    )


def test_a_value_that_a_later_layer_overrides_is_not_complained_about(tmp_path: Path) -> None:
    """Only what is in force can be wrong."""
    path = tmp_path / "settings.yaml"
    path.write_text("seeds: many\n")
    assert resolve([path], [], {"seeds": "2"}).matrix.seeds == 2


def test_a_learning_rate_that_leaves_the_numbers_at_some_batch_size_is_refused() -> None:
    """It is a matter of several settings together, and is said before anything is trained."""
    message = refusal([], [], {"lr": "1e300", "lr_reference": "1", "batch_sizes": "1000000000"})
    assert message == "settings: lr 1e+300 at batch size 1 makes inf at 1000000000"


@pytest.mark.parametrize("setting", ["placement", "widths", "hidden", "engine"])
def test_a_former_setting_says_what_became_of_it(setting: str, tmp_path: Path) -> None:
    """In a file and behind ``--set`` alike."""
    path = tmp_path / "former.yaml"
    path.write_text(f"{setting}: 8\n")
    became = "called strategy now: auto" if setting == "engine" else "an option of a template, as in --templates cnn:"
    for origin, arguments in ((path, ([path], [], {})), ("--set", ([], [f"{setting}=8"], {}))):
        assert refusal(*arguments).startswith(f"{origin}: '{setting}' is {became}")


def test_a_rate_beside_rates_to_choose_from_is_refused(tmp_path: Path) -> None:
    """Wherever the two come from: one of them would be without effect."""
    path = tmp_path / "settings.yaml"
    path.write_text("lrs: [0.1, 0.01]\n")
    rule = "stands beside {} which lists the rates to choose from; use one"
    assert refusal([path], [], {"lr": "0.1"}) == f"--lr: {rule.format(f'{path}: lrs,')}"
    assert refusal([], ["lr=0.1"], {"lrs": "0.1"}) == f"--set: lr: {rule.format('--lrs,')}"


def test_a_time_limit_is_a_positive_number() -> None:
    """Of seconds."""
    assert refusal([], [], {"timeout": "0"}) == "--timeout: must be greater than 0, got 0"
    assert refusal([], [], {"timeout": "inf"}).startswith("--timeout: ")
    assert resolve([], [], {"timeout": "2.5"}).execution.timeout == 2.5


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("key", "value"),
    list(
        zip(
            cycle(["seeds", "norms", "lr"]),
            [
                "9" * 5000,
                "0x" + "f" * 5000,
                "0b" + "1" * 20000,
                "1" + ":59" * 5000,
                "!!int ''",
                "!!bool maybe",
                "!!timestamp x",
                "!!float x",
                "[" * 1000 + "]" * 1000,
                "{a: " * 1000 + "1" + "}" * 1000,
                "[" * 20_000,
                "1e999999",
                "2024-13-45",
            ],
        )
    ),
    ids=lambda value: value[:15],
)
def test_whatever_a_file_holds_is_refused_in_a_line(key: str, value: str, tmp_path: Path) -> None:
    """Numbers of thousands of digits, values that are not of their tag, lists a thousand deep."""
    path = tmp_path / "odd.yaml"
    path.write_text(f"{key}: {value}\n")
    message = refusal([path], [], {})
    assert message.startswith(f"{path}: ")
    assert len(message) < 700
    assert "\n" not in message


@pytest.mark.parametrize(
    "value", [[10**5000], {1: [10**5000]}, [{}] * 5000, {"x " * 5000: 1}], ids=["digits", "within", "list", "text"]
)
@pytest.mark.parametrize("key", KEYS)
def test_of_a_long_value_the_beginning_is_shown(key: str, value: Any) -> None:
    """Also of one that holds numbers of more digits than Python writes."""
    message = refusal([], [], {key: value})
    assert len(message) < 2500
    assert "integer string conversion" not in message


def test_of_many_things_that_are_wrong_the_first_are_said() -> None:
    message = refusal([], [], {"batch_sizes": [f"x{number}" for number in range(5000)]})
    assert message.endswith("expected a whole number, got 'x9'; and 4,990 more")


def test_halves_of_pairs_are_written_out() -> None:
    """Of what is wrong, which pydantic cannot write."""
    assert refusal([], [], {"optional": "\udc80x"}).startswith("unknown norm '\\udc80x' (known: ")


def test_a_few_lines_that_stand_for_billions_are_refused(tmp_path: Path) -> None:
    """By aliases of aliases."""
    lines = ["&a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"&a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text(f"norms: [{', '.join(lines)}]\n")
    assert refusal([path], [], {}) == f"{path}: is not valid YAML: it uses an alias (*name); write the value out"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"seeds": "9" * 30}, f"--seeds: must be at most 1e+12, got {'9' * 30}"),
        ({"epochs": "9" * 13}, f"--epochs: must be at most 1e+12, got {'9' * 13}"),
        ({"timeout": "1e308"}, "--timeout: must be at most 1e+09, got 1e308"),
        (
            {"seeds": "1000000000"},
            "settings: they ask for 60,000,000,000 runs, and a comparison has at most 1,000,000; ask for fewer seeds, "
            "norms, templates, batch sizes or learning rates",
        ),
        (
            {"first_seed": "1073741820"},
            "settings: their seeds begin at 1,073,741,820; beyond 1,073,741,823 runs would draw the same random "
            "numbers as those of smaller seeds",
        ),
    ],
    ids=["seeds", "epochs", "timeout", "runs", "first seed"],
)
def test_more_than_anybody_could_wait_for_is_refused_at_once(flags: dict[str, str], message: str) -> None:
    """Before it is planned."""
    assert refusal([], [], {"batch_sizes": "2,8,32,64,128,256", **flags}) == message
