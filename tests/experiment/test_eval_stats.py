"""Is a trained network evaluated by other statistics than the running ones, too, where that is asked for?"""

import copy
import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from normzoo.data import Dataset
from normzoo.errors import ConfigError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import reproducing_command, resolve
from normzoo.experiment.config.spec import MatrixSpec, RunSpec, Strategy
from normzoo.experiment.planning.facts import NetworkFacts, timing_key
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.worker import evaluation, train
from normzoo.experiment.worker.evaluation import evaluate_further
from normzoo.experiment.worker.prepare import prepare
from normzoo.experiment.worker.train import build_network
from normzoo.templates import MemberModule

from .conftest import TEST, TRAIN, TrainAll, tiny_spec
from .synthetic import FACTS, run_record, run_spec

BOTH = ("recalibrated", "batch")
Evaluations = Mapping[str, Mapping[str, float]]

each_strategy = pytest.mark.parametrize("strategy", ["sequential", "stacked"])


@pytest.fixture
def trained_networks(monkeypatch: pytest.MonkeyPatch) -> dict[int, nn.Module]:
    """Fills with the network of each seed as it is after training, a copy by itself."""
    networks: dict[int, nn.Module] = {}

    def watching(module: MemberModule, spec: RunSpec, dataset: Dataset) -> Any:
        state = copy.deepcopy(module.network.state_dict())
        for member in range(module.members):
            seed = spec.seed + (member if spec.strategy == "stacked" else 0)
            network = build_network(spec, dataset)
            own = (
                {name.replace("/", "."): value[member] if value.ndim else value for name, value in state.items()}
                if spec.strategy == "stacked"
                else {name.removeprefix("module."): value for name, value in state.items()}
            )
            network.load_state_dict(own)
            networks[seed] = network
        found = evaluate_further(module, spec=spec, dataset=dataset)
        after = module.network.state_dict()
        assert all(torch.equal(after[name], value) for name, value in state.items())
        return found

    monkeypatch.setattr(train, "evaluate_further", watching)
    return networks


def measured(outputs: Tensor, dataset: Dataset, order: Tensor) -> dict[str, float]:
    targets = dataset.test.targets[order]
    right = (outputs.argmax(1) == targets).double().mean().item()
    return {"loss": cross_entropy(outputs.double(), targets).item(), "accuracy": right}


def with_statistics_of(network: nn.Module, batches: list[Tensor]) -> nn.Module:
    """Return a copy whose batch norms have the mean and variance of all values that they get in training mode."""
    alone = copy.deepcopy(network).train()
    seen: dict[nn.Module, list[Tensor]] = {
        module: [] for module in alone.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)
    }
    for norm, kept in seen.items():
        norm.register_forward_pre_hook(lambda _, given, kept=kept: kept.append(given[0]))
    with torch.no_grad():
        for batch in batches:
            alone(batch)
        for norm, kept in seen.items():
            values = torch.cat([x.transpose(0, 1).flatten(1) for x in kept], 1).double()
            norm.get_buffer("running_mean").copy_(values.mean(1))
            norm.get_buffer("running_var").copy_(values.var(1, correction=0))
            norm._forward_pre_hooks.clear()
    return alone


