"""The backends there are to choose from, and the one that this process was started with."""

import os
from typing import Literal, cast, get_args

from normzoo.errors import UnknownNameError

Backend = Literal["eager", "compiled", "auto"]

VARIABLE = "NORMZOO_BACKEND"
"""The environment variable that sets the backend of a process."""


def checked_backend(name: str, source: str = "") -> Backend:
    """Return the name of a backend as such.

    Args:
        name: what somebody asked for.
        source: where that stands, for the message.

    Raises:
        UnknownNameError: there is none of that name.

    >>> checked_backend("fast", "NORMZOO_BACKEND")
    Traceback (most recent call last):
    normzoo.errors.UnknownNameError: NORMZOO_BACKEND: unknown backend 'fast' (known: eager, compiled, auto)
    """
    if name in get_args(Backend):
        return cast("Backend", name)
    raise UnknownNameError("backend", name, get_args(Backend), source=source)


def backend_of_process(default: Backend = "auto") -> Backend:
    """Return what ``NORMZOO_BACKEND`` says, or the default where it says nothing.

    Raises:
        UnknownNameError: it names no backend.
    """
    return checked_backend(os.environ.get(VARIABLE) or default, VARIABLE)
