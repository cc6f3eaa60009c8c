"""Summary in, files out: the report in markdown with its plots, the same as one page, or its tables in LaTeX."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from normzoo.errors import ConfigError
from normzoo.experiment.config.resolve import reproducing_command
from normzoo.experiment.results.records import RunRecord

if TYPE_CHECKING:
    from normzoo.report import Section, Summary

MARKDOWN, LATEX = ".md", ".tex"


def write_report(path: Path, summary: "Summary", records: Mapping[str, RunRecord], *, html: bool = False) -> list[Path]:
    """Write the report at ``path``, and return what is written.

    Markdown has its plots beside it, and with ``html`` also a page; a LaTeX file has the tables alone.

    Raises:
        ConfigError: the path is neither a markdown nor a LaTeX file, or cannot be written, or is LaTeX with ``html``.
    """
    from normzoo.report import failure_lines, heading, provenance, sections, to_latex  # scipy takes a while

    check_report_path(path, html=html)
    said = sections(
        summary,
        provenance=provenance(records),
        command=reproducing_command(summary.matrix),
        failures=failure_lines(records),
    )
    try:
        if path.suffix == LATEX:
            path.write_text(to_latex(heading(summary), said), encoding="utf-8")
            return [path]
        return _write_markdown(path, summary, said, html=html)
    except OSError as error:
        raise ConfigError(f"report: '{path}' cannot be written: {error.strerror or error}") from error


def _write_markdown(path: Path, summary: "Summary", said: "Sequence[Section]", *, html: bool) -> list[Path]:
    from normzoo.report import heading, to_markdown
    from normzoo.report.plots import write_plots  # matplotlib takes a while

    plots = write_plots(summary, path.with_suffix(""))
    text = to_markdown(heading(summary), said, plots=plots)
    path.write_text(text, encoding="utf-8")
    written = [path, *(file for plot in plots for file in (plot.svg, plot.png))]
    if html:
        from normzoo.report.page.html import to_html

        page = path.with_suffix(".html")
        images = {plot.png.name: plot.svg.read_text(encoding="utf-8") for plot in plots}
        page.write_text(to_html(text, images=images), encoding="utf-8")
        written.append(page)
    return written


def written_line(written: list[Path]) -> str:
    """Say what was written: the report and the page by name, the plots by their number."""
    documents = [str(path) for path in written if path.suffix in (MARKDOWN, LATEX, ".html")]
    plots = sum(path.suffix == ".png" for path in written)
    beside = f", and {plots} plot{'s' if plots > 1 else ''} beside it, each as SVG and PNG" if plots else ""
    return f"written: {', '.join(documents)}{beside}\n"


def check_report_path(path: Path, *, html: bool = False, suffixes: Sequence[str] = (MARKDOWN, LATEX)) -> None:
    """Refuse a report of another kind, or that cannot be written, before anything is trained for it."""
    if path.suffix not in suffixes or path.is_dir():
        kinds = {MARKDOWN: "a markdown file, NAME.md", LATEX: "a LaTeX file, NAME.tex"}
        raise ConfigError(f"report: '{path}' must be {' or '.join(kinds[suffix] for suffix in suffixes)}")
    if html and path.suffix != MARKDOWN:
        raise ConfigError(f"html: a page is made of a markdown file, not of '{path}'; name it NAME.md")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ConfigError(f"report: '{path}' cannot be written: {error.strerror or error}") from error
