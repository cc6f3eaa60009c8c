"""How is normzoo called, and what does it say of itself?"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import normzoo
from normzoo.cli import app, main
from normzoo.experiment.config.resolve import KEYS
from normzoo.registry import (
    AUGMENTATIONS,
    DATASETS,
    FAMILIES,
    NORMS,
    OPTIMIZERS,
    SCHEDULES,
    TASKS,
    TEMPLATES,
    about_family,
)

from .command import environment, run
from .in_process import call

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_the_commands_and_a_first_one_to_type(arguments: tuple[str, ...], capsys: Capture) -> None:
    """Also without any argument."""
    outcome = call(capsys, *arguments)
    assert outcome.code == 0
    assert outcome.stderr == ""
    for word in ("compare", "report", "list", "normzoo compare --batch-sizes 2,8,32"):
        assert word in outcome.stdout


PURPOSES = {
    "Compare norms": ("compare", "report"),
    "Look into stored results": ("runs", "show", "diff", "export", "merge"),
    "Learn about norms": ("explain", "list"),
    "Measure speed": ("bench",),
    "This program": ("doctor", "--help", "--version", "--install-completion"),
}


def test_commands_are_grouped_by_purpose(capsys: Capture) -> None:
    """Every one is in one group, and there are no others."""
    lines = [line.strip("│ ") for line in call(capsys, "--help", columns=100).stdout.splitlines()]
    groups: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("╭─"):
            group = groups.setdefault(line.strip("╭─╮ "), set())
        elif groups and re.match(r"(--)?[a-z-]+( \(-h\))?  ", line):
            group.add(line.split()[0])
    assert {purpose: set(names) for purpose, names in PURPOSES.items()} == groups


COMMANDS = [("bench", "layers")] + [
    (name,) for names in PURPOSES.values() for name in names if name != "bench" and not name.startswith("-")
]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_that_reads(command: tuple[str, ...], capsys: Capture) -> None:
    """Word by word as its help prints it, up to where it would be carried out."""
    assert main([*command, "--help"]) == 0
    shown = unwrapped(capsys.readouterr().out)
    assert "Start with:" not in shown  # that is for who does not know yet which command
    (example,) = re.findall(r"^Example: (normzoo .*)$", shown, flags=re.MULTILINE)
    words = shlex.split(example)
    assert tuple(words[1 : 1 + len(command)]) == command
    app.parse_args(words[1:], exit_on_error=False, print_error=False)


def unwrapped(text: str) -> str:
    """Join the lines of each paragraph."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", re.sub(r" *\n", "\n", text))


@pytest.mark.slow
def test_completion_is_installed_by_one_command(tmp_path: Path) -> None:
    """For bash here: a script that knows the commands, and a line in the start-up file that loads it."""
    outcome = run(tmp_path, "--install-completion", HOME=str(tmp_path), SHELL="/bin/bash")
    assert outcome.code == 0
    (script,) = [path for path in tmp_path.rglob("*") if path.is_file() and path.name == "normzoo"]
    assert str(script) in (tmp_path / ".bashrc").read_text(encoding="utf-8")
    text = script.read_text(encoding="utf-8")
    for word in ("compare", "explain", "--batch-sizes", "--baseline"):
        assert word in text


def test_every_setting_is_a_flag_with_its_default(capsys: Capture) -> None:
    """Flags and YAML keys are the same; exit codes are told."""
    outcome = call(capsys, "compare", "--help", columns=100)
    assert outcome.code == 0
    for key in KEYS:
        assert f"--{key.replace('_', '-')} " in outcome.stdout, key
    assert "[default: 2,8,32]" in outcome.stdout
    assert "Exit code" in outcome.stdout


@pytest.mark.slow
def test_python_m_normzoo_is_the_command(tmp_path: Path) -> None:
    """Without a script on the path; its version is the package's, one number for a bug report."""
    command = [sys.executable, "-m", "normzoo", "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == f"{normzoo.__version__}\n"


@pytest.mark.slow
def test_the_installed_script_is_the_command(tmp_path: Path) -> None:
    """Beside the interpreter, where it is installed."""
    script = Path(sys.executable).with_name("normzoo")
    if not script.exists():
        pytest.skip("normzoo is not installed here")
    done = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{normzoo.__version__}\n"


@pytest.mark.slow
def test_list_shows_everything_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Every norm with what it pools and its source, every template and every dataset."""
    monkeypatch.chdir(tmp_path)
    outcome = call(capsys, "list", columns=300)
    assert outcome.code == 0
    assert outcome.stderr == ""
    lines = [line.replace("│", " ").split() for line in outcome.stdout.splitlines()]
    first_words = [words[0] for words in lines if words]
    for name in (*NORMS, *TEMPLATES, *DATASETS, *AUGMENTATIONS, *TASKS, *OPTIMIZERS, *SCHEDULES):
        assert {name, f"{name}:PATH", f"{name}:PIXELS", f"{name}:NAME"} & set(first_words), name
    said = [text for norm in NORMS.values() for text in (norm.summary, norm.formula, norm.source)]
    said += [text for template in TEMPLATES.values() for text in (template.summary, template.source)]
    said += [text for dataset in DATASETS.values() for text in (dataset.summary, dataset.source)]
    for text in said:
        assert text in outcome.stdout
    assert not any(tmp_path.iterdir())


def test_list_shows_one_kind(capsys: Capture) -> None:
    """The norms by family, in 80 columns; of a misspelt kind it says which there are."""
    outcome = call(capsys, "list", "norms", columns=80)
    assert outcome.code == 0
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    found = [line for line in outcome.stdout.splitlines() if line.partition(":")[0] in FAMILIES]
    headings = [f"{family}: {about_family(family).rstrip('.')}" for family in FAMILIES]
    assert len(found) == len(headings)
    assert all(heading.startswith(line) for line, heading in zip(found, headings, strict=True))  # one may be folded
    assert "Templates" not in outcome.stdout
    refused = call(capsys, "list", "norm")
    assert (refused.code, refused.stdout) == (2, "")
    assert "unknown kind of component 'norm'; did you mean 'norms'?" in refused.stderr


@pytest.mark.slow
def test_a_shown_configuration_is_one_for_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Printed, read back and printed again it is the same; nothing is trained and no store is made."""
    monkeypatch.chdir(tmp_path)
    flags = ["--norms", "group:groups=4,eps=1e-3,none", "--lr", "1e-4", "--timeout", "90", "--set", "seeds=3"]
    shown = call(capsys, "compare", *flags, "--show-config")
    assert (shown.code, shown.stderr) == (0, "")
    assert "norms: ['group:eps=0.001,groups=4', none]" in shown.stdout
    (tmp_path / "shown.yaml").write_text(shown.stdout)
    again = call(capsys, "compare", "--config", "shown.yaml", "--show-config")
    assert (again.code, again.stdout) == (0, shown.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["shown.yaml"]
