"""Is a run's key the same for the same run, and another for any other?"""

import re
from dataclasses import replace
from typing import Any

import pytest

from normzoo.experiment import spec as spec_module
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.groups import expand

from .synthetic import FACTS, SPEC, run_spec

OTHER: dict[str, Any] = {
    "template": "lstm",
    "options": {"placement": "pre", "widths": [32, 64], "hidden": 64},
    "norm": "group:groups=4",
    "norm_source": "fedcba9876543210",
    "dataset": "npz",
    "dataset_checksum": "0123456789abcdee",
    "batch_size": 33,
    "seed": 1,
    "epochs": 6,
    "optimizer": "adam",
    "lr": 0.050001,
    "clip_norm": 1.0,
    "precision": "bf16-mixed",
}


def keys(matrix: MatrixSpec, **facts: Any) -> list[str]:
    return [run.key for run in expand(matrix, replace(FACTS, **facts), dict.fromkeys(matrix.norms))]


def test_the_key_of_a_known_run_never_changes() -> None:
    """Another value means that every store out there is trained anew: then raise PROTOCOL, and know why."""
    assert run_spec().key == "5dccc54fda7ac995"


def test_a_key_is_sixteen_hex_digits() -> None:
    """Short enough to read, long enough not to collide."""
    assert re.fullmatch("[0-9a-f]{16}", run_spec().key)


def test_every_field_has_another_value_here() -> None:
    """A new field of a run must be asked about below."""
    assert set(OTHER) == set(RunSpec.model_fields) == set(SPEC)


@pytest.mark.parametrize("field", OTHER)
def test_every_field_is_in_the_key(field: str) -> None:
    """Runs that differ in anything that decides the result are not taken for one another."""
    assert run_spec(**{field: OTHER[field]}).key != run_spec().key


def test_the_protocol_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raising it trains everything again."""
    before = run_spec().key
    monkeypatch.setattr(spec_module, "PROTOCOL", spec_module.PROTOCOL + 1)
    assert run_spec().key != before


def test_the_order_of_options_is_not_in_the_key() -> None:
    """Canonical JSON is sorted."""
    assert run_spec(options=dict(reversed(SPEC["options"].items()))).key == run_spec().key


def test_only_seed_and_learning_rate_are_missing_from_the_group_key() -> None:
    """Runs of a group differ in nothing else."""
    differing = {field for field in OTHER if run_spec(**{field: OTHER[field]}).group_key != run_spec().group_key}
    assert differing == set(OTHER) - {"seed", "lr"}


def test_a_run_knows_nothing_of_how_and_where_it_is_run() -> None:
    """Device, jobs, time limit and paths are no fields of it, so they cannot be in the key."""
    assert not set(RunSpec.model_fields) & set(Execution.model_fields)


def test_the_path_of_ones_own_arrays_is_not_in_the_key_but_their_content_is() -> None:
    """The same arrays elsewhere are the same data."""
    here, there = MatrixSpec(dataset="npz:here/a.npz"), MatrixSpec(dataset="npz:there/b.npz")
    assert keys(here, name="npz:here/a.npz") == keys(there, name="npz:there/b.npz")
    assert keys(here, name="npz:here/a.npz", checksum="0" * 16) != keys(here, name="npz:here/a.npz")


@pytest.mark.parametrize(("first", "second"), [("group", "group:groups=8"), ("batch:eps=1e-3", "batch:eps=0.001")])
def test_two_ways_to_write_a_norm_are_one_key(first: str, second: str) -> None:
    """A key is made from the canonical spec."""
    assert keys(MatrixSpec(norms=(first,))) == keys(MatrixSpec(norms=(second,)))


def test_settings_that_a_template_ignores_are_not_in_its_keys() -> None:
    """Widths and placement are the cnn's alone, hidden units are both templates'."""
    lstm, cnn = ({"templates": (name,), "norms": ("none",), "batch_sizes": (8,)} for name in ("lstm", "cnn"))
    for setting in ({"widths": (8,)}, {"placement": "pre"}):
        assert keys(MatrixSpec(**lstm, **setting)) == keys(MatrixSpec(**lstm))
        assert keys(MatrixSpec(**cnn, **setting)) != keys(MatrixSpec(**cnn))
    assert keys(MatrixSpec(**lstm, hidden=8)) != keys(MatrixSpec(**lstm))


def test_only_the_learning_rate_in_force_is_in_the_key() -> None:
    """How it came about, by which rule and reference, decides nothing."""
    linear = MatrixSpec(batch_sizes=(64,), lr=0.05, lr_rule="linear", lr_reference=32)
    fixed = MatrixSpec(batch_sizes=(64,), lr=0.1, lr_rule="fixed", lr_reference=8)
    assert keys(linear) == keys(fixed)
    assert keys(MatrixSpec(batch_sizes=(64,), lr=0.05, lr_rule="fixed")) != keys(fixed)
