"""Summary in, files out: the report in markdown with its plots, the same as one page, or its tables in LaTeX."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from normzoo.errors import ConfigError
from normzoo.experiment.config.resolve import reproducing_command
from normzoo.experiment.results.records import RunRecord
from normzoo.outputs import check_output, marked, write_outputs

if TYPE_CHECKING:
    from normzoo.report import Section, Summary

MARKDOWN, LATEX, HTML = ".md", ".tex", ".html"


def write_report(
    path: Path, summary: "Summary", records: Mapping[str, RunRecord], *, html: bool = False, force: bool = False
) -> list[Path]:
    """Write the report at ``path``, all of its files or none, and return what is written.

    Markdown has its plots beside it, and with ``html`` also a page; a LaTeX file has the tables alone.

    Raises:
        ConfigError: the path is neither a markdown nor a LaTeX file, or is LaTeX with ``html``, or one of the files
            must not be written (``check_output``) or cannot be.
    """
    from normzoo.report import failure_lines, heading, provenance, sections, to_latex  # scipy takes a while

    check_report_path(path, html=html, force=force)
    said = sections(
        summary,
        provenance=provenance(records),
        command=reproducing_command(summary.matrix),
        failures=failure_lines(records),
    )
    if path.suffix == LATEX:
        files = {path: marked(to_latex(heading(summary), said), LATEX)}
    else:
        files = _markdown_files(path, summary, said, html=html)
    write_outputs(files, "report", force=force)
    return list(files)


def _markdown_files(path: Path, summary: "Summary", said: "Sequence[Section]", *, html: bool) -> dict[Path, bytes]:
    from normzoo.report import heading, planned_plots, to_markdown
    from normzoo.report.plots import plot_files  # matplotlib takes a while

    plots = planned_plots(summary, path.with_suffix(""))
    text = to_markdown(heading(summary), said, plots=plots)
    files = {path: marked(text, MARKDOWN), **plot_files(summary, plots)}
    if html:
        from normzoo.report.page.html import to_html

        images = {plot.png.name: files[plot.svg].decode() for plot in plots}
        files[path.with_suffix(HTML)] = marked(to_html(text, images=images), HTML)
    return files


def written_line(written: list[Path]) -> str:
    """Say what was written: the report and the page by name, the plots by their number."""
    documents = [str(path) for path in written if path.suffix in (MARKDOWN, LATEX, HTML)]
    plots = sum(path.suffix == ".png" for path in written)
    beside = f", and {plots} plot{'s' if plots > 1 else ''} beside it, each as SVG and PNG" if plots else ""
    return f"written: {', '.join(documents)}{beside}\n"


def check_report_path(
    path: Path, *, html: bool = False, force: bool = False, suffixes: Sequence[str] = (MARKDOWN, LATEX)
) -> None:
    """Refuse a report of another kind, or that cannot be written, before anything is trained for it."""
    if path.suffix not in suffixes or path.is_dir():
        kinds = {MARKDOWN: "a markdown file, NAME.md", LATEX: "a LaTeX file, NAME.tex"}
        page = "; a page is made beside it by --html" if path.suffix == HTML and LATEX in suffixes else ""
        raise ConfigError(f"report: '{path}' must be {' or '.join(kinds[suffix] for suffix in suffixes)}{page}")
    if html and path.suffix != MARKDOWN:
        raise ConfigError(f"html: a page is made of a markdown file, not of '{path}'; name it NAME.md")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ConfigError(f"report: '{path}' cannot be written: {error.strerror or error}") from error
    for file in (path, path.with_suffix(HTML)) if html else (path,):
        check_output(file, "report", force=force)
