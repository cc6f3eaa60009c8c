"""Is a metric written as it should be read, and is its direction that of the metric that computes it?"""

import math

import pytest

from normzoo.metric import ACCURACY, Metric
from normzoo.registry import TASKS
from normzoo.tasks import make_task

PLAIN = Metric(name="rmse", label="RMSE", higher_is_better=False)
R2 = Metric(name="r2", decimals=3, higher_is_better=True)


@pytest.mark.parametrize("name", TASKS)
def test_the_better_direction_is_that_of_torchmetrics(name: str) -> None:
    """A metric that is maximized where it should be minimized would choose the worst learning rate."""
    task = make_task(name)
    for metric in task.metrics:
        assert task.torchmetric(metric.name, 3).higher_is_better == metric.higher_is_better
        assert metric.sign == (1 if metric.higher_is_better else -1)
    assert not task.loss.higher_is_better


@pytest.mark.parametrize("name", TASKS)
def test_metrics_of_a_task_say_how_they_are_called(name: str) -> None:
    """Names are keys in records, and none is that of the loss."""
    task = make_task(name)
    names = [metric.name for metric in task.metrics]
    assert len(set(names)) == len(names) > 0
    assert all(each.isidentifier() and each != "loss" for each in names)
    assert all(metric.title == (metric.label or metric.name) for metric in task.metrics)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (ACCURACY, 0.9312, "93.1"),
        (ACCURACY, 0.0, "0.0"),
        (ACCURACY, -0.0, "0.0"),
        (ACCURACY, -0.0001, "0.0"),
        (ACCURACY, 1.0, "100.0"),
        (ACCURACY, math.nan, "nan"),
        (R2, -12.34567, "-12.346"),
        (R2, -0.0001, "0.000"),
        (R2, -1e12, "-1.00e+12"),
        (PLAIN, 0.0, "0.00"),
        (PLAIN, -0.0, "0.00"),
        (PLAIN, 0.0123456, "0.0123"),
        (PLAIN, 1.0, "1.00"),
        (PLAIN, 9.999, "10.0"),
        (PLAIN, 0.09999, "0.100"),
        (PLAIN, 99.95, "100"),
        (PLAIN, 12.345, "12.3"),
        (PLAIN, 123.456, "123"),
        (PLAIN, 1234567.8, "1234568"),
        (PLAIN, 1e7, "1.00e+07"),
        (PLAIN, 1e22, "1.00e+22"),
        (PLAIN, 1.234e-5, "0.0000123"),
        (PLAIN, 1e-9, "1.00e-09"),
        (PLAIN, 1e-30, "1.00e-30"),
        (PLAIN, -3e-20, "-3.00e-20"),
        (PLAIN, 5e-324, "4.94e-324"),
        (PLAIN, math.nan, "nan"),
        (PLAIN, math.inf, "inf"),
        (PLAIN, -math.inf, "-inf"),
    ],
)
def test_values_are_written_with_their_digits(metric: Metric, value: float, text: str) -> None:
    """As many as the metric says, or three significant ones."""
    assert metric.write(value) == text


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (ACCURACY, 0.0123, "+1.2"),
        (ACCURACY, -0.0123, "-1.2"),
        (ACCURACY, 0.0, "0.0"),
        (ACCURACY, -0.0, "0.0"),
        (ACCURACY, 0.0004, "0.0"),
        (ACCURACY, -0.0004, "0.0"),
        (ACCURACY, math.nan, "nan"),
        (ACCURACY, math.inf, "+inf"),
        (PLAIN, 0.5, "+0.500"),
        (PLAIN, -0.5, "-0.500"),
        (PLAIN, 1e-30, "+1.00e-30"),
        (PLAIN, -math.inf, "-inf"),
    ],
)
def test_differences_have_a_sign_where_they_are_one(metric: Metric, value: float, text: str) -> None:
    assert metric.write_signed(value) == text


@pytest.mark.parametrize("like", [0.5, 12.0, 123.0, 1e-5, 0.0, math.nan])
@pytest.mark.parametrize("value", [0.0, 0.25, -3.0, math.nan, math.inf])
def test_what_belongs_together_has_as_many_digits(value: float, like: float) -> None:
    """An interval has those of the mean that it is of."""
    if math.isfinite(value):
        expected = len(PLAIN.write(like).partition(".")[2]) if math.isfinite(like) else 2
        assert len(PLAIN.write(value, like=like).partition(".")[2]) == expected
    signed = PLAIN.write_signed(value, like=like)
    assert (signed[0] in "+-") == (not math.isnan(value) and float(signed) != 0)
