"""Benchmarks of normzoo against other tools. Run from a checkout; not installed with the package."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from normzoo.errors import ConfigError
from normzoo.outputs import check_output, marked, write_outputs

HELP = {"PATH": "of what is written, PATH.json and PATH.md", "COMPARISONS": "how many to simulate of each kind"}
"""What the words of a benchmark's command line mean."""


def check_record(path: Path, *, force: bool) -> None:
    """End with a line where PATH.json or PATH.md must not be written, before anything is measured for them."""
    try:
        for suffix in (".json", ".md"):
            check_output(path.with_suffix(suffix), "PATH", force=force)
    except ConfigError as error:
        sys.exit(f"error: {error}")


def write_record(benchmark: str, path: Path, measured: Mapping[str, Any], page: str, *, force: bool) -> None:
    """Write what a benchmark measured to PATH.json, and its page to PATH.md; end with a line where that cannot be."""
    content = json.dumps({"benchmark": benchmark, **measured}, indent=1) + "\n"
    files = {path.with_suffix(".json"): content.encode(), path.with_suffix(".md"): marked(page, ".md")}
    try:
        write_outputs(files, "PATH", force=force)
    except ConfigError as error:
        sys.exit(f"error: {error}")


def arguments(*names: str) -> tuple[list[str], bool]:
    """Return the words of the command line, and whether ``--force`` is among them; end with a line where one lacks."""
    benchmark = sys.modules["__main__"]
    about = (benchmark.__doc__ or "").partition("``: ")[2]
    module = getattr(benchmark, "__spec__", None)
    name = f"python -m {module.name}" if module else None
    parser = argparse.ArgumentParser(prog=name, description=about[:1].upper() + about[1:])
    for name in names:
        parser.add_argument(name, help=HELP[name])
    parser.add_argument("--force", action="store_true", help="overwrite what no benchmark wrote")
    given = vars(parser.parse_args())
    return [given[name] for name in names], given["force"]
