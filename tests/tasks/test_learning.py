"""Are losses and metrics of each task what their definitions say, for one network and for several?"""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score
from torch import Tensor, nn
from torch.testing import assert_close
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.regression import MeanSquaredError, R2Score

from normzoo.tasks import Classification, Regression, Scale, Targets, Task
from normzoo.templates import MemberMetrics, MemberModule, PerMemberMean, member_losses, stack

Random = np.random.Generator
Array = np.ndarray[Any, Any]


def classes(random: Random, samples: int = 40, kinds: int = 4) -> tuple[Tensor, Tensor]:
    """Return logits in float64 and classes."""
    return torch.from_numpy(3 * random.standard_normal((samples, kinds))), torch.from_numpy(
        random.integers(0, kinds, samples)
    )


def numbers(random: Random, samples: int = 40, width: int = 3) -> tuple[Tensor, Tensor]:
    """Return outputs and targets in float64."""
    outputs, targets = random.standard_normal((2, samples, width))
    return torch.from_numpy(outputs), torch.from_numpy(targets)


def evaluated(task: Task, outputs: Tensor, targets: Tensor, scale: Scale | None = None) -> list[dict[str, float]]:
    """Evaluate outputs ``(N, M, *)`` in batches of unequal size."""
    metrics = MemberMetrics(task, outputs.shape[1], scale or Scale(), torch.device("cpu"))
    for part in (slice(0, 7), slice(7, 8), slice(8, None)):
        metrics.update(outputs[part], targets[part])
    return metrics.compute()


def test_the_loss_of_a_classification_is_the_cross_entropy(random: Random) -> None:
    """Of each sample: minus the log of the softmax at its class, in float64."""
    logits, labels = classes(random)
    z = logits.numpy()
    expected = np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(len(z)), labels.numpy()]
    found = Classification().losses(logits, labels)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.mean(), log_loss(labels, logits.softmax(1), labels=range(4)), rtol=1e-10)


def test_the_loss_of_a_regression_is_the_squared_error(random: Random) -> None:
    """Of each sample: the mean over its numbers, in float64."""
    outputs, targets = numbers(random)
    expected = ((outputs.numpy() - targets.numpy()) ** 2).mean(1)
    np.testing.assert_allclose(Regression().losses(outputs, targets).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_share_of_hits_is_the_accuracy_exactly(random: Random, dtype: torch.dtype) -> None:
    """Of each member, over batches of unequal size, in the order of the samples; ties and NaN count the same way."""
    logits, labels = classes(random)
    outputs = torch.stack([logits, -logits, logits.round()], 1).to(dtype)
    outputs[3, 0], outputs[5, 1, 2], outputs[6] = 1.0, torch.nan, 0.0
    metrics = MemberMetrics(Classification(), 3, Scale(), torch.device("cpu"))
    for part in (slice(0, 7), slice(7, 8), slice(8, None)):
        metrics.update(outputs[part], labels[part])
    hits = metrics.hits
    assert hits is not None
    assert (hits.shape, hits.dtype) == ((40, 3), torch.bool)
    assert torch.equal(hits, outputs.argmax(-1) == labels.unsqueeze(1))
    assert [found["accuracy"] for found in metrics.compute()] == hits.double().mean(0).tolist()
    assert 0 < hits[:, 0].sum() < 40


def test_where_the_metric_is_no_share_nothing_is_a_hit(random: Random) -> None:
    """Nor where a task does not say what is right."""
    metrics = MemberMetrics(Regression(), 2, Scale(), torch.device("cpu"))
    outputs, targets = numbers(random)
    metrics.update(outputs.unsqueeze(1).expand(-1, 2, -1), targets)
    assert metrics.hits is None

    class Silent(Classification):
        hits = Task.hits  # type: ignore[assignment]

    logits, labels = classes(random)
    metrics = MemberMetrics(Silent(), 1, Scale(), torch.device("cpu"))
    metrics.update(logits.unsqueeze(1), labels)
    assert metrics.hits is None


def test_classification_is_evaluated_as_by_scikit_learn_and_torchmetrics(random: Random) -> None:
    logits, labels = classes(random)
    (found,) = evaluated(Classification(), logits.unsqueeze(1), labels)
    reference = MulticlassAccuracy(4, average="micro").double()
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, logits.argmax(1)), rel=1e-12)
    assert found["accuracy"] == pytest.approx(reference(logits, labels).item())
    assert found["loss"] == pytest.approx(log_loss(labels, logits.softmax(1), labels=range(4)), rel=1e-10)
    assert list(found) == ["loss", "accuracy"]


