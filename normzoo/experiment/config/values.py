"""Values of settings: how what a user types or a file holds is read, and what it may be. Torch-free."""

from functools import partial
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from normzoo.registry import AUGMENTATIONS, DATASETS, NORMS, OPTIMIZERS, SCHEDULES, TASKS, TEMPLATES, Registry

EvalStats = Literal["running", "recalibrated", "batch"]
"""By which statistics norms that keep running ones normalize when a network is evaluated."""


def split_list(value: Any) -> Any:
    """Read ``2,8,32``, ``[2,8,32]`` and ``2 8 32`` alike; anything but text passes through.

    An item ``key=value`` without a colon continues the spec before it, so that
    ``group:groups=4,eps=1e-3,batch`` is two norms.
    """
    if not isinstance(value, str):
        return [value] if isinstance(value, int | float) else value
    items: list[str] = []
    for item in value.strip().removeprefix("[").removesuffix("]").replace(",", " ").split():
        item = item.strip("'\"")
        if items and ":" in items[-1] and "=" in item and ":" not in item:
            items[-1] += f",{item}"
        else:
            items.append(item)
    return items


LARGEST = 10**12
"""The largest whole number that a setting can be."""

LONGEST = 60
"""Characters of a value in a message."""


def shown(value: object) -> str:
    """Write a value for a message, in a few characters.

    >>> shown([1, 2]), shown(10**5000), shown([10**5000])
    ('[1, 2]', 'a number of more than 12 digits', 'a list with a number of thousands of digits')
    """
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a number of more than 12 digits"
    try:
        text = str(value)
    except ValueError:  # of what holds a number of more digits than Python writes
        return f"a {type(value).__name__} with a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"


def refuse_boolean(value: Any) -> Any:
    """Refuse what YAML makes of ``yes`` and ``no`` where a number is meant."""
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got '{value}'; YAML reads yes and no, on and off as true and false")
    return value


def _distinct(registry: Registry[Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return specs in their canonical form, and refuse two of the same."""
    canonical = tuple(map(registry.canonical, names))
    for index, name in enumerate(canonical):
        if name in canonical[:index]:
            first = names[canonical.index(name)]
            raise ValueError(f"{registry.kind} '{names[index]}' is the same as '{first}'")
    return canonical


AnyNumber = TypeVar("AnyNumber", int, float)


def _ascending(numbers: tuple[AnyNumber, ...]) -> tuple[AnyNumber, ...]:
    return tuple(sorted(set(numbers)))


def _running_first(stats: tuple[EvalStats, ...]) -> tuple[EvalStats, ...]:
    return tuple(each for each in get_args(EvalStats) if each in ("running", *stats))


Count = Annotated[int, BeforeValidator(refuse_boolean), Field(ge=1, le=LARGEST)]
NotNegative = Annotated[int, BeforeValidator(refuse_boolean), Field(ge=0, le=LARGEST)]
Share = Annotated[float, BeforeValidator(refuse_boolean), Field(ge=0, lt=1)]
Decay = Annotated[float, BeforeValidator(refuse_boolean), Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, BeforeValidator(refuse_boolean), Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, BeforeValidator(refuse_boolean), Field(allow_inf_nan=False)]
List = BeforeValidator(split_list)
Chain = Annotated[tuple[str, ...], List]
Sizes = Annotated[tuple[Count, ...], List, Field(min_length=1), AfterValidator(_ascending)]
Rates = Annotated[tuple[Rate, ...], List, Field(min_length=1), AfterValidator(_ascending)]
Stats = Annotated[tuple[EvalStats, ...], List, Field(min_length=1), AfterValidator(_running_first)]

Norm = Annotated[str, AfterValidator(NORMS.canonical)]
Norms = Annotated[tuple[str, ...], List, Field(min_length=1), AfterValidator(partial(_distinct, NORMS))]
Templates = Annotated[tuple[str, ...], List, Field(min_length=1), AfterValidator(partial(_distinct, TEMPLATES))]
Dataset = Annotated[str, AfterValidator(DATASETS.canonical)]
Task = Annotated[str, AfterValidator(TASKS.canonical)]
Augmentations = Annotated[tuple[Annotated[str, AfterValidator(AUGMENTATIONS.canonical)], ...], List]
Optimizer = Annotated[str, AfterValidator(OPTIMIZERS.canonical)]
Schedule = Annotated[str, AfterValidator(SCHEDULES.canonical)]
