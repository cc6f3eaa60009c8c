"""``normzoo report``: write stored results as markdown, or their tables as LaTeX."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import ValidationError

from normzoo.cli._flags import Force
from normzoo.cli._stores import all_flag, chosen_comparisons, comparisons_flag, tell_passed_over
from normzoo.errors import ConfigError
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.lookup import earlier_looks
from normzoo.experiment.results.store import Store
from normzoo.experiment.results.union import parts_of, read_comparison


def report(
    *,
    store: Annotated[Path, Parameter(help="File in which results are kept.")] = Path("normzoo.sqlite"),
    output: Annotated[
        Path,
        Parameter(
            name=["--output", "-o"], help="File to write: NAME.md, with its plots beside it, or NAME.tex, the tables."
        ),
    ],
    html: Annotated[bool, Parameter(help="Also write it as one self-contained page, NAME.html.", negative="")] = False,
    comparison: Annotated[
        list[int] | None,
        comparisons_flag("Number of the comparison in the store; the latest by default. Of several, 1,3, as one."),
    ] = None,
    all_: Annotated[bool, all_flag("All comparisons in the store as one.")] = False,
    baseline: Annotated[str | None, Parameter(help="Reference norm, if not that of the comparison.")] = None,
    target: Annotated[
        float | None,
        Parameter(help="Also show the time and the updates until the deciding metric reaches this on validation."),
    ] = None,
    title: Annotated[str, Parameter(help="Title of the report.", show_default=False)] = "",
    labels: Annotated[
        list[str] | None,
        Parameter(help='What a norm or a template is called, as my_norms:Good="Ours"; repeatable.', negative=""),
    ] = None,
    force: Force = False,
) -> int:
    """Write the results of a comparison as markdown, or its tables as LaTeX."""
    from normzoo.report import summarize
    from normzoo.report.files import check_report_path, write_report, written_line  # scipy and matplotlib take a while

    check_report_path(output, html=html, force=force)
    numbers = chosen_comparisons(comparison, all_)
    with Store(store, writable=False) as opened:
        matrix, records = read_comparison(opened, numbers)
        earlier = earlier_looks(matrix, opened.comparisons(), parts_of(opened, numbers))
    matrix = _looked_at(matrix, baseline=baseline, target=target)
    named = dict(map(_label, labels or ()))
    summary = summarize(matrix, records, labels=named, title=title, earlier=earlier)
    written = write_report(output, summary, records, html=html, force=force)
    sys.stdout.write(written_line(written))
    return tell_passed_over(opened)


def _label(text: str) -> tuple[str, str]:
    """Split what is called something from what it is called, which has no equals sign.

    >>> _label("my_norms:Good:groups=4=Ours")
    ('my_norms:Good:groups=4', 'Ours')
    """
    name, equals, label = text.rpartition("=")
    if not equals or not name:
        raise ConfigError(f"labels: '{text}' is no NAME=LABEL, such as batch=BN")
    return name, label


def _looked_at(matrix: MatrixSpec, **settings: str | float | None) -> MatrixSpec:
    """Return the matrix with the settings that are given."""
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        return MatrixSpec.model_validate({**matrix.model_dump(), **given})
    except ValidationError as error:
        problems = [
            str(detail["ctx"]["error"]) if "ctx" in detail else f"{detail['loc'][0]}: {detail['msg']}"
            for detail in error.errors()
        ]
        raise ConfigError("; ".join(problems)) from None