@pytest.mark.parametrize("width", [1, 3])
def test_regression_is_evaluated_as_by_scikit_learn_and_torchmetrics(random: Random, width: int) -> None:
    """In the units of the data, which the loss is not."""
    outputs, targets = numbers(random, width=width)
    scale = Scale(tuple((100 * random.standard_normal(width)).tolist()), tuple((5 * random.random(width)).tolist()))
    (found,) = evaluated(Regression(), outputs.unsqueeze(1), targets, scale)
    mean, std = torch.tensor(scale, dtype=torch.float64)
    y_hat, y = outputs * std + mean, targets * std + mean
    assert found["rmse"] == pytest.approx(mean_squared_error(y, y_hat) ** 0.5, rel=1e-10)
    assert found["r2"] == pytest.approx(r2_score(y, y_hat), rel=1e-9)
    assert found["rmse"] == pytest.approx(MeanSquaredError(squared=False).set_dtype(torch.float64)(y_hat, y).item())
    assert found["r2"] == pytest.approx(R2Score().set_dtype(torch.float64)(y_hat, y).item())
    assert found["loss"] == pytest.approx(mean_squared_error(targets, outputs), rel=1e-10)
    assert list(found) == ["loss", "rmse", "r2"]


def test_far_from_zero_metrics_keep_their_digits(random: Random) -> None:
    """As of numbers around a million, which float32 tells apart by no more than a sixteenth."""
    outputs, targets = (values.float() for values in numbers(random, width=1))
    (found,) = evaluated(Regression(), outputs.unsqueeze(1), targets, Scale((1e6,), (100.0,)))
    assert found["rmse"] == pytest.approx(100 * mean_squared_error(targets, outputs) ** 0.5, rel=1e-6)
    assert found["r2"] == pytest.approx(r2_score(targets, outputs), rel=1e-6)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("task", [Classification(), Regression()], ids=["classification", "regression"])
def test_several_members_are_evaluated_each_as_alone(random: Random, task: Task) -> None:
    """On the same targets; outputs of one do not enter what is said of another."""
    members, scale = 3, Scale((2.0, -3.0, 10.0), (1.0, 4.0, 0.1))
    targets = (classes(random) if isinstance(task, Classification) else numbers(random))[1]
    outputs = torch.from_numpy(random.standard_normal((40, members, 4 if isinstance(task, Classification) else 3)))
    together = evaluated(task, outputs, targets, scale)
    for member in range(members):
        (alone,) = evaluated(task, outputs[:, member : member + 1], targets, scale)
        assert together[member] == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize("task", [Classification(), Regression()], ids=["classification", "regression"])
def test_losses_of_several_members_are_each_ones_own(random: Random, task: Task) -> None:
    is_classes = isinstance(task, Classification)
    outputs = torch.from_numpy(random.standard_normal((6, 3, 4)))
    targets = torch.from_numpy(random.integers(0, 4, (6, 3)) if is_classes else random.standard_normal((6, 3, 4)))
    found = member_losses(task.losses, outputs, targets)
    assert found.shape == (6, 3)
    for member in range(3):
        assert_close(found[:, member], task.losses(outputs[:, member], targets[:, member]))


