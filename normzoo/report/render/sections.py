"""The sections of a report: one list, which the terminal, the markdown, the page and the LaTeX file all render."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from normzoo.registry import session_specs
from normzoo.report.analysis.findings import eval_stats_findings, main_findings, reference_findings
from normzoo.report.analysis.notes import Provenance
from normzoo.report.analysis.numbers import Summary, Table
from normzoo.report.analysis.wording import difference_unit, direction, enumerated, in_unit
from normzoo.report.render.cells import (
    Grid,
    effect_grid,
    eval_stats_grid,
    further_grid,
    lr_grid,
    places_grid,
    reference_grid,
    value_grid,
)
from normzoo.report.render.legends import (
    dataset,
    effect_legend,
    eval_stats_legend,
    further_legend,
    legend,
    lr_title,
    places_legend,
    power_sentence,
    reference_heading,
    reference_legend,
    samples_sentence,
    title,
)
from normzoo.report.render.method import limitations, method
from normzoo.visible import one_line


class Depth(IntEnum):
    """Where a section is shown: always, with ``--details``, or in files alone; the lower ones include the higher."""

    BRIEF = 0
    DETAILS = 1
    FILE = 2


@dataclass(frozen=True, kw_only=True)
class Part:
    """A table, and what it shows.

    Attributes:
        title: a heading of its own; empty where that of the section will do.
        grid: the table.
        findings: what it shows, in sentences.
        notes: what a reader should know of it.
    """

    title: str = ""
    grid: Grid | None = None
    findings: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report.

    Attributes:
        title: its heading.
        depth: where it is shown.
        parts: its tables.
        bullets: sentences, each for itself.
        legend: explains the tables.
        figures: the kinds of the plots that stand in it.
        code: a language and a text to be shown as it is.
        folded: it is opened by whoever wants it.
    """

    title: str
    depth: Depth
    parts: Sequence[Part] = ()
    bullets: Sequence[str] = ()
    legend: str = ""
    figures: Sequence[str] = ()
    code: tuple[str, str] | None = None
    folded: bool = False


def heading(summary: Summary) -> str:
    """Name the report, in one line."""
    matrix = summary.matrix
    sizes = ", ".join(map(str, matrix.batch_sizes))
    return (
        one_line(summary.title)
        or f"Norms in {enumerated(summary.templates)} on {dataset(matrix)} at batch size {sizes}"
    )


def sections(
    summary: Summary, *, provenance: Provenance | None = None, command: str = "", failures: Sequence[str] = ()
) -> list[Section]:
    """Return all that there is to say, in the order in which one reads it.

    Args:
        summary: the numbers.
        provenance: where they come from; without it nothing is said of that.
        command: what to type to get them again.
        failures: one line per run without a result.
    """
    return [
        *_values(summary),
        *_eval_stats(summary),
        *_failures(failures),
        *_vs_reference(summary),
        *_effect(summary),
        *_places(summary),
        *_further(summary),
        Section(title="Learning curves", depth=Depth.FILE, figures=("curves", "seconds")),
        Section(title="Training, validation and test", depth=Depth.FILE, figures=("gap",)),
        *(_origin(summary, provenance, command) if provenance else ()),
    ]


def _values(summary: Summary) -> Iterator[Section]:
    """Give every template a section; what explains all of them stands in the last."""
    for template, table in zip(summary.matrix.templates, summary.tables, strict=True):
        is_last = table is summary.tables[-1]
        parts = [
            Part(grid=value_grid(summary, table), findings=main_findings(summary, table), notes=table.notes),
            *_learning_rates(summary, table),
        ]
        yield Section(
            title=title(summary, template),
            depth=Depth.BRIEF,
            parts=parts,
            legend=legend(summary) if is_last else "",
            figures=("values", "error") if is_last else (),
        )


def _learning_rates(summary: Summary, table: Table) -> Iterator[Part]:
    if summary.matrix.lrs:
        yield Part(title=lr_title(summary, table.template), grid=lr_grid(summary, table))


