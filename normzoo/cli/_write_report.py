"""Summary in, files out: the markdown report and its plot."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from normzoo.errors import ConfigError
from normzoo.experiment.config import reproducing_command
from normzoo.experiment.records import RunRecord

if TYPE_CHECKING:
    from normzoo.report import Summary


def write_report(path: Path, summary: "Summary", records: Mapping[str, RunRecord]) -> list[Path]:
    """Write the report at ``path`` and its plot beside it, and return both paths.

    Raises:
        ConfigError: the path is no markdown file, or cannot be written.
    """
    from normzoo.report import failure_lines, provenance, to_markdown  # scipy and matplotlib take a while
    from normzoo.report.plots import accuracy_plot

    check_report_path(path)
    plot = path.with_suffix(".png")
    text = to_markdown(
        summary,
        provenance=provenance(records),
        command=reproducing_command(summary.matrix),
        plot_paths=[plot.name],
        failures=failure_lines(records),
    )
    try:
        accuracy_plot(summary, plot)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"report: '{path}' cannot be written: {error.strerror or error}") from error
    return [path, plot]


def check_report_path(path: Path) -> None:
    """Refuse a report that is no markdown file or cannot be written, before anything is trained for it."""
    if path.suffix != ".md" or path.is_dir():
        raise ConfigError(f"report: '{path}' must be a markdown file, NAME.md")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ConfigError(f"report: '{path}' cannot be written: {error.strerror or error}") from error
