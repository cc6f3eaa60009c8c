"""``normzoo merge``: put the stores of several machines together."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from normzoo.cli import EXIT_FAILED_RUNS, EXIT_INTERRUPTED
from normzoo.cli._stores import tell_passed_over
from normzoo.cli._tables import format_distinct, test_result
from normzoo.errors import StoreError, counted
from normzoo.experiment.results.difference import Conflict, first_apart, plan_merge
from normzoo.experiment.results.lookup import short_length
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.experiment.results.store import Store
from normzoo.interrupts import interrupts_raised
from normzoo.visible import visible

_OnConflict = Literal["keep", "replace"]
_AT_ONCE = 500
"""How many runs are in memory at a time."""


def merge(
    *sources: Annotated[Path, Parameter(help="Stores to read; nothing is written to them.")],
    into: Annotated[Path, Parameter(help="Store to write; made if it is not there.")],
    on_conflict: Annotated[
        _OnConflict, Parameter(help="Where a run has another result already: keep that, or replace it.")
    ] = "keep",
) -> int:
    """Put the runs and comparisons of several stores into one, all or nothing."""
    _check(sources, into)
    lines: list[str] = []
    conflicts: list[tuple[str, str]] = []
    stores: list[Store] = []
    try:
        with interrupts_raised(), _nothing_left_of_a_failure(into), Store(into) as target, target.transaction():
            for path in sources:
                with Store(path, writable=False) as source:
                    account, different = _merge_one(source, target, replaces=on_conflict == "replace")
                stores.append(source)
                lines.append(f"{path}: {account}")
                conflicts += different
            keys, total = target.statuses(), len(target.comparisons())
    except KeyboardInterrupt:
        sys.stderr.write("normzoo: interrupted; nothing was merged\n")
        return EXIT_INTERRUPTED
    length = short_length(keys)
    lines += [f"different: {key[:length]} {what}" for key, what in conflicts]
    lines.append(f"{into}: holds {counted(len(keys), 'run')} and {counted(total, 'comparison')}")
    sys.stdout.write(visible("\n".join(lines)) + "\n")
    code = tell_passed_over(target, *stores)
    if conflicts and on_conflict == "keep":
        sys.stderr.write(
            f"normzoo: {counted(len(conflicts), 'run')} of the same key with a different result; "
            f"those in {into} are kept, `--on-conflict replace` takes the others\n"
        )
        return EXIT_FAILED_RUNS
    return code


def _check(sources: tuple[Path, ...], into: Path) -> None:
    """Refuse what cannot be merged before anything is written."""
    if not sources:
        raise StoreError(
            "merge: name the stores to put together, as in `normzoo merge a.sqlite b.sqlite --into all.sqlite`"
        )
    for path in sources:
        if path.exists() and into.exists() and path.samefile(into):
            raise StoreError(f"merge: '{path}' is the store to write, too; leave it out of those to read")
        Store(path, writable=False).close()


def _merge_one(source: Store, target: Store, *, replaces: bool) -> tuple[str, list[tuple[str, str]]]:
    """Write what a store adds to the target, some runs at a time; return what was done, and what differs, by key."""
    done, different = Counter[str](), list[tuple[str, str]]()
    keys = list(source.statuses())
    for start in range(0, len(keys), _AT_ONCE):
        theirs = source.records(keys[start : start + _AT_ONCE])
        plan = plan_merge(target.records(list(theirs)), theirs)
        for key in (*plan.added, *plan.settled, *(conflict.key for conflict in plan.conflicts if replaces)):
            target.put(key, theirs[key])
        done.update(added=len(plan.added), settled=len(plan.settled), there=plan.there, different=len(plan.conflicts))
        different += [(each.key, _describe(each, source.path, target.path)) for each in plan.conflicts]
    known = target.timings()
    for name, timing in source.timings().items():
        if name not in known:
            target.add_timing(timing)
    return _account(done, target.put_comparisons(source.comparisons())), different


@contextmanager
def _nothing_left_of_a_failure(path: Path) -> Iterator[None]:
    """Remove a store that was not there before if it cannot be filled."""
    was_there = path.exists()
    try:
        yield
    except BaseException:
        if not was_there:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
        raise


def _account(done: Mapping[str, int], comparisons: int) -> str:
    parts = [counted(done["added"], "run") + " added"]
    parts += [f"{done['settled']:,} in place of unfinished or failed ones"] if done["settled"] else []
    parts += [f"{done['there']:,} already there"] if done["there"] else []
    parts += [f"{done['different']:,} with a different result"] if done["different"] else []
    return ", ".join([*parts, counted(comparisons, "comparison") + " added"])


def _describe(conflict: Conflict, path: Path, into: Path) -> str:
    """Say what a run reached in one store and in the other, and since when they are apart."""
    ours, theirs = conflict.ours, conflict.theirs
    line = f"{ours.spec.label}: {_result(ours)} in {into}, {_result(theirs)} in {path}"
    apart = first_apart(ours, theirs)
    if apart is None:
        return line
    first = apart.differences[0]
    values = " and ".join(format_distinct(first.a, first.b))
    return f"{line}; apart from epoch {apart.epoch} on ({first.name.replace('_', ' ')} {values})"


def _result(record: RunRecord) -> str:
    return test_result(record) if record.status is Status.OK else record.status