def _eval_stats(summary: Summary) -> Iterator[Section]:
    parts = [
        Part(
            title=table.template,
            grid=eval_stats_grid(summary, table),
            findings=eval_stats_findings(summary.metric, table),
        )
        for table in summary.tables
        if any(cell.eval_stats for cell in table.cells)
    ]
    if parts:
        yield Section(
            title="Statistics at evaluation", depth=Depth.BRIEF, parts=parts, legend=eval_stats_legend(summary)
        )


def _places(summary: Summary) -> Iterator[Section]:
    parts = [
        Part(title=table.template, grid=places_grid(table, summary.matrix.norms_in(template)))
        for template, table in zip(summary.matrix.templates, summary.tables, strict=True)
        if any(cell.places for cell in table.cells)
    ]
    if parts:
        yield Section(
            title="Values per statistic", depth=Depth.DETAILS, parts=parts, legend=places_legend(summary.matrix)
        )


def _failures(failures: Sequence[str]) -> Iterator[Section]:
    if failures:
        is_worth_a_retry = any(not line.startswith(("diverged", "and ")) for line in failures)
        hint = "The same command with --rerun failed tries again those that did not diverge."
        yield Section(
            title="Runs without a result",
            depth=Depth.BRIEF,
            code=("text", "\n".join(failures)),
            legend=hint if is_worth_a_retry else "",
        )


def _vs_reference(summary: Summary) -> Iterator[Section]:
    if len(summary.matrix.norms) < 2:
        return
    parts = [
        Part(
            title=table.template,
            grid=reference_grid(summary, table),
            findings=[
                *reference_findings(summary, table),
                *filter(None, [power_sentence(summary, table), samples_sentence(summary, table)]),
            ],
        )
        for table in summary.tables
    ]
    yield Section(
        title=reference_heading(summary),
        depth=Depth.DETAILS,
        parts=parts,
        legend=reference_legend(summary),
        figures=("forest",),
    )


def _effect(summary: Summary) -> Iterator[Section]:
    if len(summary.matrix.batch_sizes) < 2:
        return
    unit = in_unit(difference_unit(summary.metric))
    parts = [
        Part(title=f"{table.template},{unit} per doubling", grid=effect_grid(summary, table))
        for table in summary.tables
    ]
    yield Section(title="Effect of the batch size", depth=Depth.DETAILS, parts=parts, legend=effect_legend(summary))


def _further(summary: Summary) -> Iterator[Section]:
    parts = [
        Part(
            title=f"{table.template}: {metric.title}{in_unit(metric.unit)} ({direction(metric)})",
            grid=further_grid(summary, table, metric),
        )
        for metric in summary.metrics[1:]
        if any(metric.name in cell.further for cell in summary.cells)
        for table in summary.tables
    ]
    if parts:
        yield Section(title="Further metrics", depth=Depth.DETAILS, parts=parts, legend=further_legend(summary.matrix))


def _origin(summary: Summary, provenance: Provenance, command: str) -> Iterator[Section]:
    import yaml  # which the first table need not wait for

    yield Section(title="How it was measured", depth=Depth.DETAILS, bullets=list(method(summary, provenance)))
    yield Section(title="Limitations", depth=Depth.DETAILS, bullets=list(limitations(summary)))
    told = [
        f"{enumerated(known)} {'is' if len(known) == 1 else 'are'} of the Python session that was compared, where "
        "normzoo.compare was given the class or function itself; the command cannot name it: give it there again"
        for known in [session_specs(summary.matrix.settings())]
        if known
    ]
    yield Section(title="How to reproduce", depth=Depth.FILE, code=("sh", command), bullets=told)
    resolved = {**summary.matrix.settings(), "baseline": summary.matrix.reference}
    if not summary.matrix.optional:
        del resolved["optional"]  # it says something of some norms alone
    configuration = yaml.safe_dump(resolved, sort_keys=False, default_flow_style=None)
    facts = {
        **provenance.environment,
        "strategy": provenance.strategies,
        "runs recorded": (str(provenance.runs),),
        "training time, all runs": (f"{provenance.training_seconds:.1f} s",),
        "compute time, all runs, evaluation included": (f"{provenance.compute_seconds:.1f} s",),
    }
    yield Section(
        title="Configuration, versions and time",
        depth=Depth.FILE,
        code=("yaml", configuration.rstrip()),
        bullets=[f"{name}: {', '.join(values)}" for name, values in facts.items() if values],
        folded=True,
    )
