"""Are comparisons put together if, and only if, they are parts of one?"""

from pathlib import Path
from typing import Any

import pytest

from normzoo.errors import StoreError, UsageError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.experiment.results.union import Numbers, read_comparison

from .synthetic import run_record, run_spec

PART: dict[str, Any] = {"norms": ("batch", "none"), "templates": ("cnn",), "batch_sizes": (8,), "seeds": 2, "epochs": 5}


def fill(path: Path, *parts: tuple[dict[str, Any], tuple[RunRecord, ...]]) -> Store:
    """Make a store of comparisons, each given by what is different in it and its records."""
    store = Store(path)
    for changes, records in parts:
        for record in records:
            store.add(record)
        matrix = MatrixSpec(**{**PART, **changes})
        store.add_comparison("normzoo compare", Configuration(matrix, Execution()), [each.spec.key for each in records])
    return store


def refusal(tmp_path: Path, *parts: tuple[dict[str, Any], tuple[RunRecord, ...]], numbers: Numbers = "all") -> str:
    with fill(tmp_path / "s.sqlite", *parts) as store, pytest.raises(StoreError) as caught:
        read_comparison(store, numbers)
    return str(caught.value)


def test_the_whole_has_the_axes_of_its_parts(tmp_path: Path) -> None:
    """In the order in which they were asked for, all seeds, each run once, in whatever order of the numbers."""
    one, two, three = (run_record(run_spec(norm=norm)) for norm in ("batch", "group", "layer"))
    parts = (
        ({"norms": ("batch", "none")}, (one, two)),
        ({"norms": ("group", "batch"), "batch_sizes": (2, 8), "templates": ("lstm", "cnn"), "seeds": 7}, (two, three)),
        ({"seeds": 9, "norms": ("rms",)}, ()),
    )
    with fill(tmp_path / "s.sqlite", *parts) as store:
        matrix, records = read_comparison(store, [1, 2, 1])
        backwards, _ = read_comparison(store, [2, 1])
        everything, _ = read_comparison(store, "all")
    expected = {"norms": ("batch", "none", "group"), "templates": ("cnn", "lstm"), "batch_sizes": (2, 8), "seeds": 7}
    assert matrix == MatrixSpec(**{**PART, **expected})
    assert list(records.values()) == [one, two, three]
    assert backwards.norms == ("group", "batch", "none")
    assert backwards.templates == ("lstm", "cnn")
    assert (everything.norms, everything.seeds) == (("batch", "none", "group", "rms"), 9)


def test_the_seeds_are_those_from_the_first_to_the_last(tmp_path: Path) -> None:
    """Parts may be seeds."""
    parts = (({"first_seed": 4, "seeds": 2}, ()), ({"first_seed": 2, "seeds": 3}, ()), ({"first_seed": 8}, ()))
    with fill(tmp_path / "s.sqlite", *parts) as store:
        assert read_comparison(store, [1, 2])[0].seed_range == range(2, 6)
        assert read_comparison(store, "all")[0].seed_range == range(2, 10)


@pytest.mark.parametrize("numbers", [None, 2, [2]])
def test_one_alone_is_what_it_was(tmp_path: Path, numbers: Numbers) -> None:
    """The latest, where none is named."""
    ours = run_record()
    parts = (({"seeds": 1}, ()), ({"seeds": 2, "baseline": "batch"}, (ours,)))
    with fill(tmp_path / "s.sqlite", *parts) as store:
        matrix, records = read_comparison(store, numbers)
    assert matrix == MatrixSpec(**{**PART, "baseline": "batch"})
    assert records == {ours.spec.key: ours}


@pytest.mark.parametrize(
    ("baselines", "expected", "reference"),
    [(("batch", "batch"), "batch", "batch"), (("batch", "none"), None, "none"), (("batch", None), None, "none")],
)
def test_the_reference_is_theirs_if_they_agree(
    tmp_path: Path, baselines: tuple[str | None, ...], expected: str | None, reference: str
) -> None:
    """No run depends on it, so that nothing is refused for it."""
    parts = [({"baseline": baseline, "batch_sizes": (index,)}, ()) for index, baseline in enumerate(baselines, 1)]
    with fill(tmp_path / "s.sqlite", *parts) as store:
        matrix, _ = read_comparison(store, "all")
    assert (matrix.baseline, matrix.reference) == (expected, reference)


