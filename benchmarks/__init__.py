"""Benchmarks of normzoo against other tools. Run from a checkout; not installed with the package."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from normzoo.errors import ConfigError
from normzoo.outputs import check_output, marked, write_outputs


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
    words = [word for word in sys.argv[1:] if word != "--force"]
    if len(words) != len(names) or any(word.startswith("-") for word in words):
        sys.exit(f"error: give {' '.join(names)}, and --force to overwrite what no benchmark wrote")
    return words, "--force" in sys.argv
