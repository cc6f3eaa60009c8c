"""Steps in which code of a user's is called: what is tried is told, and whatever it does ends as a refusal.

Imports torch.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

import torch

import normzoo
from normzoo.errors import ComponentError, InputError, NormzooError, UsageError, error_line, error_text
from normzoo.experiment.worker.memory import is_out_of_memory
from normzoo.experiment.worker.messages import Message, Trying
from normzoo.templates._norm_slots import place_of

_NORMZOO = Path(normzoo.__file__).parent


class Attempt(Protocol):
    """Makes the context of a step."""

    def __call__(self, what: str, *, is_limited: bool = True) -> AbstractContextManager[None]:
        """Begin a step; ``what`` is in words, such as ``trying norm 'batch' in the cnn``."""


def freely(what: str, *, is_limited: bool = True) -> AbstractContextManager[None]:  # noqa: ARG001
    """Let a step do what it does, and tell nobody."""
    return nullcontext()


def told_attempts(send: Callable[[Message], None], seconds: float) -> Attempt:
    """Return what makes steps that are told, each of which may take so many seconds.

    The steps raise:
        ComponentError: code of a user's asked for the end of the process, or for an interrupt.
        UsageError: there is not enough memory.
    """

    @contextmanager
    def attempt(what: str, *, is_limited: bool = True) -> Iterator[None]:
        send(Trying(what, seconds if is_limited else None))
        try:
            yield
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            raise ComponentError(f"{what}: {failure(error)}") from error
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise UsageError(f"{what}: there is not enough memory ({error_line(error)})") from error

    return attempt


def failure(error: BaseException) -> str:
    """Return what went wrong in one line, and where if it was not normzoo that refused something."""
    text = error_text(error)
    where = place_of(error)
    if isinstance(error, InputError):  # of a layer of ours, which somebody called
        frames = traceback.extract_tb(error.__traceback__)
        libraries = (_NORMZOO, Path(torch.__file__).parent)
        callers = [each for each in frames if not any(map(Path(each.filename).is_relative_to, libraries))]
        return f"{text} ({callers[-1].filename}:{callers[-1].lineno})" if callers else text
    is_ours = Path(where.filename).is_relative_to(_NORMZOO)
    if isinstance(error, NormzooError) or (is_ours and isinstance(error, ValueError)):
        return text
    is_torchs = Path(where.filename).is_relative_to(Path(torch.__file__).parent)
    if (is_ours or is_torchs) and isinstance(error, TypeError) and "argument" in text:  # what is called wants others
        return error_line(error)
    return f"{error_line(error)} ({where.filename}:{where.lineno})"