@pytest.mark.parametrize(("targets", "expected"), [((0.9, 0.9), 0.9), ((0.9, 0.95), None), ((0.9, None), None)])
def test_the_target_is_theirs_if_they_agree(
    tmp_path: Path, targets: tuple[float | None, ...], expected: float | None
) -> None:
    """It is a way of looking at them."""
    parts = [({"target": target, "batch_sizes": (index,)}, ()) for index, target in enumerate(targets, 1)]
    with fill(tmp_path / "s.sqlite", *parts) as store:
        assert read_comparison(store, "all")[0].target == expected


SETTINGS: dict[str, tuple[Any, str]] = {
    "dataset": ("mnist", "dataset is digits in comparison 1, mnist in comparison 2"),
    "task": ("regression", "task is classification in comparison 1, regression in comparison 2"),
    "epochs": (1, "epochs is 5 in comparison 1, 1 in comparison 2"),
    "lr": (0.1, "lr is 0.05 in comparison 1, 0.1 in comparison 2"),
    "lrs": ((0.1, 0.2), "lrs is not set in comparison 1, 0.1,0.2 in comparison 2"),
    "lr_rule": ("sqrt", "lr_rule is linear in comparison 1, sqrt in comparison 2"),
    "lr_reference": (8, "lr_reference is 32 in comparison 1, 8 in comparison 2"),
    "optimizer": ("adam", "optimizer is sgd in comparison 1, adam in comparison 2"),
    "schedule": ("cosine:warmup=0.1", "schedule is constant in comparison 1, cosine:warmup=0.1 in comparison 2"),
    "weight_decay": (1e-4, "weight_decay is 0.0 in comparison 1, 0.0001 in comparison 2"),
    "weight_decay_on": ("all", "weight_decay_on is weights in comparison 1, all in comparison 2"),
    "clip_norm": (0.5, "clip_norm is not set in comparison 1, 0.5 in comparison 2"),
    "precision": ("bf16-mixed", "precision is 32-true in comparison 1, bf16-mixed in comparison 2"),
    "strategy": ("sequential", "strategy is auto in comparison 1, sequential in comparison 2"),
    "eval_stats": (("batch",), "eval_stats is running in comparison 1, running,batch in comparison 2"),
    "augment": (("flip", "crop:4"), "augment is not set in comparison 1, flip,crop:4 in comparison 2"),
    "folds": (2, "folds is 1 in comparison 1, 2 in comparison 2"),
    "compile": ("always", "compile is auto in comparison 1, always in comparison 2"),
}


def test_every_setting_is_asked() -> None:
    """But those in which the parts of a comparison may differ."""
    free = {"norms", "optional", "left_out", "templates", "batch_sizes", "seeds", "first_seed", "baseline", "target"}
    assert set(MatrixSpec.model_fields) - set(SETTINGS) == free


def test_what_one_part_left_out_another_may_have(tmp_path: Path) -> None:
    """Then it is not left out of the whole; what is left out of all parts is, for the reason of the first."""
    group, layer = ({"norm": norm, "template": "cnn", "reason": "it does not fit"} for norm in ("group", "layer"))
    parts: tuple[tuple[dict[str, Any], tuple[RunRecord, ...]], ...] = (
        ({"norms": ("batch", "none"), "optional": ("all",), "left_out": (group, layer)}, ()),
        ({"norms": ("batch", "layer"), "optional": ("batch",), "seeds": 7}, ()),
    )
    with fill(tmp_path / "s.sqlite", *parts) as store:
        matrix, _ = read_comparison(store, "all")
    assert matrix.reasons("cnn") == {"it does not fit": ["group"]}
    assert (matrix.norms, matrix.optional) == (("batch", "none", "layer"), ("batch", "none"))


