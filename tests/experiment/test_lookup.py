"""Is a run found by the beginning of its key, and nothing else?"""

from dataclasses import replace
from pathlib import Path

import pytest

from normzoo.errors import StoreError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.lookup import SHORTEST, earlier_looks, find_comparison, find_key, short_length
from normzoo.experiment.results.store import StoredComparison

STORE = Path("s.sqlite")
KEYS = ["0123456789abcdef", "0123456700000000", "fedcba9876543210"]


@pytest.mark.parametrize(
    ("keys", "length"),
    [([], SHORTEST), (["0" * 16], SHORTEST), (KEYS, 9), ([*KEYS, "0123456789abcdee"], 16), (["0" * 16] * 2, SHORTEST)],
)
def test_keys_are_shortened_as_far_as_they_can_be_told_apart(keys: list[str], length: int) -> None:
    """And no further than is easily read."""
    assert short_length(keys) == length
    assert len({key[:length] for key in keys}) == len(set(keys))


@pytest.mark.parametrize(
    ("text", "key"), [("0123456789abcdef", KEYS[0]), ("012345678", KEYS[0]), ("F", KEYS[2]), ("012345670", KEYS[1])]
)
def test_a_beginning_that_only_one_has_finds_it(text: str, key: str) -> None:
    """Also in capitals."""
    assert find_key(text, KEYS, STORE) == key


def test_a_whole_key_finds_itself_where_another_is_longer() -> None:
    """It is not ambiguous."""
    assert find_key("abc", ["abc", "abcd"], STORE) == "abc"


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("0", KEYS, "store: 's.sqlite' holds 2 runs that begin with '0' (012345670, 012345678); type more of the key"),
        ("g", KEYS, "store: 's.sqlite' holds no run 'g'; `normzoo runs` lists what it holds"),
        ("0", [], "store: 's.sqlite' holds no runs yet; `normzoo compare` trains some"),
        (
            "a",
            [f"a{number}" for number in range(9)],
            "store: 's.sqlite' holds 9 runs that begin with 'a' (a0, a1, a2, a3, a4, ...); type more of the key",
        ),
    ],
)
def test_anything_else_is_refused(text: str, keys: list[str], message: str) -> None:
    """With the way out."""
    with pytest.raises(StoreError) as caught:
        find_key(text, keys, STORE)
    assert str(caught.value) == message


def test_a_comparison_of_an_empty_store_is_refused() -> None:
    """Rather than counted from 1 to nothing."""
    with pytest.raises(StoreError, match="holds no comparison yet; `normzoo compare` makes one"):
        find_comparison(1, [], STORE)


@pytest.mark.parametrize(
    ("known", "held"),
    [([1], "1"), ([1, 2, 3], "1 to 3"), ([2], "2"), ([2, 5], "2, 5"), ([1, *range(3, 9)], "1, 3, 4, 5, 6, ...")],
)
def test_what_a_store_holds_is_told_where_a_number_is_not_there(known: list[int], held: str) -> None:
    """Some may be missing, as those that do not read."""
    comparisons = [replace(look(), id=number) for number in known]
    with pytest.raises(StoreError) as caught:
        find_comparison(99, comparisons, STORE)
    assert str(caught.value) == f"store: 's.sqlite' holds no comparison 99; it holds {held}"


def look(**settings: object) -> StoredComparison:
    matrix = MatrixSpec.model_validate({"norms": "batch,layer,none", "templates": "cnn", "seeds": 8, **settings})
    return StoredComparison(1, "2026-01-01T00:00:00", "normzoo compare", matrix, Execution(), ())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"seeds": 6},
        {"norms": "none,layer"},
        {"norms": "none,layer,batch", "baseline": "batch"},
        {"baseline": "none"},
        {"batch_sizes": "2,64"},
        {"templates": "lstm,cnn"},
        {"eval_stats": "batch", "strategy": "sequential", "compile": "never"},
        {"first_seed": 7},
    ],
)
def test_an_earlier_comparison_of_some_of_the_same_is_a_look(settings: dict[str, object]) -> None:
    """Whatever else it compared, and however it was asked for."""
    earlier = look(**settings)
    assert earlier_looks(look(seeds=10).matrix, [earlier]) == [earlier.matrix]


def at(day: int, number: int, **settings: object) -> StoredComparison:
    return replace(look(**settings), id=number, created_at=f"2026-01-{day:02}T00:00:00")


def test_what_came_after_a_comparison_is_no_earlier_look() -> None:
    """By when it was made, as a merged store has other numbers; nor is the comparison itself, repeated."""
    first, second, third = at(1, 3, seeds=12), at(2, 1), at(3, 2, seeds=10)
    known = [second, third, first, at(4, 4, baseline="batch")]
    assert earlier_looks(second.matrix, known) == [first.matrix]
    assert earlier_looks(known[-1].matrix, known) == [first.matrix]
    assert earlier_looks(third.matrix, known) == [first.matrix, second.matrix]


def test_parts_of_a_comparison_are_no_looks_at_it() -> None:
    """Nor is what came after the first of them."""
    before, *parts, after = at(1, 1), at(2, 2, first_seed=8), at(3, 3), at(4, 4, norms="batch,layer,none,rms")
    whole = look(seeds=16).matrix
    assert earlier_looks(whole, [before, *parts, after], parts=[2, 3]) == [before.matrix]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 1},
        {"lr": 0.1},
        {"norms": "batch,group"},
        {"batch_sizes": "4,64"},
        {"templates": "lstm"},
        {"templates": "cnn:sites=maps"},
        {"first_seed": 100},
        {"dataset": "mnist"},
    ],
)
def test_a_comparison_of_something_else_is_none(settings: dict[str, object]) -> None:
    """Other settings of training, one norm in common, or fresh seeds."""
    assert earlier_looks(look(seeds=10).matrix, [look(**settings)]) == []