def by_hand(network: nn.Module, dataset: Dataset, batch_size: int) -> dict[str, dict[str, float]]:
    """Evaluate a network in training mode, and by the statistics of all that its norms see in that."""

    def order(samples: int) -> Tensor:
        return torch.randperm(samples, generator=torch.Generator().manual_seed(0))

    train_inputs, test_inputs = dataset.train.inputs, dataset.test.inputs
    recalibrated = with_statistics_of(
        network, [train_inputs[part] for part in order(TRAIN).tensor_split(-(-TRAIN // 100))]
    )
    test_order = order(TEST)
    whole = TEST // batch_size * batch_size
    with torch.no_grad():
        recalibrated_outputs = recalibrated.eval()(test_inputs)
        network.train()
        outputs = [network(test_inputs[part]) for part in torch.split(test_order[:whole], batch_size)]
        if whole < TEST:
            outputs.append(network(test_inputs[test_order[-batch_size:]])[whole - TEST :])
    return {
        "recalibrated": measured(recalibrated_outputs, dataset, torch.arange(TEST)),
        "batch": measured(torch.cat(outputs), dataset, test_order),
    }


def assert_equal(found: Evaluations, expected: Evaluations) -> None:
    assert found.keys() == expected.keys()
    for stats, values in expected.items():
        assert found[stats] == pytest.approx(values, rel=1e-4), stats


@pytest.mark.slow_but_one
@each_strategy
@pytest.mark.parametrize("norm", ["batch", "torch.nn:BatchNorm2d"])
@pytest.mark.parametrize("batch_size", [16, 50])
def test_further_evaluations_are_those_by_hand(
    train_all: TrainAll,
    digits: Dataset,
    trained_networks: dict[int, nn.Module],
    norm: str,
    batch_size: int,
    strategy: Strategy,
) -> None:
    """Of each seed; 120 test samples are no multiple of 16 or 50. The network is afterwards what it was."""
    settings: dict[str, Any] = {"norm": norm, "batch_size": batch_size, "epochs": 2, "strategy": strategy}
    specs = [tiny_spec(seed=seed, further_eval_stats=BOTH, **settings) for seed in range(2)]
    records = train_all(specs)
    for record in records:
        expected = by_hand(trained_networks[record.spec.seed], digits, batch_size)
        assert_equal(record.eval_stats, expected)
        values = [record.test_value, *(each["accuracy"] for each in expected.values())]
        assert len(set(values)) > 1


@pytest.mark.slow
@each_strategy
@pytest.mark.parametrize("template", ["cnn", "lstm"])
def test_what_is_asked_for_besides_changes_nothing_else(train_all: TrainAll, template: str, strategy: Strategy) -> None:
    """Every metric of every epoch is the same to the last digit; one of the two is as when both are asked for."""
    plain, both, one = (
        train_all(
            [
                tiny_spec(
                    template=template, norm="batch", seed=seed, epochs=2, strategy=strategy, further_eval_stats=stats
                )
                for seed in range(2)
            ]
        )
        for stats in ((), BOTH, BOTH[1:])
    )
    for without, record, single in zip(plain, both, one, strict=True):
        assert without.eval_stats == {}
        assert tuple(record.eval_stats) == BOTH
        assert single.eval_stats == {"batch": record.eval_stats["batch"]}
        assert (without.test_value, without.test_hits) == (record.test_value, record.test_hits)
        for mine, theirs in zip(without.epochs, record.epochs, strict=True):
            assert mine.model_dump(exclude={"seconds"}) == theirs.model_dump(exclude={"seconds"})


@pytest.mark.slow
def test_a_member_that_diverged_is_left_out(train_all: TrainAll) -> None:
    """In whichever epoch; the others have what they have without it."""
    settings: dict[str, Any] = {"norm": "batch", "strategy": "stacked", "further_eval_stats": BOTH, "epochs": 2}
    specs = [tiny_spec(seed=seed, **settings) for seed in range(3)]
    alone = train_all([specs[0], specs[2]])
    records = train_all([specs[0], specs[1].model_copy(update={"lr": math.inf}), specs[2]])
    assert [record.status for record in records] == ["ok", "diverged", "ok"]
    assert records[1].eval_stats == {}
    for record, without in zip((records[0], records[2]), alone, strict=True):
        assert_equal(record.eval_stats, without.eval_stats)
    (diverged,) = train_all([specs[0].model_copy(update={"lr": math.inf, "epochs": 1})])
    assert (diverged.status, diverged.eval_stats) == ("diverged", {})


def test_it_is_done_once_after_the_last_epoch(train_all: TrainAll, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a pass over the training set, and tells nothing before."""
    steps: list[int] = []

    def watching(module: MemberModule, **given: Any) -> Any:
        steps.append(module._steps_taken)
        return evaluate_further(module, **given)

    monkeypatch.setattr(train, "evaluate_further", watching)
    train_all([tiny_spec(norm="batch", epochs=3, further_eval_stats=BOTH)])
    assert steps == [3 * (TRAIN // 64)]


def test_in_mixed_precision_it_is_evaluated_so_too(train_all: TrainAll, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the running statistics are, which decide."""
    seen: list[bool] = []
    evaluate = evaluation._evaluate

    def watching(*given: Any) -> Any:
        seen.append(torch.is_autocast_enabled("cpu"))
        return evaluate(*given)

    monkeypatch.setattr(evaluation, "_evaluate", watching)
    for precision in ("bf16-mixed", "32-true"):
        (record,) = train_all([tiny_spec(norm="batch", precision=precision, further_eval_stats=BOTH)])
        assert record.status == "ok"
    assert seen == [True, True, False, False]


@pytest.mark.parametrize("batch_size", [16, 64])
def test_as_many_samples_are_evaluated_at_once_whatever_the_batch_size(
    batch_size: int, train_all: TrainAll, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a norm that pools over them would have other results: of each split a hundred, and the rest."""
    seen: list[int] = []
    validation_step = MemberModule.validation_step

    def watching(module: MemberModule, batch: tuple[Tensor, Tensor], *place: int) -> None:
        seen.append(len(batch[0]))
        validation_step(module, batch, *place)

    monkeypatch.setattr(MemberModule, "validation_step", watching)
    train_all([tiny_spec(batch_size=batch_size)])
    assert seen == [100, TEST - 100] * 2


@pytest.mark.parametrize("samples", [1, 99, 100, 101, 250])
def test_a_pass_over_the_training_set_leaves_no_sample_out(samples: int, digits: Dataset) -> None:
    """In batches of at most a hundred, which differ by one at most, and not in the order of the data."""
    split = type(digits.train)(digits.train.inputs[:samples], digits.train.targets[:samples])
    parts = list(evaluation.even_parts(split))
    sizes = [len(part) for part in parts]
    assert len(parts) == -(-samples // 100)
    assert max(sizes) - min(sizes) <= 1
    read = torch.cat(parts).flatten(1)
    assert torch.equal(read.sort(0).values, split.inputs.flatten(1).sort(0).values)
    assert samples == 1 or not torch.equal(read, split.inputs.flatten(1))


NETWORKS = {("cnn", "batch"): NetworkFacts(keeps_statistics=True), ("cnn", "none"): NetworkFacts()}


def keys(*eval_stats: str) -> dict[str, list[str]]:
    matrix = MatrixSpec(norms=("batch", "none"), templates=("cnn",), eval_stats=eval_stats or ("running",))
    runs = expand(matrix, FACTS, networks=NETWORKS)
    return {norm: [run.key for run in runs if run.norm == norm] for norm in matrix.norms}


def test_only_norms_that_keep_statistics_have_other_keys_where_more_is_asked_for() -> None:
    """So that asking for it trains no other norm again, and not asking trains none."""
    plain = keys()
    assert plain["none"] == keys("batch")["none"] == keys(*BOTH)["none"]
    assert keys("running") == plain
    different = [plain["batch"], keys("batch")["batch"], keys("recalibrated")["batch"], keys(*BOTH)["batch"]]
    assert len({key for each in different for key in each}) == sum(map(len, different))
    assert keys("batch", "running", "recalibrated") == keys(*BOTH)


@pytest.mark.slow
def test_whether_a_network_keeps_statistics_is_found_out() -> None:
    """By the trial of each network, whatever its norm is called."""
    kept = {"batch": True, "torch.nn:BatchNorm2d": True, "batch:track_running_stats=False": False, "layer": False}
    matrix = MatrixSpec(norms=tuple(kept), templates=("cnn",), batch_sizes=(8,))
    prepared, _ = prepare(matrix, Execution(device="cpu"))
    found = [prepared.networks["cnn", norm].keeps_statistics for norm in matrix.norms]
    assert found == list(kept.values())


def test_the_time_of_a_step_is_the_same_whatever_comes_after_training() -> None:
    """It is not timed again."""
    assert timing_key([run_spec()], {}) == timing_key([run_spec(further_eval_stats=BOTH)], {})


def test_running_statistics_decide_whatever_else_is_asked_for() -> None:
    """They come first; the others in one order, each once; as a flag, in a file, or from Python."""
    assert MatrixSpec().eval_stats == ("running",)
    for given in ("batch,recalibrated", ["batch", "recalibrated", "batch"], ("running", "recalibrated", "batch")):
        assert resolve([], [], {"eval_stats": given}).matrix.eval_stats == ("running", *BOTH)
    assert resolve([], ["eval-stats=batch"], {}).matrix.eval_stats == ("running", "batch")
    assert "--eval-stats running,batch" in reproducing_command(MatrixSpec(eval_stats=("batch",)))
    assert "eval" not in reproducing_command(MatrixSpec())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "bach",
            "--eval-stats: unknown eval_stats 'bach'; did you mean 'batch'? (known: running, recalibrated, batch)",
        ),
        ("", "--eval-stats: must not be empty"),
        (3, "--eval-stats: unknown eval_stats '3' (known: running, recalibrated, batch)"),
    ],
)
def test_other_statistics_are_refused(given: Any, message: str) -> None:
    """With those that there are."""
    with pytest.raises(ConfigError) as caught:
        resolve([], [], {"eval_stats": given})
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [0.5, math.nan, math.inf])
def test_evaluations_come_back_from_the_store(value: float) -> None:
    """Also such as are not finite."""
    record = run_record(run_spec(further_eval_stats=BOTH), eval_stats={"batch": {"loss": value, "accuracy": 0.5}})
    read = RunRecord.model_validate_json(record.model_dump_json())
    assert read.spec == record.spec
    assert str(read.eval_stats) == str(record.eval_stats)
