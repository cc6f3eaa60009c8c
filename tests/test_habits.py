"""Do the files around the code agree with it: versions, bounds, changes, and what a bug report is asked for?"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import normzoo

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
YAML_FILES = [
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *FORMS,
    ROOT / ".pre-commit-config.yaml",
    ROOT / "CITATION.cff",
]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


CITATION = read(ROOT / "CITATION.cff")
JOBS = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_each_yaml_file_reads(path: Path) -> None:
    """As keys with values, at least one of them."""
    content = read(path)
    assert isinstance(content, dict)
    assert content


def test_the_citation_is_of_this_version() -> None:
    """With the fields that its format asks for, and the license of the package."""
    assert CITATION["version"] == normzoo.__version__
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    assert (CITATION["cff-version"], CITATION["license"]) == ("1.2.0", PROJECT["license"])
    assert CITATION["repository-code"] == PROJECT["urls"]["Homepage"]


def test_the_changelog_has_what_is_coming_and_this_version() -> None:
    """What is not released yet stands first, then the versions, the newest first; each has its link."""
    sections = re.findall(r"^## \[([^\]]+)\](?: - (\d{4}-\d\d-\d\d))?$", CHANGELOG, flags=re.MULTILINE)
    names, dates = [name for name, _ in sections], [date for _, date in sections]
    assert names[:2] == ["Unreleased", normzoo.__version__]
    assert dates[0] == ""
    assert all(dates[1:])
    assert dates[1:] == sorted(dates[1:], reverse=True)
    assert all(f"\n[{name}]: https://" in CHANGELOG for name in names)


def test_changes_are_of_the_usual_kinds() -> None:
    """Those of Keep a Changelog."""
    kinds = set(re.findall(r"^### (.*)$", CHANGELOG, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_ci_runs_every_python_that_the_package_names() -> None:
    """And no other; none is older than what is required."""
    named = [match[1] for each in PROJECT["classifiers"] if (match := re.search(r":: (3\.\d+)$", each))]
    assert JOBS["test"]["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_ci_runs_the_oldest_and_the_newest_torch_that_is_allowed() -> None:
    """The newest is the last minor version below the bound."""
    (torch,) = [each for each in map(Requirement, PROJECT["dependencies"]) if each.name == "torch"]
    bounds = {each.operator: each.version for each in torch.specifier}
    assert bounds.keys() == {">=", "<"}
    versions = {each["bound"]: each["torch"] for each in JOBS["torch"]["strategy"]["matrix"]["include"]}
    assert versions.keys() == {"oldest", "newest"}
    assert versions["oldest"] == bounds[">="]
    major, minor = map(int, versions["newest"].split("."))
    assert f"{major}.{minor + 1}" == bounds["<"]


def test_ci_tests_by_the_command_of_the_readme() -> None:
    """As `.ci/run` does."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"<!-- command: test -->\n```sh\n(.*?)\n```", readme, flags=re.DOTALL)
    commands = [step.get("run", "").strip() for step in JOBS["test"]["steps"]]
    assert command in commands


def test_ci_lints_as_the_script_does() -> None:
    """Format, rules and types."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    lint = re.findall(r"^\.venv/bin/(?:ruff|mypy).*$", script, flags=re.MULTILINE)
    assert len(lint) == 3
    assert [step["run"] for step in JOBS["lint"]["steps"] if step.get("run") in lint] == lint


def test_ci_holds_no_secret_and_may_only_read() -> None:
    """Whoever opens a pull request runs it."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "secrets." not in text
    assert read(ROOT / ".github" / "workflows" / "ci.yml")["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_whoever_opens_an_issue_is_told_of_the_doctor(path: Path) -> None:
    """In a bug report its output is required."""
    assert "normzoo doctor" in path.read_text(encoding="utf-8")
    required = [
        field["id"] for field in read(path).get("body", []) if field.get("validations", {}).get("required", False)
    ]
    assert ("doctor" in required) == (path.stem == "bug")


def test_there_are_forms_for_bugs_and_wishes() -> None:
    """And a page that says where else to look."""
    assert [path.stem for path in FORMS] == ["bug", "config", "feature"]


def test_commits_are_checked_by_the_tools_of_ci() -> None:
    """By the rules and format of ruff, and by mypy; what a report holds to the letter is left alone."""
    config = read(ROOT / ".pre-commit-config.yaml")
    hooks = {hook["id"] for repository in config["repos"] for hook in repository["hooks"]}
    assert {"ruff-check", "ruff-format", "mypy", "trailing-whitespace", "end-of-file-fixer"} <= hooks
    assert re.search(config["exclude"], "reports/digits.md")
    assert not re.search(config["exclude"], "normzoo/report/tables.py")


def test_the_project_says_where_it_is() -> None:
    """On the package's page."""
    assert {"Homepage", "Issues", "Changelog"} <= PROJECT["urls"].keys()
    assert all(url.startswith(PROJECT["urls"]["Homepage"]) for url in PROJECT["urls"].values())


def test_no_file_has_more_than_400_lines() -> None:
    """One that grows beyond is cut along a concept, or says less."""
    files = [path for folder in ("normzoo", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(lengths) > 100
    assert {name: length for name, length in lengths.items() if length > 400} == {}
