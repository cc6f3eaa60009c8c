"""The errors that normzoo raises for what a user can fix, as one tree.

::

    NormzooError
    ├── InputError (also a ValueError and a RuntimeError): what a layer is called with does not fit it
    └── UsageError (also a ValueError): the request cannot be carried out as written
        ├── UnknownNameError: no norm, template, dataset, ... of that name
        ├── ConfigError: a flag or a configuration file does not read
        ├── ComponentError: a norm, template, dataset or task cannot be imported or built, or does not behave as one
        ├── DataError: a dataset is missing or invalid
        ├── DeviceError: the device asked for is not there
        └── StoreError: the store is no store of ours, is too new, or cannot be opened

A layer that cannot be constructed raises a plain ``ValueError``, as torch.nn's do. Of what they are called with,
torch.nn's layers refuse some by ValueError and some by RuntimeError; ours raise one error that is both. On the command
line every ``UsageError`` is one line on stderr and exit code 2.
"""

from collections.abc import Iterable

__all__ = [
    "ComponentError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "InputError",
    "NormzooError",
    "StoreError",
    "UnknownNameError",
    "UsageError",
]


MAX_LISTED = 20
"""How many names a message lists at most."""

SHOWN_BY_LIST = ("norm", "template", "dataset", "augmentation", "task", "optimizer", "schedule")
"""Of which kinds ``normzoo list`` shows all names."""

MAX_PROBLEMS = 10
"""How many things that are wrong a message says."""


_ENDS = (Exception, SystemExit, KeyboardInterrupt, GeneratorExit)


class NormzooError(Exception):
    """The root of normzoo's own errors."""


class InputError(NormzooError, ValueError, RuntimeError):
    """A layer was called with what does not fit it: a shape, a type, or too few values for a variance."""


class UsageError(NormzooError, ValueError):
    """The request cannot be carried out as written; the message says what to change."""


def counted(number: int, noun: str) -> str:
    """Write a number of things.

    >>> counted(1, "run"), counted(10_000, "run")
    ('1 run', '10,000 runs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def all_of(problems: Iterable[str]) -> str:
    """Return what is wrong in one line, each thing once, and of many the first few.

    >>> all_of(["a", "b", "a"])
    'a; b'
    """
    each = list(dict.fromkeys(problems))
    more = len(each) - MAX_PROBLEMS
    return "; ".join([*each[:MAX_PROBLEMS], *([f"and {more:,} more"] if more > 0 else [])])


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that suggests the known name most like this one; empty where none is like it.

    >>> nearest("bach", ["batch", "layer"])
    "; did you mean 'batch'?"
    """
    names, asked = list(known), name.lower()
    import difflib  # here, as the program imports this before it can answer signals

    same = [each for each in names if each.lower() == asked]
    begun = sorted((each for each in names if len(each) > 2 and asked.startswith(each.lower())), key=len)  # batchnorm
    found = same or begun[-1:] or difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{found[0]}'?" if found else ""


def error_text(error: BaseException) -> str:
    """Return what an error says, in one line; one of a user's own may fail at that, in whatever way."""
    try:
        return " ".join(str(error).split())
    except _ENDS:
        return "what it says cannot be read"


def error_line(error: BaseException) -> str:
    r"""Return an error's kind and what it says.

    >>> error_line(ValueError("no\n  good")), error_line(SystemExit())
    ('ValueError: no good', 'SystemExit')
    """
    text, name = error_text(error), type(error).__name__
    return f"{name}: {text}" if text else name


class UnknownNameError(UsageError):
    """No entry of that name; the message suggests the nearest and lists the rest."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "", source: str = "") -> None:
        names = list(known)
        rest = f"... (all: normzoo list {kind}s)" if kind in SHOWN_BY_LIST else "..."
        listed = ", ".join(names if len(names) <= MAX_LISTED else [*names[:MAX_LISTED], rest])
        where = f"{source}: " if source else ""
        super().__init__(f"{where}unknown {kind} '{name}'{nearest(name, names)} (known: {listed}{hint})")

    def __reduce__(self) -> tuple[type[UsageError], tuple[str]]:
        # Crosses from a worker to its parent as its message.
        return (UsageError, (str(self),))


class ConfigError(UsageError):
    """A flag or a configuration file does not read."""


class ComponentError(UsageError):
    """A norm, template, dataset or task cannot be imported or built, or does not behave as one."""


class DataError(UsageError):
    """A dataset is missing or invalid."""


class DeviceError(UsageError):
    """The device asked for is not available."""


class StoreError(UsageError):
    """The store is not a normzoo store, is from a newer version, or cannot be opened."""
