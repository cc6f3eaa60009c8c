"""``normzoo report``: write stored results as markdown."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import ValidationError

from normzoo.errors import ConfigError
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.lookup import find_comparison
from normzoo.experiment.results.store import Store


def report(
    *,
    store: Annotated[Path, Parameter(help="File in which results are kept.")] = Path("normzoo.sqlite"),
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Markdown file to write; its plots go beside it.")],
    html: Annotated[bool, Parameter(help="Also write it as one self-contained page, NAME.html.", negative="")] = False,
    comparison: Annotated[
        int | None, Parameter(help="Number of the comparison in the store; the latest by default.")
    ] = None,
    baseline: Annotated[
        str | None, Parameter(help="Norm that the others are held against, if not that of the comparison.")
    ] = None,
) -> int:
    """Write the results of a comparison as markdown."""
    from normzoo.report import summarize
    from normzoo.report.files import write_report, written_line  # scipy and matplotlib take a while

    with Store(store, writable=False) as opened:
        comparisons = opened.comparisons()
        latest = max(comparisons, key=lambda each: (each.created_at, each.id), default=None)
        chosen = latest if latest and comparison is None else find_comparison(comparison or 0, comparisons, store)
        records = opened.records(chosen.keys)
    matrix = chosen.matrix if baseline is None else _against(chosen.matrix, baseline)
    written = write_report(output, summarize(matrix, records), records, html=html)
    sys.stdout.write(written_line(written))
    return 0


def _against(matrix: MatrixSpec, baseline: str) -> MatrixSpec:
    try:
        return MatrixSpec.model_validate({**matrix.model_dump(), "baseline": baseline})
    except ValidationError as error:
        raise ConfigError("; ".join(str(detail["ctx"]["error"]) for detail in error.errors())) from None
