"""The report in markdown, for a code host. The same records give the same text."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

import yaml

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report.analysis.findings import findings
from normzoo.report.analysis.notes import Provenance
from normzoo.report.analysis.numbers import Summary
from normzoo.report.analysis.wording import difference_unit, direction, in_unit
from normzoo.report.render.cells import (
    NORM,
    Grid,
    baseline_grid,
    effect_grid,
    further_grid,
    lr_grid,
    value_grid,
)
from normzoo.report.render.illustrations import Plot
from normzoo.report.render.legends import (
    baseline_heading,
    baseline_legend,
    dataset,
    effect_legend,
    further_legend,
    legend,
    lr_title,
    power_sentence,
    title,
    untested_note,
)
from normzoo.report.render.method import limitations, method


def to_markdown(
    summary: Summary,
    *,
    provenance: Provenance,
    command: str,
    plots: Sequence[Plot] = (),
    failures: Sequence[str] = (),
) -> str:
    """Write the report.

    Args:
        summary: the numbers.
        provenance: where they come from.
        command: what to type to get them again.
        plots: images in the folder of the report.
        failures: one line per run without a result.
    """
    images = {plot.kind: _image(plot) for plot in plots}
    blocks = [
        f"# {escaped(_heading(summary.matrix))}",
        _bullets(map(escaped, findings(summary))),
        *_values(summary, images),
        *_vs_baseline(summary, images),
        *_effect(summary),
        *_further(summary),
        *_training(images),
        *_failures(failures),
        "## How it was measured",
        _bullets(method(summary, provenance)),
        "## Limitations",
        _bullets(limitations(summary)),
        "## How to reproduce",
        _fenced(command, "sh"),
        _details(summary.matrix, provenance),
    ]
    return "\n\n".join(blocks) + "\n"


def brief(summary: Summary) -> str:
    """Write the findings and the tables of values alone, in markdown."""
    blocks = [f"# {escaped(_heading(summary.matrix))}", _bullets(map(escaped, findings(summary)))]
    return "\n\n".join([*blocks, *_values(summary, {})]) + "\n"


def _heading(matrix: MatrixSpec) -> str:
    sizes = ", ".join(map(str, matrix.batch_sizes))
    return f"Norms in {' and '.join(matrix.templates)} on {dataset(matrix)} at batch size {sizes}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _values(summary: Summary, images: Mapping[str, str]) -> Iterator[str]:
    for table in summary.tables:
        yield f"## {escaped(title(summary.matrix, table.template))}"
        yield _pipe_table(value_grid(summary, table))
        if summary.matrix.lrs:
            yield lr_title(summary, table.template)
            yield _pipe_table(lr_grid(summary, table))
        if table.notes:
            yield _bullets(map(escaped, table.notes))
    yield escaped(legend(summary))
    yield from _present(images, "values", "error")


def _vs_baseline(summary: Summary, images: Mapping[str, str]) -> Iterator[str]:
    if len(summary.matrix.norms) < 2:
        return
    yield f"## {escaped(baseline_heading(summary.matrix))}"
    for table in summary.tables:
        yield f"### {table.template}"
        yield _pipe_table(baseline_grid(summary, table))
        notes = [
            untested_note(summary.vs_baseline, f"differences from {summary.matrix.reference}"),
            power_sentence(summary, table),
        ]
        if any(notes):
            yield _bullets(map(escaped, filter(None, notes)))
    yield escaped(baseline_legend(summary))
    yield from _present(images, "forest")


def _effect(summary: Summary) -> Iterator[str]:
    if len(summary.matrix.batch_sizes) < 2:
        return
    unit = in_unit(difference_unit(summary.metric))
    yield "## Effect of the batch size"
    for table in summary.tables:
        yield f"### {table.template},{unit} per doubling"
        yield _pipe_table(effect_grid(summary, table))
        if note := untested_note(summary.contrasts, "contrasts"):
            yield f"- {note}"
    yield escaped(effect_legend(summary))


def _further(summary: Summary) -> Iterator[str]:
    metrics = [metric for metric in summary.metrics[1:] if any(metric.name in cell.further for cell in summary.cells)]
    if not metrics:
        return
    yield "## Further metrics"
    for metric in metrics:
        for table in summary.tables:
            yield f"### {table.template}: {escaped(metric.title)}{in_unit(metric.unit)} ({direction(metric)})"
            yield _pipe_table(further_grid(summary, table, metric))
    yield further_legend(summary.matrix)


def _training(images: Mapping[str, str]) -> Iterator[str]:
    curves, gap = _present(images, "curves", "seconds"), _present(images, "gap")
    if curves:
        yield "## Learning curves"
        yield from curves
    if gap:
        yield "## Training, validation and test"
        yield from gap


def _failures(failures: Sequence[str]) -> Iterator[str]:
    if failures:
        yield "## Runs without a result"
        yield _fenced("\n".join(failures), "text")
        if any(not line.startswith("diverged") for line in failures):
            yield "The command below with `--rerun failed` tries again those that did not diverge."


def _present(images: Mapping[str, str], *names: str) -> list[str]:
    return [images[name] for name in names if name in images]


def _pipe_table(grid: Grid) -> str:
    groups = ["batch size"] if grid.groups else []
    header = [NORM, *groups, *(escaped(column.header) for column in grid.columns)]
    rule = [":--", *("--:" for _ in groups), *("--:" for _ in grid.columns)]
    rows = [
        [
            f"`{label}`",
            *([grid.groups[index].removeprefix("batch ")] if grid.groups else []),
            *(" ".join(column.cells[index]) for column in grid.columns),
        ]
        for index, label in enumerate(grid.labels)
    ]
    return "\n".join(map(_pipe_row, [header, rule, *rows]))


def escaped(text: str) -> str:
    r"""Write text in which names are as users chose them so that markdown shows it as it is.

    >>> escaped("my_norms:Mine of <b> and *x*")
    'my_norms:Mine of \\<b> and \\*x\\*'
    """
    return re.sub(r"([\\`*<&\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def _pipe_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


def _image(plot: Plot) -> str:
    return f"![{escaped(plot.text)}]({quote(plot.png.name)})"


def _fenced(text: str, language: str) -> str:
    """Fence a block with more backticks than any run of them within it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _details(matrix: MatrixSpec, provenance: Provenance) -> str:
    resolved = {**matrix.model_dump(mode="json"), "baseline": matrix.reference}
    configuration = yaml.safe_dump(resolved, sort_keys=False, default_flow_style=None)
    facts = {
        **provenance.environment,
        "strategy": provenance.strategies,
        "runs recorded": (str(provenance.runs),),
        "training time, all runs": (f"{provenance.training_seconds:.1f} s",),
        "compute time, all runs, evaluation included": (f"{provenance.compute_seconds:.1f} s",),
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
