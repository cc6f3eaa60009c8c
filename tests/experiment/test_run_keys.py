"""Is a run's key the same for the same run, and another for any other?"""

import re
from dataclasses import replace
from typing import Any

import pytest

from normzoo.experiment.config import spec as spec_module
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.planning.groups import expand

from .synthetic import FACTS, SPEC, run_spec

OTHER: dict[str, Any] = {
    "template": "lstm",
    "norm": "group:groups=4",
    "dataset": "npz",
    "dataset_checksum": "0123456789abcdee",
    "task": "regression",
    "sources": {"norm": "fedcba9876543210"},
    "strategy": "sequential",
    "compile": True,
    "batch_size": 33,
    "seed": 1,
    "epochs": 6,
    "optimizer": "adam",
    "lr": 0.050001,
    "schedule": "cosine",
    "weight_decay": 0.0001,
    "weight_decay_on": "all",
    "clip_norm": 1.0,
    "precision": "bf16-mixed",
    "further_eval_stats": ("batch",),
    "augment": ("flip",),
    "folds": 5,
}


def keys(matrix: MatrixSpec, **facts: Any) -> list[str]:
    return [run.key for run in expand(matrix, replace(FACTS, **facts))]


def test_the_key_of_a_known_run_never_changes() -> None:
    """Another value means that every store out there is trained anew: then raise PROTOCOL, and know why."""
    assert run_spec().key == "722423dd9c13a308"


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


def test_the_version_of_recalibration_is_in_the_keys_of_what_is_recalibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raising it evaluates these anew, and nothing else; values of two versions never stand in one column."""
    runs = [run_spec(further_eval_stats=stats) for stats in ((), ("batch",), ("recalibrated", "batch"))]
    before = [run.key for run in runs]
    assert before[2] != "64ea2f7e071af321"  # of the first version, which was not exact
    monkeypatch.setattr(spec_module, "RECALIBRATION", spec_module.RECALIBRATION + 1)
    assert [run.key == key for run, key in zip(runs, before, strict=True)] == [True, True, False]


def test_the_order_of_sources_is_not_in_the_key() -> None:
    """Canonical JSON is sorted."""
    sources = {"norm": "a", "template": "b"}
    assert run_spec(sources=dict(reversed(sources.items()))).key == run_spec(sources=sources).key


def test_only_seed_and_learning_rate_are_missing_from_the_group_key() -> None:
    """Runs of a group differ in nothing else."""
    differing = {field for field in OTHER if run_spec(**{field: OTHER[field]}).group_key != run_spec().group_key}
    assert differing == set(OTHER) - {"seed", "lr"}


def test_a_run_knows_nothing_of_how_and_where_it_is_run() -> None:
    """Device, jobs, time limit and paths are no fields of it, so they cannot be in the key."""
    assert not set(RunSpec.model_fields) & set(Execution.model_fields)


def test_how_a_comparison_is_looked_at_is_not_in_the_key() -> None:
    """The reference norm and the target train nothing."""
    assert keys(MatrixSpec(baseline="batch", target=0.9)) == keys(MatrixSpec())


def test_the_path_of_ones_own_arrays_is_not_in_the_key_but_their_content_is() -> None:
    """The same arrays elsewhere are the same data."""
    here, there = MatrixSpec(dataset="npz:here/a.npz"), MatrixSpec(dataset="npz:there/b.npz")
    assert keys(here, name="npz:here/a.npz") == keys(there, name="npz:there/b.npz")
    assert keys(here, name="npz:here/a.npz", checksum="0" * 16) != keys(here, name="npz:here/a.npz")


@pytest.mark.parametrize(("first", "second"), [("group", "group:groups=8"), ("batch:eps=1e-3", "batch:eps=0.001")])
def test_two_ways_to_write_a_norm_are_one_key(first: str, second: str) -> None:
    """A key is made from the canonical spec."""
    assert keys(MatrixSpec(norms=(first,))) == keys(MatrixSpec(norms=(second,)))


def test_options_of_a_template_are_in_the_keys_of_its_runs_alone() -> None:
    """Its defaults, written out, change nothing, and neither does the order."""
    plain = MatrixSpec(norms=("none",), batch_sizes=(8,))
    smaller = plain.model_copy(update={"templates": ("cnn:hidden=8,widths=4", "lstm")})
    assert not set(keys(smaller)[: plain.seeds]) & set(keys(plain))
    assert keys(smaller)[plain.seeds :] == keys(plain)[plain.seeds :]
    spelled = MatrixSpec(norms=("none",), batch_sizes=(8,), templates=("cnn:widths=32-64,sites=all", "lstm"))
    assert keys(spelled) == keys(plain)


def test_only_the_learning_rate_in_force_is_in_the_key() -> None:
    """How it came about, by which rule and reference, decides nothing."""
    linear = MatrixSpec(batch_sizes=(64,), lr=0.05, lr_rule="linear", lr_reference=32)
    fixed = MatrixSpec(batch_sizes=(64,), lr=0.1, lr_rule="fixed", lr_reference=8)
    assert keys(linear) == keys(fixed)
    assert keys(MatrixSpec(batch_sizes=(64,), lr=0.05, lr_rule="fixed")) != keys(fixed)
