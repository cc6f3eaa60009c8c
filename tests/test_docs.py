"""What the pages under docs/ say is what the code does, and the site that is made of them has no loose end."""

import re
import shlex
import socket
import warnings
from contextlib import redirect_stderr
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import normzoo.data
import normzoo.errors
import normzoo.layers
import normzoo.surgery
import normzoo.tasks
from normzoo.cli import app, main
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.store import Store

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REPORTS = ROOT / "reports"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("api/*.md")), ROOT / "normzoo/layers/_kernels/README.md"]
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")
SPEED = (DOCS / "speed.md").read_text(encoding="utf-8")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands() -> list[str]:
    """Return each line of the pages that calls normzoo."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    blocks = [block for text in texts for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)]
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("normzoo ")})


@pytest.mark.slow_but_one
@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "your-data.md"], ids=name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples do what they say; those of the page on your data run between its commands, in ``tests/library``."""
    monkeypatch.chdir(tmp_path)
    for text in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        exec(text, {})  # noqa: S102  # our own lines


@pytest.mark.slow_but_one
@pytest.mark.parametrize("command", commands())
def test_each_command_of_the_pages_reads(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its flags are there, and the settings of a comparison are valid."""
    monkeypatch.chdir(ROOT)
    words = [word for word in shlex.split(command)[1:] if word != "--dry-run"]
    if words[0] == "compare":
        if "--task" not in words and any(word.startswith(("csv:", "parquet:")) for word in words):
            words += ["--task", "classification"]  # which a table is read for, and it is not there
        assert main([*words, "--show-config"]) == 0
        assert "batch_sizes:" in capsys.readouterr().out
    else:
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_the_page_on_commands_has_an_example_of_each() -> None:
    """No command is forgotten."""
    names = {each for each in app if each not in ("--help", "-h", "--version")}
    assert len(names) >= 10
    assert {each for each in names if f"\nnormzoo {each}" not in COMMANDS} == set()


@pytest.mark.slow
def test_the_keys_in_examples_are_of_runs_that_there_are() -> None:
    """Whoever has run the first command can type them: its runs are those of the report, but for their seeds."""
    with Store(REPORTS / "digits.sqlite", writable=False) as store:
        specs = [record.spec for record in store.records(list(store.statuses())).values()]
    keys = {
        spec.model_copy(update={"seed": seed, "further_eval_stats": ()}).key
        for spec in specs
        if spec.template in MatrixSpec().templates
        for seed in MatrixSpec().seed_range
    }
    text = COMMANDS + (ROOT / "normzoo" / "cli" / "__init__.py").read_text(encoding="utf-8")
    found = re.findall(r"normzoo (?:show|diff) ([0-9a-f]{7})(?: ([0-9a-f]{7}))?", text)
    named = {key for pair in found for key in pair if key}
    assert len(named) >= 2
    assert all(sum(key.startswith(each) for key in keys) == 1 for each in named)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository names one that is there."""
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize(("column", "report"), [("in compile", "layers-cpu.md"), ("lightning", "matrix-cpu.md")])
def test_a_table_of_speed_is_that_of_a_report(column: str, report: str) -> None:
    """Its ratios were measured, in one run."""
    (table,) = [table for table in re.findall(r"(?:^\|.*\n)+", SPEED, flags=re.MULTILINE) if column in table]
    assert table in (REPORTS / report).read_text(encoding="utf-8")


@pytest.mark.slow
def test_accuracies_on_a_gpu_are_those_on_a_processor() -> None:
    """Of the same command: in every cell the intervals of the means overlap."""
    cells: list[dict[tuple[str, str, int], list[float]]] = []
    for name in ("cpu", "gpu"):
        cells.append({})
        with Store(REPORTS / f"digits-{name}.sqlite", writable=False) as store:
            for record in store.records(list(store.statuses())).values():
                place = (record.spec.template, record.spec.norm, record.spec.batch_size)
                cells[-1].setdefault(place, []).append(record.epochs[-1].test["accuracy"])
    assert cells[0].keys() == cells[1].keys()
    assert len(cells[0]) == 30
    for place in cells[0]:
        here, there = (np.array(found[place]) for found in cells)
        halves = stats.t.ppf(0.975, 9) * (here.std(ddof=1) + there.std(ddof=1)) / 10**0.5
        assert abs(here.mean() - there.mean()) <= halves, place


def test_other_ratios_are_in_the_reports_beside_them() -> None:
    """Each link to such a report is followed by a figure that the report has."""
    found = re.findall(r"\]\(\.\./(reports/matrix-cpu-[\w-]+\.md)\)[^()]*\(([^()]*x)\)", SPEED)
    assert len(found) == 5
    for path, figures in found:
        report = (ROOT / path).read_text(encoding="utf-8")
        assert all(f"| {ratio} |" in report for ratio in re.findall(r"[\d.]+x", figures)), path


def test_the_page_on_statistics_quotes_the_simulation() -> None:
    """The shares of wrong claims are the least and the largest of the record."""
    said = " ".join((DOCS / "statistics.md").read_text(encoding="utf-8").split())
    report = (REPORTS / "inference.md").read_text(encoding="utf-8")
    _, nothing_differs, some_differ, *_ = report.split("\n## ")
    ranges = [
        (min(shares), max(shares))
        for text in (nothing_differs, some_differ)
        if (shares := [float(share) for share in re.findall(r"\| ([\d.]+) \|$", text, flags=re.MULTILINE)])
    ]
    (least, most), (least_of_some, most_of_some) = ranges
    assert f"between {least} and {most} % of comparisons make a claim" in said
    assert f"{least_of_some} to {most_of_some} % make one between norms that do not" in said
    (picked,) = re.findall(r"each has the best of 3 learning rates.*?(?=\n## )", report, flags=re.DOTALL)
    of_rates = [int(share) for share in re.findall(r"\| (\d+) \|$", picked, flags=re.MULTILINE)]
    assert f"{min(of_rates)} to {max(of_rates)} % of comparisons make a claim: the more" in said


# The site


def build(source: Path, target: Path, *flags: str) -> tuple[int, str]:
    """Make the site as CONTRIBUTING says, but here, where torch is loaded, and without network; return what is said."""
    if absent := [each for each in ("sphinx", "myst_parser", "furo") if find_spec(each) is None]:
        pytest.skip(f"needs normzoo[docs]: {', '.join(absent)} not installed")

    def refuse(*_: object) -> None:
        raise OSError("there is no network")

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), redirect_stderr(StringIO()) as said:
        warnings.simplefilter("ignore")  # Sphinx's own are told in other ways
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        code: int = import_module("sphinx.cmd.build").main(["-q", "-n", *flags, str(source), str(target)])
    return code, said.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made once, without the pages of code, which take as long again as the others to write."""
    target = tmp_path_factory.mktemp("site")
    extensions = "myst_parser,sphinx.ext.autodoc,sphinx.ext.napoleon"
    assert build(DOCS, target, "-W", "-D", f"extensions={extensions}") == (0, "")
    return target


@pytest.mark.slow
def test_the_site_has_every_page(site: Path) -> None:
    """None is left out of the menu."""
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in PAGES if page.is_relative_to(DOCS)}
    assert {page for page in pages if not (site / page).exists()} == set()
    menu = (site / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{page.as_posix()}"' in menu for page in pages if page.stem != "index")


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No style, script, font or picture."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<(?:script|img|iframe)[^>]*src=\"(?:https?:)?//", text), page
        assert not re.search(r"<link[^>]*rel=\"(?:stylesheet|preload)\"[^>]*href=\"(?:https?:)?//", text), page
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [normzoo.layers, normzoo.surgery, normzoo.tasks, normzoo.data, normzoo.errors],
    ids=lambda each: each.__name__,
)
def test_the_reference_has_every_public_name(site: Path, module: object) -> None:
    """Types of arrays apart."""
    reference = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    names = [f"{module.__name__}.{each}" for each in module.__all__ if each != "Array"]  # type: ignore[attr-defined]
    assert [each for each in ["normzoo.compare", "normzoo.Comparison", *names] if f'id="{each}"' not in reference] == []


@pytest.mark.slow
def test_links_out_of_the_pages_lead_to_the_repository(site: Path) -> None:
    """On a code host they are relative."""
    text = (site / "statistics.html").read_text(encoding="utf-8")
    assert 'href="https://github.com/normzoo/normzoo/blob/main/reports/inference.md"' in text
    assert 'href="../' not in text


@pytest.mark.slow
def test_the_site_has_the_flags_of_every_command(site: Path) -> None:
    """As ``--help`` has them."""
    text = (site / "commands.html").read_text(encoding="utf-8")
    assert all(f">normzoo {each}<" in text for each in app if each not in ("--help", "-h", "--version"))
    assert "--eval-stats" in text


LOOSE_ENDS = """# Index

[a](page.md)
[b](no_file.md)
[c](page.md#no-part)

```{eval-rst}
:class:`normzoo.Nothing`
```

```{eval-rst}
.. autofunction:: normzoo.nothing
```
"""


@pytest.mark.slow
def test_a_loose_end_is_an_error(tmp_path: Path) -> None:
    """A link, a part of a page and names that are not there, and a page to which nothing leads: a warning for each."""
    source = tmp_path / "docs"
    source.mkdir()
    (source / "conf.py").write_bytes((DOCS / "conf.py").read_bytes())
    for page, text in (("index", LOOSE_ENDS), ("page", "# Page\n\nText.\n"), ("alone", "# Alone\n\nText.\n")):
        (source / f"{page}.md").write_text(text, encoding="utf-8")
    code, said = build(source, tmp_path / "site", "-W")
    assert code != 0
    told = [line for line in said.splitlines() if "WARNING: " in line]
    for message in ("no_file", "no-part", "normzoo.Nothing", "failed to import", "isn't included in any toctree"):
        assert any(message in line for line in told), (message, told)
