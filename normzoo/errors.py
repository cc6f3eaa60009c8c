"""The errors that normzoo raises for what a user can mend, as one tree.

    NormzooError
    └── UsageError (also a ValueError): the request cannot be carried out as written
        ├── UnknownNameError: no norm, template, dataset, ... of that name
        ├── ConfigError: a flag or a configuration file does not read
        ├── NormError: a norm cannot be built or does not behave as one
        ├── DataError: a dataset is missing or invalid
        ├── DeviceError: the device asked for is not there
        └── StoreError: the store is no store of ours, is too new, or cannot be opened

The layers themselves raise plain ``ValueError``, as torch.nn's do. On the command line
every ``UsageError`` is one line on stderr and exit code 2.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DataError",
    "DeviceError",
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


class UsageError(NormzooError, ValueError):
    """The request cannot be carried out as written; the message says what to change."""


class UnknownNameError(UsageError):
    """No entry of that name; the message suggests the nearest and lists the rest."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = list(known)
        nearest = difflib.get_close_matches(name, names, n=1)
        suggestion = f"; did you mean '{nearest[0]}'?" if nearest else ""
        listed = ", ".join(names if len(names) <= MAX_LISTED else [*names[:MAX_LISTED], "..."])
        super().__init__(f"unknown {kind} '{name}'{suggestion} (known: {listed}{hint})")

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
