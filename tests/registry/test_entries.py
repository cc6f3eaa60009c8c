"""Are the registry's entries complete, and is listing them cheap?"""

import subprocess
import sys
from dataclasses import fields

import pytest

from normzoo import registry
from normzoo.registry import DATASETS, NORMS, TEMPLATES, load, norm_entry

ENTRIES = [(kind, name, entry) for kind in (NORMS, TEMPLATES, DATASETS) for name, entry in kind.items()]


@pytest.mark.parametrize("name", NORMS)
def test_norms_can_be_imported(name: str) -> None:
    """Every norm's target is there and can be called."""
    assert callable(load(NORMS[name].target))


@pytest.mark.parametrize("name", NORMS)
def test_norms_say_what_they_are(name: str) -> None:
    """Every norm states its formula, what it pools and its source."""
    entry = norm_entry(NORMS.parse(name))
    assert entry is NORMS[name]
    assert entry.formula.strip()
    assert entry.pools.strip()
    assert entry.source.strip()
    assert name == "none" or any(character.isdigit() for character in entry.source), "a source has a year"


@pytest.mark.parametrize("name", NORMS)
def test_names_are_what_users_type(name: str) -> None:
    """A name is plain lower case, and its canonical form asks for the same entry."""
    assert name == name.lower()
    assert name.replace("-", "").isalnum()
    assert NORMS.parse(NORMS.canonical(name)).target == name


@pytest.mark.parametrize(
    ("name", "entry"), [(name, entry) for _, name, entry in ENTRIES], ids=lambda value: str(value)[:20]
)
def test_entries_are_filled_in(name: str, entry: object) -> None:
    """No entry has an empty text, and every target is an import path into normzoo."""
    for field in fields(entry):  # type: ignore[arg-type]
        value = getattr(entry, field.name)
        assert not isinstance(value, str) or value.strip(), f"{name}: {field.name} is empty"
    module, _, attribute = entry.target.partition(":")  # type: ignore[attr-defined]
    assert module.split(".")[0] == "normzoo"
    assert attribute.isidentifier()


def test_listing_needs_no_torch() -> None:
    """Names are listed and checked without importing torch, so that the command line answers at once."""
    code = "import sys, normzoo.registry as r; r.NORMS.canonical('group'); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_exports_are_sorted_and_there() -> None:
    """``__all__`` names what the package holds."""
    assert all(hasattr(registry, name) for name in registry.__all__)
    assert len(set(registry.__all__)) == len(registry.__all__)
