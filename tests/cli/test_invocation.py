"""How is normzoo called, and what does it say of itself?"""

import subprocess
import sys
from pathlib import Path

import pytest

import normzoo
from normzoo.experiment.config import KEYS
from normzoo.registry import DATASETS, NORMS, TEMPLATES

from .command import environment, run


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_the_commands_and_a_first_one_to_type(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Also without any argument."""
    outcome = run(tmp_path, *arguments)
    assert outcome.code == 0
    assert outcome.stderr == ""
    for word in ("compare", "report", "list", "normzoo compare --batch-sizes 2,8,32"):
        assert word in outcome.stdout


def test_every_setting_is_a_flag_with_its_default(tmp_path: Path) -> None:
    """Flags and YAML keys are the same; exit codes are told."""
    outcome = run(tmp_path, "compare", "--help")
    assert outcome.code == 0
    for key in KEYS:
        assert f"--{key.replace('_', '-')} " in outcome.stdout, key
    assert "[default: 2,8,32]" in outcome.stdout
    assert "Exit code" in outcome.stdout


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    """One number, for a bug report."""
    assert run(tmp_path, "--version").stdout == f"{normzoo.__version__}\n"


def test_python_m_normzoo_is_the_command(tmp_path: Path) -> None:
    """Without a script on the path."""
    command = [sys.executable, "-m", "normzoo", "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == f"{normzoo.__version__}\n"


def test_the_installed_script_is_the_command(tmp_path: Path) -> None:
    """Beside the interpreter, where it is installed."""
    script = Path(sys.executable).with_name("normzoo")
    if not script.exists():
        pytest.skip("normzoo is not installed here")
    done = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{normzoo.__version__}\n"


def test_list_shows_everything_there_is(tmp_path: Path) -> None:
    """Every norm with what it pools and its source, every template and every dataset."""
    outcome = run(tmp_path, "list", COLUMNS="300")
    assert outcome.code == 0
    assert outcome.stderr == ""
    lines = [line.replace("│", " ").split() for line in outcome.stdout.splitlines()]
    first_words = [words[0] for words in lines if words]
    for name in (*NORMS, *TEMPLATES, *DATASETS):
        assert name in first_words, name
    said = [text for norm in NORMS.values() for text in (norm.pools, norm.formula, norm.source)]
    said += [text for template in TEMPLATES.values() for text in (template.summary, template.source)]
    said += [text for dataset in DATASETS.values() for text in (dataset.summary, dataset.source)]
    for text in said:
        assert text in outcome.stdout
    assert not any(tmp_path.iterdir())


def test_a_shown_configuration_is_one_for_config(tmp_path: Path) -> None:
    """Printed, read back and printed again it is the same; nothing is trained and no store is made."""
    flags = ["--norms", "group:groups=4,eps=1e-3,none", "--lr", "1e-4", "--timeout", "90", "--set", "seeds=3"]
    shown = run(tmp_path, "compare", *flags, "--show-config")
    assert (shown.code, shown.stderr) == (0, "")
    assert "norms: ['group:groups=4,eps=1e-3', none]" in shown.stdout
    (tmp_path / "shown.yaml").write_text(shown.stdout)
    again = run(tmp_path, "compare", "--config", "shown.yaml", "--show-config")
    assert (again.code, again.stdout) == (0, shown.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["shown.yaml"]
