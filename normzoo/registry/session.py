"""Components that only this session knows: classes of a notebook or a script, and functions made on the fly."""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from normzoo.errors import ComponentError, UsageError
from normzoo.registry._component import SESSION, Registry, Spec, load

PREFIX = "session"
"""Where a module would stand in the spec of such a component."""


def spec_of(registry: Registry[Any], component: str | Callable[..., Any]) -> str:
    """Return the spec of a component that is given by its name or as it is.

    >>> from torch import nn
    >>> from normzoo.registry import NORMS
    >>> spec_of(NORMS, nn.BatchNorm2d)
    'torch.nn.modules.batchnorm:BatchNorm2d'

    Raises:
        ComponentError: it is neither text nor a class or function.
    """
    if isinstance(component, str):
        return component
    if not callable(component) or (hasattr(component, "forward") and not inspect.isclass(component)):
        raise ComponentError(
            f"{registry.kind}: expected a name, a class or a function, got a {type(component).__name__}; of a module "
            "pass the class, or a function that makes one"
        )
    function = getattr(component, "func", component)  # of a partial
    module, name = getattr(component, "__module__", ""), getattr(component, "__qualname__", "")
    if module not in ("", "__main__") and name.isidentifier() and _is_importable(f"{module}:{name}", component):
        return f"{module}:{name}"
    name = getattr(function, "__name__", type(component).__name__).strip("<>")
    SESSION[name] = (component, _checksum(component))
    return f"{PREFIX}:{name}"


def _is_importable(path: str, component: object) -> bool:
    try:
        return load(path) is component
    except UsageError:
        return False


def _checksum(component: Any) -> str:
    """Return the checksum of what a component is written as; where that cannot be read, one of its own."""
    function = getattr(component, "func", component)
    try:
        text = inspect.getsource(function) + repr((getattr(component, "args", ()), getattr(component, "keywords", {})))
    except (OSError, TypeError):
        text = uuid4().hex  # it is trained again in each session
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_of_session(spec: Spec) -> bool:
    """Whether a spec names what only this session knows."""
    return spec.target.partition(":")[0] in (PREFIX, "__main__")
