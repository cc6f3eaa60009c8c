"""Are the registries' entries complete and true to what they name, and is listing them cheap?"""

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from normzoo import registry
from normzoo.registry import (
    AUGMENTATIONS,
    DATASETS,
    NORMS,
    OPTIMIZERS,
    SCHEDULES,
    TASKS,
    TEMPLATES,
    Entry,
    Registry,
    load,
)
from normzoo.registry._options import checked_options

REGISTRIES: tuple[Registry[Any], ...] = (NORMS, TEMPLATES, DATASETS, TASKS, OPTIMIZERS, SCHEDULES, AUGMENTATIONS)
ENTRIES = [
    pytest.param(kind, name, entry, id=f"{kind.kind}-{name}") for kind in REGISTRIES for name, entry in kind.items()
]

ON_PURPOSE = {("instance", "affine"), ("domain", "domains")}
"""Options with another default than the target's: torch's instance norm learns nothing, all norms compared do; a
comparison has one domain."""


@pytest.mark.parametrize(("kind", "name", "entry"), ENTRIES)
def test_targets_can_be_imported(kind: Registry[Any], name: str, entry: Entry) -> None:
    """Every target is an import path into normzoo, of what can be called."""
    module, _, attribute = entry.target.partition(":")
    assert module.split(".")[0] == "normzoo"
    assert attribute.isidentifier()
    assert callable(load(entry.target))
    assert kind[name] is entry


@pytest.mark.parametrize("name", NORMS)
def test_norms_say_what_they_are(name: str) -> None:
    """Every norm states its formula, what it pools and its source."""
    entry = NORMS.entry(NORMS.parse(name))
    assert entry is NORMS[name]
    assert entry.formula.strip()
    assert name == "none" or any(character.isdigit() for character in entry.source), "a source has a year"


@pytest.mark.parametrize(("kind", "name", "entry"), ENTRIES)
def test_names_are_what_users_type(kind: Registry[Any], name: str, entry: Entry) -> None:
    """A name is plain lower case, perhaps with dashes and a plus, and its canonical form asks for the same entry."""
    assert name == name.lower()
    assert name.replace("-", "").replace("+", "").isalnum()
    text = f"{name}:{entry.argument.lower()}" if entry.argument else name
    assert kind.parse(kind.canonical(text)).target == name


@pytest.mark.parametrize(("kind", "name", "entry"), ENTRIES)
def test_entries_are_filled_in(kind: Registry[Any], name: str, entry: Entry) -> None:
    """No entry has an empty text, but where it takes no argument, or stands apart from nothing."""
    for field in fields(entry):
        value = getattr(entry, field.name)
        is_empty = isinstance(value, str) and not value.strip()
        assert not is_empty or field.name in ("argument", "apart"), f"{kind.kind} {name}: {field.name} is empty"


@pytest.mark.parametrize(("kind", "name", "entry"), ENTRIES)
def test_options_of_an_entry_are_the_defaults_of_its_target(kind: Registry[Any], name: str, entry: Entry) -> None:
    """Who calls the target himself gets what the spec without options stands for."""
    target: Callable[..., Any] = load(entry.target)  # type: ignore[assignment]
    parameters = inspect.signature(target).parameters
    options = checked_options(name, target, entry.options, kind.given, kind.first)
    for option, value in options.items():
        default = parameters[option].default
        differs = (type(value), value) != (type(default), default)
        assert differs == ((name, option) in ON_PURPOSE), f"{name}: {option} is {value!r}, its default {default!r}"


def test_every_option_is_in_its_entry() -> None:
    """Of all but norms and datasets: a default that changes is another training, not the same by its name."""
    for kind in (TEMPLATES, TASKS, OPTIMIZERS, SCHEDULES, AUGMENTATIONS):
        for name, entry in kind.items():
            parameters = inspect.signature(load(entry.target)).parameters.values()  # type: ignore[arg-type]
            named = {each.name for each in parameters if each.kind is not each.VAR_KEYWORD}
            assert named - {*kind.given, *kind.first} == set(entry.options), name
            assert entry.takes_more == (len(named) < len(parameters))


@pytest.mark.slow
def test_listing_needs_no_torch() -> None:
    """Names of every kind are listed and checked without importing torch, so that the command line answers at once."""
    code = (
        "import sys, normzoo.registry as r, normzoo.metric\n"
        "r.NORMS.canonical('group'), r.TEMPLATES.canonical('cnn:hidden=8'), r.TASKS.canonical('regression')\n"
        "r.AUGMENTATIONS.canonical('crop:4')\n"
        "r.OPTIMIZERS.canonical('sgd:momentum=0.8'), r.SCHEDULES.canonical('cosine')\n"
        "r.DATASETS.canonical('npz:mine.npz'), r.NORMS.canonical('my_norms:Mine:size=3')\n"
        "assert not {'torch', 'numpy', 'lightning', 'torchmetrics'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_exports_are_sorted_and_there() -> None:
    """``__all__`` names what the package holds."""
    assert all(hasattr(registry, name) for name in registry.__all__)
    assert len(set(registry.__all__)) == len(registry.__all__)
