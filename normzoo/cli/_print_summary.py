"""Shows a summary in the terminal. Goes to stdout."""

from collections.abc import Mapping

from rich.console import Console

from normzoo.experiment.results.records import RunRecord
from normzoo.report import Summary, failure_lines, findings, to_rich
from normzoo.report import runs_without_result as lost_runs


def print_summary(summary: Summary, records: Mapping[str, RunRecord], console: Console) -> None:
    """Print the tables, the findings under them, and the runs that have no result."""
    console.print(*to_rich(summary, width=console.width))
    console.print()
    for finding in findings(summary):
        console.print(f"- {finding}", markup=False, highlight=False)
    lost = lost_runs(records)
    if lost:
        again = any(record.status != "diverged" for record in lost)
        hint = "; `--rerun failed` tries again those that did not diverge" if again else ""
        console.print(f"\nRuns without a result ({len(lost)}){hint}:", highlight=False)
        for line in failure_lines(records):
            console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
