"""What the README, the configs and the reports say is what the code does."""

import re
import shlex
from pathlib import Path

import pytest
from zoo import CLASSIC

from benchmarks.matrix import tables as matrix_tables
from benchmarks.matrix.spec import MatrixBench
from normzoo.bench import summary as bench_summary
from normzoo.bench.spec import Bench
from normzoo.cli import main
from normzoo.experiment.config.resolve import reproducing_command, resolve
from normzoo.experiment.results.store import Store
from normzoo.outputs import marked
from normzoo.registry import NORMS
from normzoo.report import failure_lines, heading, planned_plots, provenance, sections, summarize, to_markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
REPORTS = sorted(path for path in (ROOT / "reports").glob("*.md") if path.with_suffix(".sqlite").exists())
BENCHES = sorted(path for path in (ROOT / "reports").glob("*.md") if path.with_suffix(".notes.txt").exists())
_BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def _compare_commands() -> list[str]:
    lines = [line.partition(" #")[0].strip() for kind, text in _BLOCKS if kind == "sh" for line in text.splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [part for part in parts if re.match(r"(\.venv/bin/)?normzoo compare", part)]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("command", _compare_commands())
def test_each_comparison_in_the_readme_reads(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every `normzoo compare` line of the README is a valid command."""
    monkeypatch.chdir(ROOT)
    flags = [flag for flag in shlex.split(command)[1:] if flag != "--dry-run"]
    assert main([*flags, "--show-config"]) == 0
    assert "batch_sizes:" in capsys.readouterr().out


def test_the_readme_shows_at_least_three_comparisons() -> None:
    """The pattern above finds the README's commands at all."""
    assert len(_compare_commands()) >= 3


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that compare two norms, and the six that import a layer, do what they say."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for text in [text for kind, text in _BLOCKS if kind == "python"]:
        exec(text, names)  # noqa: S102  # the README's own lines
    assert tuple(names["y"].shape) == (2, 64, 16, 16)  # type: ignore[attr-defined]
    assert list(names["frame"]["norm"]) == ["batch", "group"]  # type: ignore[index]


def test_the_test_command_of_ci_is_that_of_the_readme() -> None:
    """CI takes its test command out of the README by its marker, which stands before exactly one block."""
    assert README.count("<!-- command: test -->\n```sh\n") == 1
    assert "<!-- command: test -->" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_config_states_purpose_command_and_minutes(path: Path) -> None:
    """A config is headed by what it is for, its command and how long that takes, and it reads."""
    header = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    assert [line.split(":")[0] for line in header[:3]] == ["# Purpose", "# Command", "# Minutes"]
    assert f"--config configs/{path.name}" in header[1]
    assert re.search(r"about \d+", header[2])
    resolve([path], [], {})


@pytest.mark.slow_but_one
@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_each_report_comes_from_the_records_beside_it(path: Path) -> None:
    """A report is, to the letter, what its store says."""
    with Store(path.with_suffix(".sqlite"), writable=False) as store:
        sweep = store.comparisons()[-1]
        records = store.records(sweep.keys)
    summary = summarize(sweep.matrix, records)
    plots = planned_plots(summary, path.with_suffix(""))
    said = sections(
        summary,
        provenance=provenance(records),
        command=reproducing_command(sweep.matrix),
        failures=failure_lines(records),
    )
    text = to_markdown(heading(summary), said, plots=plots)
    assert path.read_bytes() == marked(text, ".md")
    assert all(plot.png.exists() and plot.svg.exists() for plot in plots)


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_each_speed_report_comes_from_the_records_beside_it(path: Path) -> None:
    """A report of the benchmark is, to the letter, what its measurements say."""
    text = path.with_suffix(".json").read_text(encoding="utf-8")
    notes = path.with_suffix(".notes.txt").read_text(encoding="utf-8")
    if path.stem.startswith("layers"):
        layers = Bench.model_validate_json(text)
        environment, measured = layers.environment, len(layers.measurements)
        shown = bench_summary.to_markdown(layers, name=path.stem, notes=notes)
    else:
        matrix = MatrixBench.model_validate_json(text)
        environment, measured = matrix.environment, len(matrix.cells)
        shown = matrix_tables.to_markdown(matrix, name=path.stem, notes=notes)
    assert path.read_bytes() == marked(shown, ".md")
    assert measured
    assert not str(environment["commit"]).endswith("-dirty")


def test_the_table_of_what_norms_pool_is_the_registrys() -> None:
    """The classic norms, over what each pools and what each has a pool of its own, in the registry's words."""
    (table,) = re.findall(r"^\| norm \| pools over \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, flags=re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert {name for name, _, _ in rows} == {f"`{name}`" for name in CLASSIC}
    for name, over, per in rows:
        entry = NORMS[name.strip("`")]
        about = entry.explanation
        if about.pooling is None:
            assert [over, per] == [f"is the control: {about.summary.partition(':')[0]}", ""]
            continue
        beside = "".join(
            f" ({value} {option} unless told otherwise)"
            for option, value in entry.options.items()
            if option in about.pooling.shares
        )
        beside += "" if about.centered else ", without subtracting a mean"
        assert [over, per] == [about.pooling.over + beside, about.pooling.per]


def test_the_tables_of_the_readme_are_those_of_the_digits_report() -> None:
    """The README's numbers come from a stored run."""
    report = (ROOT / "reports" / "digits.md").read_text(encoding="utf-8")
    found = re.findall(r"(?:^\|.*\n)+", README, flags=re.MULTILINE)
    tables = [table for table in found if "s/epoch" in table]
    assert len(tables) == 2
    for table in tables:
        assert table in report