def test_seeds_far_apart_are_no_parts_of_one(tmp_path: Path) -> None:
    """Where more are left out than there are, whatever their order; a date for a seed is far from others."""
    parts = tuple(({"first_seed": first, "seeds": 3}, ()) for first in (20261128, 0, 1))
    assert refusal(tmp_path, *parts) == (
        "these comparisons are not parts of one: their seeds, 0 to 2, 1 to 3, 20261128 to 20261130, cover less "
        "than half of their range; report them one by one"
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_must_agree(tmp_path: Path, name: str) -> None:
    """The message names the setting, the values, which comparisons have them, and the way out."""
    value, message = SETTINGS[name]
    assert refusal(tmp_path, ({}, ()), ({name: value}, ())) == (
        f"these comparisons are not parts of one: {message}; choose some that agree (`normzoo runs` lists them)"
    )


def test_many_differences_are_named_in_part(tmp_path: Path) -> None:
    """The first three; comparisons of the same value together."""
    other = {"epochs": 1, "lr": 0.1, "optimizer": "adam", "clip_norm": 1.0}
    message = refusal(tmp_path, ({}, ()), ({"seeds": 3}, ()), ({"seeds": 4}, ()), (other, ()))
    assert "epochs is 5 in comparisons 1, 2 and 3, 1 in comparison 4; lr is " in message
    assert "; and 1 more; choose" in message


def test_the_same_arrays_may_lie_elsewhere(tmp_path: Path) -> None:
    """On another machine; that they are the same is told by their checksum."""
    first, second = {"dataset": "npz:here/a.npz"}, {"dataset": "npz:there/b.npz", "seeds": 3}
    ours, theirs = (run_record(run_spec(dataset="npz", seed=seed)) for seed in (0, 1))
    with fill(tmp_path / "s.sqlite", (first, (ours,)), (second, (theirs,))) as store:
        matrix, records = read_comparison(store, "all")
    assert (matrix.dataset, len(records)) == ("npz:here/a.npz", 2)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (
            {"strategy": "stacked", "norm": "batch"},
            {"strategy": "sequential", "norm": "batch"},
            "the strategy of cnn, batch, batch size 32, seed 0, learning rate 0.05 is stacked in comparison 1, "
            "sequential in comparison 2",
        ),
        (
            {"norm": "torch.nn:Identity", "sources": {"norm": "aaaa"}},
            {"norm": "torch.nn:Identity", "sources": {"norm": "bbbb"}, "seed": 1},
            "the file or version of torch.nn:Identity is aaaa in comparison 1, bbbb in comparison 2",
        ),
        (
            {},
            {"dataset_checksum": "fedcba9876543210", "seed": 1},
            "the checksum of the data is 0123456789abcdef in comparison 1, fedcba9876543210 in comparison 2",
        ),
    ],
    ids=["strategy", "source", "data"],
)
def test_what_was_trained_must_be_the_same(
    tmp_path: Path, ours: dict[str, Any], theirs: dict[str, Any], message: str
) -> None:
    """One run by two strategies has two results; code and data that were changed are others."""
    parts = [({}, (run_record(run_spec(**ours)),)), ({"seeds": 3}, (run_record(run_spec(**theirs)),))]
    assert message in refusal(tmp_path, *parts)


def test_a_strategy_may_differ_from_run_to_run(tmp_path: Path) -> None:
    """As it does within a comparison, where one norm cannot be stacked."""
    ours, theirs = run_record(run_spec(strategy="stacked")), run_record(run_spec(strategy="sequential", norm="none"))
    with fill(tmp_path / "s.sqlite", ({}, (ours,)), ({"seeds": 3}, (theirs,))) as store:
        assert len(read_comparison(store, "all")[1]) == 2


def test_another_training_procedure_is_another_experiment(tmp_path: Path) -> None:
    """That of an older version."""
    ours, theirs = (run_record(run_spec(seed=seed), environment={"protocol": seed + 2}) for seed in (0, 1))
    message = refusal(tmp_path, ({}, (ours,)), ({"seeds": 3}, (theirs,)))
    assert "the version of the training procedure is 2 in comparison 1, 3 in comparison 2" in message


@pytest.mark.parametrize("numbers", [None, 1, "all"])
def test_a_store_without_comparisons_is_refused(tmp_path: Path, numbers: Numbers) -> None:
    """With the way out."""
    assert "holds no comparison yet; `normzoo compare` makes one" in refusal(tmp_path, numbers=numbers)


def test_a_number_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """Also beside one that there is."""
    assert "holds no comparison 2; it holds 1" in refusal(tmp_path, ({}, ()), numbers=[1, 2])


@pytest.mark.parametrize("numbers", [1.0, "1", "every", True, [1, "all"], [[1]], [None]], ids=repr)
def test_what_is_no_number_is_refused(tmp_path: Path, numbers: Any) -> None:
    """With what may be given."""
    wanted = f"numbers: expected the number of a comparison, a list of them or 'all', got {numbers!r}"
    with Store(tmp_path / "s.sqlite") as store, pytest.raises(UsageError) as caught:
        read_comparison(store, numbers)
    assert str(caught.value) == wanted
