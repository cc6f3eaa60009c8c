"""What is left of a column's results if all are to be from one engine."""

from collections import Counter
from collections.abc import Mapping

from normzoo.experiment.records import RunRecord

WITH_RESULT = ("ok", "diverged")


def of_one_engine(records: Mapping[str, RunRecord]) -> tuple[dict[str, RunRecord], dict[str, list[str]]]:
    """Leave out results from the less frequent engine of each column, and say so in notes by template.

    There are two only where a change of engine was interrupted; the next comparison trains the rest again.
    """
    columns: dict[tuple[str, int], Counter[str]] = {}
    for record in records.values():
        if record.status in WITH_RESULT:
            columns.setdefault((record.spec.template, record.spec.batch_size), Counter())[record.engine] += 1
    left_out = {
        column: min(engines, key=lambda engine: (engines[engine], engine))
        for column, engines in columns.items()
        if len(engines) > 1
    }
    notes: dict[str, list[str]] = {}
    for (template, batch_size), engine in left_out.items():
        count = columns[template, batch_size][engine]
        notes.setdefault(template, []).append(
            f"at batch size {batch_size} {count} run{'s' if count > 1 else ''} from the engine {engine} "
            f"{'are' if count > 1 else 'is'} left out, as the others are not; repeat the comparison"
        )
    kept = {
        key: record
        for key, record in records.items()
        if record.status not in WITH_RESULT
        or left_out.get((record.spec.template, record.spec.batch_size)) != record.engine
    }
    return kept, notes
