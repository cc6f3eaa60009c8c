"""Several comparisons of a store as one, such as the parts of one that were trained on several machines. Torch-free."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any, Literal

from normzoo.errors import StoreError, UsageError
from normzoo.experiment.config.spec import LeftOut, MatrixSpec
from normzoo.experiment.results.lookup import find_comparison
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store, StoredComparison
from normzoo.registry import ALL, DATASETS
from normzoo.registry.datasets import with_paths

Numbers = int | Collection[int] | Literal["all"] | None
"""Which comparisons: that of a number, those of several, all of the store; None: the latest."""

_FREE = {
    *("norms", "optional", "left_out", "templates", "batch_sizes", "seeds", "first_seed"),
    *("baseline", "target", "dataset"),
}
"""In what the parts of a comparison may differ: its axes, how it is looked at, and the path of the data."""

_NAMED = 3
"""How many differences a message names at most."""


def read_comparison(store: Store, numbers: Numbers = None) -> tuple[MatrixSpec, dict[str, RunRecord]]:
    """Return a comparison of a store, or several as one, with the records there are, by key.

    Raises:
        StoreError: there is none of that number, or they are not parts of one.
        UsageError: they are no numbers.
    """
    chosen = _chosen(store, numbers)
    keys = dict.fromkeys(key for comparison in chosen for key in comparison.keys)
    records = store.records(list(keys))
    return together(chosen, records), records


def parts_of(store: Store, numbers: Numbers = None) -> list[int]:
    """Return the numbers of the comparisons that ``read_comparison`` reads."""
    return [each.id for each in _chosen(store, numbers)]


def _chosen(store: Store, numbers: Numbers) -> list[StoredComparison]:
    known, asked = store.comparisons(), _asked(numbers)
    for number in asked:
        if why := store.passed_over.get(f"comparison {number}"):
            raise StoreError(f"store: '{store.path}' holds no comparison {number} that reads: {why}")
    if not known and store.passed_over:
        what, why = next(iter(store.passed_over.items()))
        raise StoreError(f"store: '{store.path}' holds no comparison that reads: {what}: {why}")
    if not known:
        raise StoreError(f"store: '{store.path}' holds no comparison yet; `normzoo compare` makes one")
    if numbers is None:
        return [max(known, key=lambda each: (each.created_at, each.id))]
    if numbers == "all":
        return known
    if not asked:
        raise StoreError(f"store: of '{store.path}' no comparison is asked for; give a number, several, or all")
    return [find_comparison(number, known, store.path) for number in asked]


def _asked(numbers: Numbers) -> list[int]:
    """Return the numbers that are named, each once."""
    if numbers is None or numbers == "all":
        return []
    several = numbers if isinstance(numbers, Collection) and not isinstance(numbers, str) else [numbers]
    if not all(isinstance(each, Integral) and not isinstance(each, bool) for each in several):
        raise UsageError(f"numbers: expected the number of a comparison, a list of them or 'all', got {numbers!r}")
    return [int(each) for each in dict.fromkeys(several)]


def together(comparisons: Sequence[StoredComparison], records: Mapping[str, RunRecord]) -> MatrixSpec:
    """Return the one matrix that holds the runs of all comparisons.

    Its norms, templates and batch sizes are those of any of them, its seeds those from the first to the last of any;
    the reference norm and the target are theirs if they name the same, else the default.

    Raises:
        StoreError: they differ in a setting, in the data or in the code that was trained, or the same run was trained
            by two strategies: their numbers do not stand in one table.
    """
    values = _settings(comparisons)
    for comparison in comparisons:
        for what, value in _origins(comparison, records):
            values.setdefault(what, {})[comparison.id] = value
    differing = [what for what, by_number in values.items() if len(set(by_number.values())) > 1]
    if differing:
        named = "; ".join(f"{what} is {_by_value(values[what])}" for what in differing[:_NAMED])
        more = f"; and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
        raise StoreError(
            f"these comparisons are not parts of one: {named}{more}; choose some that agree (`normzoo runs` lists them)"
        )
    matrices = [comparison.matrix for comparison in comparisons]
    seeds = _all_seeds(matrices)
    axes: dict[str, Any] = {
        name: tuple(dict.fromkeys(value for matrix in matrices for value in getattr(matrix, name)))
        for name in ("norms", "templates", "batch_sizes")
    }
    return MatrixSpec.model_validate(
        {
            **matrices[0].model_dump(),
            **axes,
            "optional": _optional(matrices, axes["norms"]),
            "left_out": _left_out(matrices),
            "first_seed": seeds.start,
            "seeds": len(seeds),
            **{name: _common([getattr(matrix, name) for matrix in matrices]) for name in ("baseline", "target")},
        }
    )


def _all_seeds(matrices: Sequence[MatrixSpec]) -> range:
    """Return the seeds from the first to the last; at least half of them must be there.

    Raises:
        StoreError: they are not.
    """
    ranges = sorted({matrix.seed_range for matrix in matrices}, key=lambda seeds: (seeds.start, seeds.stop))
    found = range(ranges[0].start, max(seeds.stop for seeds in ranges))
    there, reached = 0, found.start
    for seeds in ranges:
        there += max(0, seeds.stop - max(reached, seeds.start))
        reached = max(reached, seeds.stop)
    if 2 * there < len(found):
        named = ", ".join(f"{seeds.start} to {seeds.stop - 1}" for seeds in ranges[:_NAMED])
        more = f" and {len(ranges) - _NAMED} more" if len(ranges) > _NAMED else ""
        raise StoreError(
            f"these comparisons are not parts of one: their seeds, {named}{more}, cover less than half of their range; "
            "report them one by one"
        )
    return found


def _optional(matrices: Sequence[MatrixSpec], norms: Sequence[str]) -> tuple[str, ...]:
    """Return the norms that a network may do without, by those matrices that have them."""
    found = tuple(norm for norm in norms if all(each.is_optional(norm) for each in matrices if norm in each.norms))
    return (ALL,) if found == tuple(norms) else found


def _left_out(matrices: Sequence[MatrixSpec]) -> tuple[LeftOut, ...]:
    """Return what is left out in one of them, unless another has it."""
    trained = {(norm, template) for each in matrices for template in each.templates for norm in each.norms_in(template)}
    anywhere = {(norm, "") for norm, _ in trained}
    found = {(each.norm, each.template): each for matrix in matrices for each in matrix.left_out}
    return tuple(each for place, each in found.items() if place not in trained | anywhere)


def _common(values: Sequence[Any]) -> Any:
    return values[0] if len(set(values)) == 1 else None


def _settings(comparisons: Sequence[StoredComparison]) -> dict[str, dict[int, str]]:
    """Return by name the settings that must agree, by the number of the comparison."""
    values = {
        name: {each.id: _text(getattr(each.matrix, name)) for each in comparisons}
        for name in MatrixSpec.model_fields
        if name not in _FREE
    }
    named = {each.id: str(with_paths(DATASETS.parse(each.matrix.dataset), lambda _: "")) for each in comparisons}
    return {"dataset": named, **values}


def _text(value: object) -> str:
    return "not set" if value in (None, ()) else ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _origins(comparison: StoredComparison, records: Mapping[str, RunRecord]) -> Iterator[tuple[str, str]]:
    """Yield what the runs of a comparison must share with those of the others beside their settings."""
    for key in comparison.keys:
        if key not in records:
            continue
        record = records[key]
        spec = record.spec
        yield "the checksum of the data", spec.dataset_checksum
        if "protocol" in record.environment:
            yield "the version of the training procedure", str(record.environment["protocol"])
        for kind, checksum in spec.sources.items():
            yield f"the file or version of {_text(getattr(spec, kind))}", checksum
        strategy = spec.strategy + (", compiled" if spec.compile else "")
        yield f"the strategy of {spec.label}, learning rate {spec.lr:g}", strategy


def _by_value(values: Mapping[int, str]) -> str:
    """Write which comparisons have which value.

    >>> _by_value({1: "4", 2: "4", 3: "1"})
    '4 in comparisons 1 and 2, 1 in comparison 3'
    """
    numbers: dict[str, list[str]] = {}
    for number, value in values.items():
        numbers.setdefault(value, []).append(str(number))
    return ", ".join(
        f"{value} in comparison{'' if len(having) == 1 else 's'} {_listed(having)}" for value, having in numbers.items()
    )


def _listed(items: Sequence[str]) -> str:
    """Write items as in a sentence.

    >>> _listed(["1"]), _listed(["1", "2", "4"])
    ('1', '1, 2 and 4')
    """
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))
