"""Is how a run is trained decided by what it is, and by nothing that changes from day to day?"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from normzoo.errors import ConfigError
from normzoo.experiment.comparison import carry_out
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.planning.facts import NetworkFacts
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.planning.strategy import (
    COMPILED_FROM,
    FLOPS_OF_A_STEP,
    SEQUENTIAL_FROM,
    SEQUENTIAL_FROM_ELSEWHERE,
    is_compiled,
    strategy_for,
)
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.experiment.worker.prepare import prepare

from . import troubled_norms
from .scripted import Listening
from .synthetic import FACTS

LOOKING = f"{troubled_norms.__name__}:Looking"
CPU = Execution(device="cpu")
SMALL: dict[str, Any] = {
    "norms": ("none", "batch"),
    "templates": ("cnn:hidden=8,widths=4",),
    "batch_sizes": (64,),
    "seeds": 2,
    "epochs": 2,
}


@pytest.mark.parametrize(("device", "limit"), [("cpu", SEQUENTIAL_FROM["cpu"]), ("cuda", SEQUENTIAL_FROM_ELSEWHERE)])
def test_a_step_that_is_large_is_taken_run_by_run(device: str, limit: float) -> None:
    """Up to the limit of the device it is stacked; the batch size counts like the operations of a sample."""
    most = int(limit) // FLOPS_OF_A_STEP
    assert strategy_for("auto", NetworkFacts(flops=most), device, 1) == "stacked"
    assert strategy_for("auto", NetworkFacts(flops=most + 1), device, 1) == "sequential"
    assert strategy_for("auto", NetworkFacts(flops=most // 8), device, 8) == "stacked"
    assert strategy_for("auto", NetworkFacts(flops=most // 8 + 1), device, 8) == "sequential"
    assert strategy_for("auto", NetworkFacts(flops=most + 1, products=9), device, 1) == "stacked"
    assert strategy_for("auto", NetworkFacts(flops=3 * most, products=16), device, 1) == "sequential"


def test_networks_with_many_parameters_are_trained_one_by_one_on_a_processor() -> None:
    """Its caches do not hold those of several."""
    few, many = (NetworkFacts(flops=1, parameters=int(number)) for number in (2e6, 2e6 + 1))
    assert [strategy_for("auto", each, "cpu", 2) for each in (few, many)] == ["stacked", "sequential"]
    assert strategy_for("auto", many, "cuda", 2) == "stacked"


def test_what_cannot_be_stacked_is_trained_run_by_run() -> None:
    """However small it is."""
    assert strategy_for("auto", NetworkFacts(flops=1, unstackable="it looks at its data"), "cpu", 1) == "sequential"


@pytest.mark.parametrize("choice", ["stacked", "sequential"])
def test_a_strategy_that_is_asked_for_is_that_of_all(choice: Any) -> None:
    """Whatever the size."""
    for flops in (1, 10**12):
        assert strategy_for(choice, NetworkFacts(flops=flops), "cpu", 8) == choice


def test_what_takes_many_operations_is_compiled() -> None:
    """Over all steps; or as it is asked for."""
    most = int(COMPILED_FROM) // FLOPS_OF_A_STEP // 1000
    assert not is_compiled("auto", NetworkFacts(flops=most), 1000)
    assert is_compiled("auto", NetworkFacts(flops=most + 1), 1000)
    assert is_compiled("always", NetworkFacts(), 1)
    assert not is_compiled("never", NetworkFacts(flops=10**15), 1000)


def cells(asked: MatrixSpec, **networks: NetworkFacts) -> dict[tuple[str, int, int], tuple[str, str, bool]]:
    """Return the key and the way of training of each norm, batch size and seed."""
    facts = {(template, norm): network for template in asked.templates for norm, network in networks.items()}
    return {
        (run.norm, run.batch_size, run.seed): (run.key, run.strategy, run.compile)
        for run in expand(asked, FACTS, networks=facts)
    }


SIZES = {"none": NetworkFacts(flops=10**6), "batch": NetworkFacts(flops=10**6)}


@pytest.mark.parametrize(
    "changes", [{"seeds": 9}, {"norms": ("none", "batch", "layer")}, {"batch_sizes": (2, 4, 64)}], ids=str
)
def test_what_else_is_compared_changes_the_way_of_no_run(changes: dict[str, Any]) -> None:
    """More seeds, norms or batch sizes leave every other key as it was."""
    before = cells(MatrixSpec(**SMALL), **SIZES)
    after = cells(MatrixSpec(**{**SMALL, **changes}), **SIZES, layer=NetworkFacts(flops=10**9, unstackable="no"))
    assert before.items() <= after.items()
    assert len(after) > len(before)


def test_strategy_and_compiling_are_in_the_key() -> None:
    """They move results by rounding, and so the outcome of training that is chaotic."""
    keys = [
        cells(MatrixSpec(**SMALL, strategy=strategy, compile=compiling))["none", 64, 0][0]
        for strategy in ("stacked", "sequential")
        for compiling in ("always", "never")
    ]
    assert len(set(keys)) == 4


@pytest.mark.slow
def test_a_norm_that_cannot_be_stacked_is_alone_in_that() -> None:
    """It is found out in preparation; the others are stacked with the keys that they have without it."""
    asked = MatrixSpec(**{**SMALL, "norms": ("none", LOOKING)})
    prepared, _ = prepare(asked, CPU)
    runs = expand(asked, prepared.dataset, sources=prepared.sources, networks=prepared.networks)
    assert {run.norm: run.strategy for run in runs} == {"none": "stacked", LOOKING: "sequential"}
    without = MatrixSpec(**{**SMALL, "norms": ("none",)})
    alone, _ = prepare(without, CPU)
    expected = [run.key for run in expand(without, alone.dataset, sources=alone.sources, networks=alone.networks)]
    assert [run.key for run in runs if run.norm == "none"] == expected


def test_stacking_what_cannot_be_stacked_is_refused() -> None:
    """With the reason and the way out."""
    message = r"strategy: .*:Looking in the cnn.* cannot be trained side by side \(.*data-dependent.*--strategy auto"
    with pytest.raises(ConfigError, match=message):
        prepare(MatrixSpec(**{**SMALL, "norms": (LOOKING,), "strategy": "stacked"}), CPU)


def trained(path: Path, **changes: Any) -> dict[str, RunRecord]:
    """Carry out a comparison of its own, and return its records by their label."""
    configuration = Configuration(MatrixSpec(**{**SMALL, **changes}), CPU)
    with Store(path) as store, InProcessExecutor() as executor:
        outcome = carry_out(configuration, store, executor, lambda _: nullcontext(Listening()), command="")
        records = store.records(outcome.keys)
    return {record.spec.label: record for record in records.values()}


def results(records: dict[str, RunRecord]) -> dict[str, Any]:
    return {
        label: (record.spec.key, [epoch.model_dump(exclude={"seconds"}) for epoch in record.epochs])
        for label, record in records.items()
    }


@pytest.mark.slow
def test_a_run_has_the_same_record_whatever_else_is_in_the_matrix(tmp_path: Path) -> None:
    """To the last digit, twice in a row and beside a norm that has another strategy."""
    first = results(trained(tmp_path / "first"))
    assert len(first) == 4
    assert results(trained(tmp_path / "again")) == first
    beside = results(trained(tmp_path / "beside", norms=(LOOKING, "batch", "none"), batch_sizes=(32, 64)))
    assert len(beside) == 12
    assert first.items() <= beside.items()
