"""Are options checked against the signature of what they are for, and given in its types?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from normzoo.errors import ComponentError
from normzoo.registry import DATASETS, NORMS, TASKS, TEMPLATES, Registry
from normzoo.registry._options import checked_options, scalar

MODULE = '''
from __future__ import annotations
from collections.abc import Sequence
from functools import partial
from typing import Literal, Optional

class Norm:
    def __init__(self, num_features: int, slope: float = 0.5, *, mode: Literal["fast", "slow"] = "fast", device=None):
        pass

class Axis:
    """Takes an axis under a name that others give their channels."""

    def __init__(self, planes: int, dim: int = 1):
        pass

class Grouped:
    def __init__(self, num_groups: int, num_channels: int):
        pass

class Anything:
    def __init__(self, size, device=None, **options):
        pass

class Inheriting(Norm):
    pass

class First:
    """Takes what comes first under a name of its own, and a device."""

    def __init__(self, n, depth: int = 3, device=None):
        pass

def function(num_features: int, *, widths: Sequence[int] = (1,), floor: Optional[float] = None):
    return widths

fewer = partial(function, floor=1.0)

class Task:
    def __init__(self, delta: float = 1.0):
        pass

def dataset(samples: int = 100, *, root=None):
    pass

class Net:
    def __init__(self, norm, shape, outputs, depth: int = 2):
        pass

constant = 3
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_options_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def takes(
    number: int = 0,
    ratio: float = 0.0,
    flag: bool = False,
    name: str = "",
    sizes: Sequence[int] = (),
    rates: list[float] = [],  # noqa: B006
    pair: tuple[int, ...] = (),
    mode: Literal["none", "max", "mean"] = "none",
    size: Literal[1, 2] = 1,
    perhaps: float | None = None,
    label: str | None = None,
    either: str | int = 0,
    anything: Any = None,
) -> None:
    """Take an option of every type."""


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("number=-3", -3),
        ("ratio=0.5", 0.5),
        ("ratio=1e-3", 0.001),
        ("ratio=2", 2),
        ("flag=True", True),
        ("flag=false", False),
        ("name=plain", "plain"),
        ("name=12", "12"),
        ("name=none", "none"),
        ("name=True", "true"),
        ("sizes=16-32-64", (16, 32, 64)),
        ("sizes=16", (16,)),
        ("rates=0.5-1", [0.5, 1]),
        ("pair=3-4", (3, 4)),
        ("mode=none", "none"),
        ("mode=mean", "mean"),
        ("size=2", 2),
        ("perhaps=none", None),
        ("perhaps=0.25", 0.25),
        ("label=none", None),
        ("label=high", "high"),
        ("either=3", 3),
        ("either=three", "three"),
        ("anything=16-32", "16-32"),
        ("anything=7", 7),
    ],
)
def test_options_come_in_the_types_of_the_signature(option: str, value: object) -> None:
    name, _, text = option.partition("=")
    found = checked_options("this", takes, {name: scalar(text)}, ())[name]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("number=1.5", "this: number must be a whole number, got '1.5'"),
        ("number=true", "this: number must be a whole number, got 'true'"),
        ("ratio=high", "this: ratio must be a number, got 'high'"),
        ("ratio=none", "this: ratio must be a number, got 'none'"),
        ("flag=maybe", "this: flag must be true or false, got 'maybe'"),
        ("flag=1", "this: flag must be true or false, got '1'"),
        ("sizes=16-x", "this: sizes must be a list of whole numbers, such as 16-32, got '16-x'"),
        ("sizes=1.5", "this: sizes must be a list of whole numbers, such as 16-32, got '1.5'"),
        ("mode=men", "this: mode must be one of none, max, mean, got 'men'; did you mean 'mean'?"),
        ("size=3", "this: size must be one of 1, 2, got '3'"),
        ("perhaps=never", "this: perhaps must be a number or none, got 'never'"),
    ],
)
def test_a_value_of_another_type_is_refused(option: str, message: str) -> None:
    name, _, text = option.partition("=")
    with pytest.raises(ComponentError) as refusal:
        checked_options("this", takes, {name: scalar(text)}, ())
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (NORMS, "batch:affine=maybe", "affine must be true or false, got 'maybe'"),
        (NORMS, "batch:epsilon=1", "it has no option 'epsilon'; did you mean 'eps'?"),
        (NORMS, "batch:device=cuda", "device is no option; normzoo sets it"),
        (NORMS, "batch:num_features=3", "num_features is no option; normzoo sets it"),
        (NORMS, "none:eps=1", "it has no option 'eps' (it takes no options)"),
        (TEMPLATES, "cnn:widths=thick", "widths must be a list of whole numbers, such as 16-32, got 'thick'"),
        (TEMPLATES, "cnn:placement=past", "placement must be one of post, pre, got 'past'; did you mean 'post'?"),
        (TEMPLATES, "cnn:sites=map", "sites must be one of all, maps, vectors, got 'map'; did you mean 'maps'?"),
        (TEMPLATES, "cnn:width=8", "it has no option 'width'; did you mean 'widths'? (it takes: placement, widths"),
        (TEMPLATES, "cnn:shape=8", "shape is no option; normzoo sets it"),
        (TEMPLATES, "lstm:norm=batch", "norm is no option; normzoo sets it"),
        (DATASETS, "digits:root=here", "root is no option; normzoo sets it"),
        (DATASETS, "digits:size=3", "it has no option 'size' (it takes no options)"),
        (TASKS, "regression:delta=1", "it has no option 'delta' (it takes no options)"),
    ],
)
def test_options_of_the_registered_are_checked(kind: Registry[Any], text: str, message: str) -> None:
    with pytest.raises(ComponentError) as refusal:
        kind.load(text)
    assert str(refusal.value).startswith(f"{kind.kind} '{text}': {message}")


def test_lists_reach_a_template_as_numbers() -> None:
    assert TEMPLATES.load("cnn:widths=16-32")[1]["widths"] == (16, 32)
    assert TEMPLATES.load("cnn:widths=16")[1]["widths"] == (16,)
    assert TEMPLATES.load("cnn")[1] == {"placement": "post", "widths": (32, 64), "hidden": 64, "sites": "all"}


@pytest.mark.parametrize(
    ("kind", "text", "options"),
    [
        (NORMS, "OWN:Norm:slope=1,mode=slow", {"slope": 1, "mode": "slow"}),
        (NORMS, "OWN:Inheriting:slope=2", {"slope": 2}),
        (NORMS, "OWN:Anything:a=1,b=16-32", {"a": 1, "b": "16-32"}),
        (NORMS, "OWN:First:depth=2", {"depth": 2}),
        (NORMS, "OWN:Axis:dim=2", {"dim": 2}),
        (NORMS, "OWN:Grouped:num_groups=2", {"num_groups": 2}),
        (NORMS, "torch.nn:LazyBatchNorm2d:eps=0.1", {"eps": 0.1}),
        (NORMS, "torch.nn:GroupNorm:num_groups=4", {"num_groups": 4}),
        (NORMS, "OWN:function:widths=3-4,floor=none", {"widths": (3, 4), "floor": None}),
        (NORMS, "OWN:fewer:widths=3", {"widths": 3}),
        (NORMS, "builtins:dict:a=1", {"a": 1}),
        (TASKS, "OWN:Task:delta=2", {"delta": 2}),
        (DATASETS, "OWN:dataset:samples=7", {"samples": 7}),
        (TEMPLATES, "OWN:Net:depth=5", {"depth": 5}),
    ],
)
def test_options_of_ones_own(kind: Registry[Any], text: str, options: dict[str, Any], own: str) -> None:
    """Classes and functions, with any options and without a signature, whatever they call what they are given."""
    target, found = kind.load(text.replace("OWN", own))
    assert callable(target)
    assert found == options


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (NORMS, "OWN:Norm:slop=1", "it has no option 'slop'; did you mean 'slope'? (it takes: slope, mode)"),
        (NORMS, "OWN:Norm:mode=fats", "mode must be one of fast, slow, got 'fats'; did you mean 'fast'?"),
        (NORMS, "OWN:Norm:device=cpu", "device is no option; normzoo sets it"),
        (NORMS, "OWN:First:n=2", "it has no option 'n' (it takes: depth)"),
        (NORMS, "OWN:Axis:planes=2", "it has no option 'planes' (it takes: dim)"),
        (NORMS, "OWN:Grouped:num_channels=2", "num_channels is no option; normzoo sets it"),
        (NORMS, "OWN:Anything:size=2", "size is no option; normzoo sets it"),
        (NORMS, "OWN:Anything:device=cpu", "device is no option; normzoo sets it"),
        (NORMS, "OWN:function:widths=a-b", "widths must be a list of whole numbers, such as 16-32, got 'a-b'"),
        (NORMS, "OWN:constant", "OWN:constant is neither a class nor a function"),
        (TASKS, "OWN:Task:delta=x", "delta must be a number, got 'x'"),
        (TEMPLATES, "OWN:Net:norm=1", "norm is no option; normzoo sets it"),
        (DATASETS, "OWN:dataset:root=here", "root is no option; normzoo sets it"),
    ],
)
def test_options_of_ones_own_are_checked(kind: Registry[Any], text: str, message: str, own: str) -> None:
    with pytest.raises(ComponentError) as refusal:
        kind.load(text.replace("OWN", own))
    assert str(refusal.value) == f"{kind.kind} '{text}': {message}".replace("OWN", own)
