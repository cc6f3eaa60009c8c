"""The report in markdown, for a code host. The same records give the same text."""

import re
from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import quote

import yaml

from normzoo.experiment.spec import MatrixSpec
from normzoo.registry import TEMPLATES
from normzoo.report._captions import counted, dataset, legend, selection, sweep_title, title, training
from normzoo.report._cells import accuracy_lines, change_header, change_lines, seconds_range, tried_text
from normzoo.report._numbers import Row, Summary, Table
from normzoo.report.findings import findings
from normzoo.report.provenance import Provenance


def to_markdown(
    summary: Summary,
    *,
    provenance: Provenance,
    command: str,
    plot_paths: Sequence[str | PurePath] = (),
    failures: Sequence[str] = (),
) -> str:
    """Write the report.

    Args:
        summary: the numbers.
        provenance: where they come from.
        command: what to type to get them again.
        plot_paths: images, relative to the folder of the report.
        failures: one line per run without a result.

    Raises:
        ValueError: a plot's path is absolute, so the report could not be moved.
    """
    blocks = [
        f"# {_heading(summary.matrix)}",
        "\n".join(f"- {finding}" for finding in findings(summary)),
        *(block for table in summary.tables for block in _section(summary, table)),
        legend(summary),
        *(_image(summary.matrix, path) for path in plot_paths),
        *(["## Runs without a result", _fenced("\n".join(failures), "text")] if failures else []),
        "## How it was measured",
        "\n".join(f"- {line}" for line in _method(summary.matrix, provenance)),
        "## How to reproduce",
        _fenced(command, "sh"),
        _details(summary.matrix, provenance),
    ]
    return "\n\n".join(blocks) + "\n"


def _heading(matrix: MatrixSpec) -> str:
    sizes = ", ".join(map(str, matrix.batch_sizes))
    return f"Norms in {' and '.join(matrix.templates)} on {dataset(matrix)} at batch size {sizes}"


def _section(summary: Summary, table: Table) -> list[str]:
    blocks = [f"## {title(summary.matrix, table.template)}", _pipe_table(summary.matrix, table)]
    if summary.matrix.lrs:
        blocks += [sweep_title(summary.matrix, table.template), _sweep_table(summary.matrix, table)]
    return [*blocks, "\n".join(f"- {note}" for note in table.notes)] if table.notes else blocks


def _sweep_table(matrix: MatrixSpec, table: Table) -> str:
    header = ["norm", "batch size", *(f"{rate:g}" for rate in matrix.rates)]
    rows = [
        [f"`{row.norm}`", str(cell.batch_size), *(tried_text(cell, tried) for tried in cell.tried)]
        for row in table.rows
        for cell in row.cells
    ]
    return "\n".join(map(_pipe_row, [header, [":--", *["--:"] * (len(header) - 1)], *rows]))


def _pipe_table(matrix: MatrixSpec, table: Table) -> str:
    changes = [change_header(matrix.batch_sizes)] if len(matrix.batch_sizes) > 1 else []
    header = ["norm", *(f"batch {size}" for size in matrix.batch_sizes), *changes, "s/epoch"]
    rule = [":--", *["--:"] * (len(header) - 1)]
    return "\n".join(map(_pipe_row, [header, rule, *(_texts(row, bool(changes)) for row in table.rows)]))


def _texts(row: Row, has_change: bool) -> list[str]:
    accuracies = [" ".join(accuracy_lines(cell)) for cell in row.cells]
    change = [" ".join(change_lines(row))] if has_change else []
    return [f"`{row.norm}`", *accuracies, *change, seconds_range(row)]


def _pipe_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


def _image(matrix: MatrixSpec, path: str | PurePath) -> str:
    if PurePath(path).is_absolute():
        raise ValueError(f"to_markdown: plot paths must be relative to the report's folder, got '{path}'")
    return f"![Test accuracy against batch size on {dataset(matrix)}]({quote(PurePath(path).as_posix())})"


def _fenced(text: str, language: str) -> str:
    """Fence a block with more backticks than any run of them within it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _method(matrix: MatrixSpec, provenance: Provenance) -> list[str]:
    checksums = ", ".join(f"`{checksum}`" for checksum in provenance.dataset_checksums) or "unknown"
    placed = [name for name in matrix.templates if "placement" in TEMPLATES[name].options]
    before = {"post": "after", "pre": "before"}[matrix.placement]
    return [
        f"Dataset: {dataset(matrix)}, checksum of its arrays and their split {checksums}.",
        training(matrix),
        "Updates: an epoch is one pass over the training set at every batch size, so a smaller one makes more updates.",
        *([f"Placement: the norm stands {before} the activation ({', '.join(placed)})."] if placed else []),
        f"Selection: {selection(matrix)}",
        f"Pairing: {counted(matrix.seeds, 'seed')}, counted from 0; with the same seed all norms have the same initial "
        "weights where they share them, and see the data in the same order.",
    ]


def _details(matrix: MatrixSpec, provenance: Provenance) -> str:
    configuration = yaml.safe_dump(matrix.model_dump(mode="json"), sort_keys=False, default_flow_style=None)
    facts = {
        **provenance.environment,
        "engine": provenance.engines,
        "runs recorded": (str(provenance.runs),),
        "training time, all runs": (f"{provenance.training_seconds:.1f} s",),
    }
    lines = "\n".join(f"- {name}: {', '.join(values)}" for name, values in facts.items() if values)
    return "\n\n".join(
        [
            "<details>\n<summary>Configuration, versions and time</summary>",
            _fenced(configuration.rstrip(), "yaml"),
            lines,
            "</details>",
        ]
    )
