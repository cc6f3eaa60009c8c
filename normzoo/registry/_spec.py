"""A name with options, and what it is looked up in."""

import importlib
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from normzoo.errors import NormError, UnknownNameError

Entry = TypeVar("Entry")
Option = str | int | float | bool | None


class Spec(NamedTuple):
    """A parsed spec: a registered name or an import path ``pkg.module:Name``, and its options."""

    target: str
    options: dict[str, Option]

    def __str__(self) -> str:
        options = ",".join(f"{key}={'none' if value is None else value}" for key, value in sorted(self.options.items()))
        return f"{self.target}:{options}" if options else self.target


def parse_options(text: str, options: str) -> dict[str, Option]:
    """Read ``key=value,key=value``; ``text`` is the whole spec, for the error message."""
    read: dict[str, Option] = {}
    for item in filter(None, (item.strip() for item in options.split(","))):
        key, equals, value = item.partition("=")
        if not equals or not key.strip().isidentifier() or not value.strip():
            raise NormError(f"'{text}': expected options of the form key=value, got '{item}'")
        read[key.strip()] = _scalar(value.strip())
    return read


def _scalar(value: str) -> Option:
    """Read a number, ``true``, ``false`` or ``none``; anything else stays text."""
    if value.lower() in ("none", "null"):
        return None
    try:
        return float(value) if "e" in value.lower() or "." in value else int(value)
    except ValueError:
        pass
    return {"true": True, "false": False}.get(value.lower(), value)


def find(kind: str, table: Mapping[str, Entry], name: str, hint: str = "") -> Entry:
    """Return ``table[name]``, or raise an ``UnknownNameError`` that suggests the nearest name."""
    try:
        return table[name]
    except KeyError:
        raise UnknownNameError(kind, name, table, hint) from None


def load(path: str) -> object:
    """Import ``pkg.module:Name`` and return what it names.

    Raises:
        NormError: the module cannot be imported or has no such name.
    """
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise NormError(f"cannot import '{module_name}' for '{path}': {type(error).__name__}: {error}") from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        public = [name for name in vars(module) if not name.startswith("_")]
        raise UnknownNameError(f"name in module '{module_name}':", attribute, public) from None