def test_targets_in_units_are_those_of_the_data(random: Random) -> None:
    """What was standardized comes back, to the digits of float32 in standard deviations."""
    values = 1e3 * random.standard_normal((2, 30, 2)) + np.array([5.0, -1e5])
    prepared = Regression().prepare("here", {"train": values[0], "test": values[1]})
    for split, array in zip(("train", "test"), values, strict=True):
        back = Regression().in_units(torch.from_numpy(prepared.by_split[split]).double(), prepared.scale)
        np.testing.assert_allclose(back.numpy(), array, atol=1e3 * 1e-6)
    logits = torch.from_numpy(random.standard_normal((5, 3)))
    assert Classification().in_units(logits, Scale()) is logits


@pytest.mark.slow_but_one
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_stack_learns_numbers_as_each_network_alone(random: Random, optimizer: Any) -> None:
    """In float64: losses of training, parameters and evaluations after three steps."""
    torch.manual_seed(int(random.integers(1000)))
    members = [nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)).double() for _ in range(3)]
    inputs = torch.from_numpy(random.standard_normal((3, 12, 3, 5)))
    targets = torch.from_numpy(random.standard_normal((3, 12, 3, 2)))
    unseen = (torch.from_numpy(random.standard_normal((9, 5))), torch.from_numpy(random.standard_normal((9, 2))))
    lrs, settings = [0.05, 0.01, 0.01], {"task": Regression(), "scale": Scale((1.0, 2.0), (3.0, 0.5))}

    def trained(module: MemberModule, kept: list[int]) -> tuple[list[float], list[dict[str, float]]]:
        module.on_train_epoch_start()
        module.training_step((inputs[:, :, kept], targets[:, :, kept]), 0)
        module.on_validation_epoch_start()
        module.validation_step(unseen, 0)
        module.on_validation_epoch_end()
        return module.train_losses, module.evaluations[0]

    stacked = MemberModule(members, lrs=lrs, optimizer=optimizer, **settings)  # type: ignore[arg-type]
    losses, evaluations = trained(stacked, [0, 1, 2])
    expected = stack(members)(inputs[0])
    for member, network in enumerate(members):
        assert_close(network(inputs[0][:, member]), expected[:, member])
        module = MemberModule([network], lrs=[lrs[member]], optimizer=optimizer, stacked=False, **settings)  # type: ignore[arg-type]
        (loss,), (evaluation,) = trained(module, [member])
        assert losses[member] == pytest.approx(loss, rel=1e-6)  # summed in float32
        assert evaluations[member] == pytest.approx(evaluation, rel=1e-10)
        assert set(evaluation) == {"loss", "rmse", "r2"}
        for name, parameter in stacked.network.named_parameters():
            assert_close(parameter[member], network.get_parameter(name), rtol=1e-10, atol=1e-12)


def test_a_mean_counts_samples_and_keeps_what_is_not_finite() -> None:
    mean = PerMemberMean(3)
    mean.update(torch.tensor([[1.0, 2.0, torch.nan]]))
    mean.update(torch.tensor([[3.0, torch.inf, 1.0], [5.0, 1.0, 1.0]]))
    found = mean.compute()
    assert found.dtype == torch.float64
    assert found[:2].tolist() == [3.0, torch.inf]
    assert found[2].isnan()


def test_the_default_task_is_classification() -> None:
    module = MemberModule([nn.Linear(4, 3)], lrs=[0.1])
    assert isinstance(module.task, Classification)
    assert Targets({}, 3).scale == Scale() == ((0.0,), (1.0,))


def test_the_constant_of_a_classification_is_its_most_frequent_class(random: Random) -> None:
    targets = torch.from_numpy(random.permutation([0] * 5 + [1] * 7 + [3] * 6))
    constant = Classification().constant(targets, 4)
    assert int(constant.argmax()) == 1
    assert constant.exp().tolist() == pytest.approx([5 / 18, 7 / 18, 0, 6 / 18])


def test_the_constant_of_a_regression_is_the_mean_which_no_other_number_beats(random: Random) -> None:
    _, targets = numbers(random)
    constant = Regression().constant(targets, 3)
    assert_close(constant, targets.mean(0))
    least = Regression().losses(constant.expand_as(targets), targets).mean()
    assert least < Regression().losses((constant + 0.01).expand_as(targets), targets).mean()
