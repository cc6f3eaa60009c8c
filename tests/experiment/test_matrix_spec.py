"""What does a matrix refuse, and which learning rate does it set?"""

from typing import Any

import pytest
from pydantic import ValidationError

from normzoo.experiment.config.spec import MatrixSpec


@pytest.mark.parametrize(
    ("rule", "rates"),
    [
        ("linear", {8: 0.0125, 32: 0.05, 128: 0.2}),
        ("sqrt", {8: 0.025, 32: 0.05, 128: 0.1}),
        ("fixed", {8: 0.05, 32: 0.05, 128: 0.05}),
    ],
)
def test_the_learning_rate_follows_the_batch_size_by_the_rule(rule: Any, rates: dict[int, float]) -> None:
    """Proportional to the batch size, to its root, or not at all; as given at the reference."""
    matrix = MatrixSpec(lr=0.05, lr_rule=rule, lr_reference=32)
    assert {size: matrix.lr_at(size) for size in rates} == rates


def test_a_learning_rate_is_a_plain_decimal() -> None:
    """0.1 at 32 is 0.3 at 96, not 0.30000000000000004: it is part of a key, and is shown."""
    assert MatrixSpec(lr=0.1).lr_at(96) == 0.3


def test_batch_sizes_are_put_in_order_and_counted_once() -> None:
    """32,2,2 asks for what 2,32 asks for."""
    assert MatrixSpec(batch_sizes=(32, 2, 2)).batch_sizes == (2, 32)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"norms": ("batch", "batch")}, "norm 'batch' is the same as 'batch'"),
        ({"norms": ("group", "none", "group:groups=8")}, "norm 'group:groups=8' is the same as 'group'"),
        ({"norms": ("batch:eps=1e-3", "batch:eps=0.001")}, "norm 'batch:eps=0.001' is the same as 'batch:eps=1e-3'"),
        ({"templates": ("cnn", "cnn")}, "template 'cnn' is the same as 'cnn'"),
        ({"templates": ("cnn", "cnn:widths=32-64")}, "template 'cnn:widths=32-64' is the same as 'cnn'"),
    ],
)
def test_two_names_of_the_same_thing_are_refused(setting: dict[str, Any], message: str) -> None:
    """They would be one run under two headings."""
    with pytest.raises(ValidationError, match=message):
        MatrixSpec(**setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"norms": ("bach",)}, "unknown norm 'bach'; did you mean 'batch'?"),
        ({"norms": ("group:groups=2,groups=4",)}, "it says groups more than once; say it once"),
        ({"templates": ("resnet:depth=8,depth=14",)}, "it says depth more than once; say it once"),
        ({"norms": ("group:groups=",)}, "expected options of the form key=value, got 'groups='"),
        ({"norms": ()}, "at least 1 item"),
        ({"templates": ("cn",)}, "unknown template 'cn'; did you mean 'cnn'?"),
        ({"dataset": "digit"}, "unknown dataset 'digit'; did you mean 'digits'?"),
        ({"dataset": "npz"}, "dataset 'npz': expected npz:PATH"),
        ({"dataset": "npz:"}, "dataset 'npz:': expected npz:PATH"),
        ({"dataset": "digits:x"}, "expected options of the form key=value, got 'x'"),
        ({"task": "regresion"}, "unknown task 'regresion'; did you mean 'regression'?"),
        ({"strategy": "loop"}, "'auto', 'stacked' or 'sequential'"),
        ({"compile": "yes"}, "'auto', 'always' or 'never'"),
        ({"batch_sizes": (2, 0)}, "greater than or equal to 1"),
        ({"seeds": 0}, "greater than or equal to 1"),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"lr": 0}, "greater than 0"),
        ({"lr": float("nan")}, "greater than 0"),
        ({"lr": float("inf")}, "finite"),
        ({"lr_rule": "cubic"}, "'linear', 'sqrt' or 'fixed'"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion'"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'"),
        ({"weight_decay": -0.1}, "greater than or equal to 0"),
        ({"weight_decay_on": "norms"}, "'weights' or 'all'"),
        ({"momentum": 0.9}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_what_cannot_be_run_is_refused(setting: dict[str, Any], message: str) -> None:
    """With a message that says what would do."""
    with pytest.raises(ValidationError) as caught:
        MatrixSpec(**setting)
    assert message in str(caught.value)


def test_a_users_own_norm_is_not_looked_for_yet() -> None:
    """Only a worker imports it; here its path is enough."""
    assert MatrixSpec(norms=("no.such.module:Norm",)).norms == ("no.such.module:Norm",)


@pytest.mark.parametrize("setting", [{"seeds": True}, {"batch_sizes": [2, False]}, {"lr": True}])
def test_what_yaml_makes_of_yes_is_no_number(setting: dict[str, Any]) -> None:
    """`seeds: yes` is a slip of the pen, not one seed."""
    with pytest.raises(ValidationError, match=r"expected a (whole )?number"):
        MatrixSpec(**setting)


def test_the_baseline_is_none_else_the_first_norm_unless_told() -> None:
    """In its canonical form."""
    assert MatrixSpec().reference == "none"
    assert MatrixSpec(norms="layer,batch").reference == "layer"
    assert MatrixSpec(norms="batch,group:groups=8,none", baseline="group").reference == "group"


def test_a_baseline_that_is_not_compared_is_refused() -> None:
    """It says which norms there are."""
    message = "baseline 'none' is not compared; name one of layer, batch, or add it to the norms"
    with pytest.raises(ValidationError, match=message):
        MatrixSpec(norms="layer,batch", baseline="none")
    with pytest.raises(ValidationError, match="unknown norm 'nona'; did you mean 'none'"):
        MatrixSpec(baseline="nona")
