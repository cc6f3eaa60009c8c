"""Is a component of a session another one as soon as it may do something else, and the same one otherwise?"""

import collections
import dataclasses
import functools
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from normzoo.layers import BatchNorm1d
from normzoo.registry import NORMS, spec_of
from normzoo.registry._fingerprint import fingerprint

HELD = SimpleNamespace(number=1)


def enclosing(number: Any) -> Callable[[int], Any]:
    return lambda channels: nn.BatchNorm1d(channels, eps=number)


def by_default(number: Any) -> Callable[..., Any]:
    def make(channels: int, number: Any = number) -> Any:
        return channels + number

    return make


def by_keyword(number: Any) -> Callable[..., Any]:
    def make(channels: int, *, number: Any = number) -> Any:
        return channels + number

    return make


def a_class(number: Any) -> type:
    class Own(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = x * number
            return y

    return Own


def a_subclass(number: Any) -> type:
    class Own(BatchNorm1d):
        scale = number

        @property
        def doubled(self) -> Any:
            return super().eps

    return Own


def a_helper(number: Any) -> Callable[..., Any]:
    def helper() -> Any:
        return number

    def make(channels: int) -> Any:
        return helper() * channels

    return make


def a_global(number: Any) -> Callable[..., Any]:
    HELD.number = number
    return lambda channels: HELD.number * channels


class Maker:
    def __init__(self, number: Any) -> None:
        self.number = number

    def make(self, channels: int) -> Any:
        return self.number * channels

    __call__ = make


def written(number: Any) -> Callable[..., Any]:
    names: dict[str, Any] = {}
    exec(f"def make(channels):\n    return channels * {number}", names)  # noqa: S102  # as a cell of a notebook
    made: Callable[..., Any] = names["make"]
    return made


def by_new(number: Any) -> type:
    class Own:
        def __new__(cls, channels: int) -> Any:
            return nn.BatchNorm1d(channels, eps=number)

    return Own


def by_static_call(number: Any) -> type:
    class Own:
        @staticmethod
        @functools.cache
        def make(channels: int) -> Any:
            return channels + number

        @classmethod
        def of(cls, channels: int) -> Any:
            return cls.make(channels)

        __call__ = functools.partialmethod(make, number)

    return Own


def by_decorator(number: Any) -> Any:
    class Scaled:
        def __init__(self, function: Callable[[int], Any], by: Any) -> None:
            functools.update_wrapper(self, function)
            self.by = by

        def __call__(self, channels: int) -> Any:
            return self.__wrapped__(channels) * self.by  # type: ignore[attr-defined]

    return Scaled(lambda channels: channels, number)


def by_type(number: Any) -> Any:
    class Own(dict[str, int]):
        def __missing__(self, key: str) -> int:
            return int(number)

    return enclosing(Own())


def of_a_module(number: Any) -> Callable[[int], Any]:
    """Reads a value of a module that is imported and has no file."""
    module = types.ModuleType("of_a_session")
    exec(f"NUMBER = {number}\ndef own(x):\n    return x * NUMBER", vars(module))  # noqa: S102
    names: dict[str, Any] = {"settings": module}
    exec("def make(channels):\n    return settings.own(channels)", names)  # noqa: S102
    made: Callable[[int], Any] = names["make"]
    return made


WAYS: dict[str, Callable[[Any], Any]] = {
    "enclosing": enclosing,
    "default": by_default,
    "keyword": by_keyword,
    "class": a_class,
    "subclass": a_subclass,
    "helper": a_helper,
    "global": a_global,
    "method": lambda number: Maker(number).make,
    "object": Maker,
    "partial": lambda number: functools.partial(nn.GroupNorm, number),
    "partial by name": lambda number: functools.partial(nn.GroupNorm, num_groups=number),
    "cached": lambda number: functools.cache(enclosing(number)),
    "code": written,
    "in a list": lambda number: enclosing([1, {"a": number}]),
    "in a set": lambda number: enclosing({1, number}),
    "array": lambda number: enclosing(np.full(3, number)),
    "tensor": lambda number: enclosing(torch.full((3,), float(number))),
    "in low precision": lambda number: enclosing(torch.full((3,), float(number), dtype=torch.bfloat16)),
    "module": lambda number: enclosing(nn.Threshold(number, 0)),
    "__new__": by_new,
    "static": by_static_call,
    "decorator": by_decorator,
    "type": by_type,
    "module of a session": of_a_module,
    "method of a list": lambda number: [number].__getitem__,
    "learned": lambda number: enclosing(nn.Parameter(torch.zeros(2), requires_grad=number == 2)),
    "default of a dictionary": lambda number: enclosing(collections.defaultdict(lambda: number)),
    "pattern": lambda number: enclosing(re.compile(str(number))),
    "dataclass": lambda number: enclosing(dataclasses.make_dataclass("Own", [("a", int, number)], frozen=True)()),
    "path": lambda number: enclosing(Path(str(number))),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_known_by_what_it_was_made_with(way: str) -> None:
    """However a value gets in; made anew of the same, it is the same."""
    make = WAYS[way]
    first = fingerprint(make(2))
    assert first == fingerprint(make(2))
    assert first != fingerprint(make(4))


def test_functions_on_one_line_are_told_apart() -> None:
    both = [lambda channels: nn.BatchNorm1d(channels), lambda channels: nn.LayerNorm(channels)]
    assert len({fingerprint(each) for each in both}) == 2


def test_what_is_caught_is_part_of_the_code() -> None:
    """In one, errors of the first call are caught, too."""

    def both(a: Any, b: Any) -> Any:
        try:
            a()
            b()
        except KeyError:
            return 1
        return 0

    def one(a: Any, b: Any) -> Any:
        a()
        try:
            b()
        except KeyError:
            return 1
        return 0

    assert fingerprint(both) != fingerprint(one)


def test_what_torch_writes_into_a_class_as_it_is_used_does_not_count() -> None:
    """A step with a profile around it, also of a class that inherits it."""

    class Inheriting(torch.optim.SGD):
        pass

    class Own(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    before = [fingerprint(kind) for kind in (Inheriting, Own)]
    for kind in (Inheriting, Own):
        kind([nn.Parameter(torch.zeros(1))], lr=0.1)
    assert [fingerprint(kind) for kind in (Inheriting, Own)] == before


def test_types_of_equal_values_are_told_apart() -> None:
    """What is computed with 1 may be another thing than with 1.0 or True."""
    values = [1, 1.0, True, "1", b"1", None, (1,), [1], {1}, torch.float32, torch.float64]
    assert len({fingerprint(enclosing(each)) for each in values}) == len(values)


def test_what_refers_to_itself_has_an_end() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    assert fingerprint(enclosing(cycle)) == fingerprint(enclosing(cycle))


def test_what_cannot_be_written_down_is_another_one_each_time() -> None:
    """An open file, for instance: it is trained again."""
    with Path(os.devnull).open() as file:
        given = enclosing(file)
        assert fingerprint(given) != fingerprint(given)


SCRIPT = """
import beside
from beside import named
from normzoo.registry._fingerprint import fingerprint

FACTOR = {factor}

def helper(x):
    return {helper}

class Mine:
    # {remark}
    def __init__(self, channels):
        self.names = {{"a", "b", "c"}}

    def forward(self, x):
        return named(beside.offset(helper(x) * FACTOR))

print(fingerprint(Mine), fingerprint(lambda channels: Mine(channels)))
"""


@pytest.mark.slow
def test_a_script_is_known_from_run_to_run(tmp_path: Path) -> None:
    """By what it computes, also in functions, numbers and files beside its norm, and not by its remarks."""
    plain = {"factor": 1.0, "helper": "x", "remark": "as it was", "beside": 0}
    found = []
    # Bytecode is known by the second in which its file was written, and by its size.
    kept = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    changed: list[dict[str, Any]] = [{}, {"remark": "later"}, {"factor": 3.0}, {"helper": "0 * x"}, {"beside": 1}]
    for number, changes in enumerate(changed):
        script, settings = tmp_path / "script.py", {**plain, **changes}
        script.write_text(SCRIPT.format(**settings))
        (tmp_path / "beside.py").write_text(
            f"def offset(x):\n    return x + {settings['beside']}\n\n\ndef named(x):\n    return x\n"
        )
        done = subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, **kept, "PYTHONHASHSEED": str(number)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.split())
    assert found[0] == found[1]
    for one in (0, 1):
        assert len({each[one] for each in found}) == 4


@pytest.mark.parametrize("name", ["a:by=2", "x=1", "<lambda>", ""])
def test_a_name_that_no_spec_can_have_is_written_otherwise(name: str) -> None:
    def make(channels: int) -> nn.Module:
        return nn.BatchNorm1d(channels)

    make.__name__ = name
    target, _ = NORMS.load(spec_of(NORMS, make))
    assert target is make


def test_a_method_is_the_same_component_wherever_it_is_given() -> None:
    """Though it is another object each time; two objects' methods are two."""
    maker, taken = Maker(1), dict[str, object]()
    given = (maker.make, Maker(1).make, maker.make)
    assert [spec_of(NORMS, each, taken) for each in given] == ["session:make", "session:make_2", "session:make"]
