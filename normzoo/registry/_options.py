"""Options of a component: read from text, and checked against the signature of what they are for."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from normzoo.errors import ComponentError, nearest

Option = str | int | float | bool | None

_WORDS = {"none": None, "null": None, "true": True, "false": False}
_UNFIT = object()


def scalar(text: str) -> Option:
    """Read a number, ``true``, ``false`` or ``none``; anything else stays text.

    >>> scalar("1e-3"), scalar("8"), scalar("None"), scalar("16-32"), scalar("007"), scalar("2020_01")
    (0.001, 8, None, '16-32', '007', '2020_01')
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if "_" in text or (len(text) > 1 and text[0] == "0" and text.isdigit()):  # a name that is made of digits
        return text
    try:
        return float(text) if "e" in text.lower() or "." in text else int(text)
    except ValueError:
        return text


def written(value: Option) -> str:
    """Write a value as it is written in a spec.

    >>> written(None), written(True), written(0.001)
    ('none', 'true', '0.001')
    """
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def checked_options(
    what: str,
    target: Callable[..., Any],
    options: Mapping[str, Option],
    given: Collection[str],
    first: Collection[str] = (),
) -> dict[str, Any]:
    """Return the options as the target takes them, by its signature and the types that are annotated there.

    Lists are written with dashes: ``widths=16-32`` where a sequence of numbers is wanted.

    Args:
        what: the component, for messages.
        target: the class or function.
        options: by name.
        given: arguments that are no options.
        first: those of them of which one is given first, whatever its name may be.

    Raises:
        ComponentError: it has no such option, or another type is wanted.
    """
    taken, set_by_normzoo = _option_names(target, given, first)
    hints = _type_hints(target)
    checked = {}
    for name, value in options.items():
        if name in set_by_normzoo:
            raise ComponentError(f"{what}: {name} is no option; normzoo sets it")
        if taken is not None and name not in taken:
            takes = f"it takes: {', '.join(taken)}" if taken else "it takes no options"
            raise ComponentError(f"{what}: it has no option '{name}'{nearest(name, taken)} ({takes})")
        checked[name] = _converted(f"{what}: {name}", value, hints.get(name, Any))
    return checked


def first_parameter(parameters: Mapping[str, inspect.Parameter], names: Collection[str]) -> str | None:
    """Return the parameter that is given first, whatever it is called; None where there is none.

    It is the one of these names. Such a name with a default means something else, like an axis called ``dim``, unless
    it comes first. Where there is no such name, it is the parameter that comes first.
    """
    leading = next(iter(parameters), None)
    if not names or leading is None:
        return None
    required = (name for name in names if name in parameters and parameters[name].default is inspect.Parameter.empty)
    return leading if leading in names else next(required, leading)


def _option_names(
    target: Callable[..., Any], given: Collection[str], first: Collection[str]
) -> tuple[list[str] | None, set[str]]:
    """Return the parameters that are options, None where any may be one, and those that normzoo gives."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):  # some built-in types do not tell
        return None, {*given, *first}
    is_lazy = any(base.__name__ == "LazyModuleMixin" for base in getattr(target, "__mro__", ()))
    leading = None if is_lazy else first_parameter(parameters, first)  # what is lazy looks at its first input
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_KEYWORD)
    taken = [name for name, each in parameters.items() if name not in (*given, leading) and each.kind not in fixed]
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    return None if takes_any else taken, {*given, *(name for name in first if name == leading)}


def _type_hints(target: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError, AttributeError):  # annotations that do not read are no annotations
        return {}


def _converted(what: str, value: Option, annotation: Any) -> Any:
    converted = _as(value, annotation)
    if converted is not _UNFIT:
        return converted
    choices = _choices(annotation)
    if choices:
        raise ComponentError(
            f"{what} must be one of {', '.join(choices)}, got '{written(value)}'{nearest(written(value), choices)}"
        )
    raise ComponentError(f"{what} must be {_described(annotation)}, got '{written(value)}'")


def _as(value: Option, annotation: Any) -> Any:
    """Return a value in the type of an annotation; ``_UNFIT`` where it is of another."""
    kinds = get_args(annotation)
    match get_origin(annotation) or annotation:
        case origin if origin is Union or origin is UnionType:
            in_order = sorted(kinds, key=lambda kind: kind is not type(value))  # as text, everything would fit
            return next((each for each in (_as(value, kind) for kind in in_order) if each is not _UNFIT), _UNFIT)
        case origin if origin is Literal:
            return next((choice for choice in kinds if written(choice) == written(value)), _UNFIT)
        case kind if kind is NoneType:
            return None if value is None else _UNFIT
        case kind if kind is bool:
            return value if isinstance(value, bool) else _UNFIT
        case kind if kind is int:
            return value if isinstance(value, int) and not isinstance(value, bool) else _UNFIT
        case kind if kind is float:
            return value if isinstance(value, int | float) and not isinstance(value, bool) else _UNFIT
        case kind if kind is str:
            return written(value)
        case origin if kinds and isinstance(origin, type) and issubclass(origin, Sequence):
            items = [scalar(item) for item in value.split("-")] if isinstance(value, str) else [value]
            converted = [_as(item, kinds[0]) for item in items]
            return _UNFIT if _UNFIT in converted else (converted if origin is list else tuple(converted))
    return value


def _choices(annotation: Any) -> list[str]:
    """Return the values that there are, where an annotation lists them: a ``Literal``, or one beside ``None``."""
    if get_origin(annotation) is Literal:
        return [written(choice) for choice in get_args(annotation)]
    parts = [kind for kind in get_args(annotation) if kind is not NoneType]
    return _choices(parts[0]) if len(parts) == 1 and get_origin(annotation) in (Union, UnionType) else []


def _described(annotation: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "none"}
    if annotation in names:
        return names[annotation]
    if isinstance(get_origin(annotation), type) and issubclass(get_origin(annotation), Sequence):
        return f"a list of {_described(get_args(annotation)[0]).removeprefix('a ')}s, such as 16-32"
    return " or ".join(_described(kind) for kind in get_args(annotation)) or getattr(annotation, "__name__", "another")
