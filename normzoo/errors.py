"""The errors that normzoo raises for what a user can fix, as one tree.

    NormzooError
    ├── InputError (also a ValueError and a RuntimeError): what a layer is called with does not fit it
    └── UsageError (also a ValueError): the request cannot be carried out as written
        ├── UnknownNameError: no norm, template, dataset, ... of that name
        ├── ConfigError: a flag or a configuration file does not read
        ├── NormError: a norm cannot be built or does not behave as one
        ├── DataError: a dataset is missing or invalid
        ├── DeviceError: the device asked for is not there
        └── StoreError: the store is no store of ours, is too new, or cannot be opened

A layer that cannot be constructed raises a plain ``ValueError``, as torch.nn's do. Of what they are called with,
torch.nn's layers refuse some by ValueError and some by RuntimeError; ours raise one error that is both. On the command
line every ``UsageError`` is one line on stderr and exit code 2.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DataError",
    "DeviceError",
    "InputError",
    "NormError",
    "NormzooError",
    "StoreError",
    "UnknownNameError",
    "UsageError",
]


MAX_LISTED = 20
"""How many names a message lists at most."""


class NormzooError(Exception):
    """The root of normzoo's own errors."""


class InputError(NormzooError, ValueError, RuntimeError):
    """A layer was called with what does not fit it: a shape, a type, or too few values for a variance."""


class UsageError(NormzooError, ValueError):
    """The request cannot be carried out as written; the message says what to change."""


class UnknownNameError(UsageError):
    """No entry of that name; the message suggests the nearest and lists the rest."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "", source: str = "") -> None:
        names = list(known)
        nearest = difflib.get_close_matches(name, names, n=1)
        suggestion = f"; did you mean '{nearest[0]}'?" if nearest else ""
        listed = ", ".join(names if len(names) <= MAX_LISTED else [*names[:MAX_LISTED], "..."])
        where = f"{source}: " if source else ""
        super().__init__(f"{where}unknown {kind} '{name}'{suggestion} (known: {listed}{hint})")

    def __reduce__(self) -> tuple[type[UsageError], tuple[str]]:
        # Crosses from a worker to its parent as its message.
        return (UsageError, (str(self),))


class ConfigError(UsageError):
    """A flag or a configuration file does not read."""


class NormError(UsageError):
    """A norm cannot be imported or built, or is no ``torch.nn.Module``."""


class DataError(UsageError):
    """A dataset is missing or invalid."""


class DeviceError(UsageError):
    """The device asked for is not available."""


class StoreError(UsageError):
    """The store is not a normzoo store, is from a newer version, or cannot be opened."""
