"""Shows a summary in the terminal. Goes to stdout."""

from collections.abc import Mapping

from rich.console import Console

from normzoo.experiment.records import RunRecord
from normzoo.report import Summary, failure_lines, findings, to_rich


def show(summary: Summary, records: Mapping[str, RunRecord], console: Console) -> None:
    """Print the tables, the findings under them, and the runs that have no result."""
    console.print(*to_rich(summary, width=console.width))
    console.print()
    for finding in findings(summary):
        console.print(f"- {finding}", markup=False, highlight=False)
    failures = failure_lines(records)
    if failures:
        again = any(record.status not in ("ok", "diverged", "interrupted") for record in records.values())
        hint = "; `--rerun failed` tries again those that did not diverge" if again else ""
        console.print(f"\nRuns without a result ({len(failures)}){hint}:", highlight=False)
        for line in failures:
            console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
