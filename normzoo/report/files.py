"""Summary in, files out: the markdown report, its plots, and the same as one page."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from normzoo.errors import ConfigError
from normzoo.experiment.config.resolve import reproducing_command
from normzoo.experiment.results.records import RunRecord

if TYPE_CHECKING:
    from normzoo.report import Summary


def write_report(path: Path, summary: "Summary", records: Mapping[str, RunRecord], *, html: bool = False) -> list[Path]:
    """Write the report at ``path`` and its plots beside it, with ``html`` also as one page, and return what is written.

    Raises:
        ConfigError: the path is no markdown file, or cannot be written.
    """
    from normzoo.report import (
        failure_lines,
        heading,
        provenance,
        sections,
        to_markdown,
    )  # scipy and matplotlib take a while
    from normzoo.report.plots import write_plots

    check_report_path(path)
    try:
        plots = write_plots(summary, path.with_suffix(""))
        said = sections(
            summary,
            provenance=provenance(records),
            command=reproducing_command(summary.matrix),
            failures=failure_lines(records),
        )
        text = to_markdown(heading(summary), said, plots=plots)
        path.write_text(text, encoding="utf-8")
        written = [path, *(file for plot in plots for file in (plot.svg, plot.png))]
        if html:
            from normzoo.report.page.html import to_html

            page = path.with_suffix(".html")
            page.write_text(
                to_html(text, images={plot.png.name: plot.svg.read_text(encoding="utf-8") for plot in plots}),
                encoding="utf-8",
            )
            written.append(page)
    except OSError as error:
        raise ConfigError(f"report: '{path}' cannot be written: {error.strerror or error}") from error
    return written


def written_line(written: list[Path]) -> str:
    """Say what was written: the report and the page by name, the plots by their number."""
    documents = [str(path) for path in written if path.suffix in (".md", ".html")]
    plots = sum(path.suffix == ".png" for path in written)
    beside = f", and {plots} plot{'s' if plots > 1 else ''} beside it, each as SVG and PNG" if plots else ""
    return f"written: {', '.join(documents)}{beside}\n"


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
