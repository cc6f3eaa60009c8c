"""Flags made from the fields of the configuration's models, so that help, YAML and flags cannot drift apart."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

Force = Annotated[bool, Parameter(help="Also overwrite files that normzoo did not write.", negative="")]


def with_flags(**models: type[BaseModel]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command, which takes ``**settings``, a flag for every field of the models that has a description.

    A flag that is not given is None: what it then means is for the files and the defaults to say. Values stay text,
    to be read by the model as it reads YAML.

    Args:
        models: the model of each group of flags, by the group's title.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        signature = inspect.signature(command)
        own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        flags = [
            _flag(name, field, Group(title, sort_key=order))
            for order, (title, model) in enumerate(models.items())
            for name, field in model.model_fields.items()
            if field.description
        ]
        parameters = [*own, *flags]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def _flag(name: str, field: FieldInfo, group: Group) -> inspect.Parameter:
    default = field.get_default()
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    parameter = Parameter(
        help=(field.description or "") + _choices(field),
        show_default=False if default in (None, False, ()) else lambda _: shown,
        group=group,
        metavar=_metavar(field),
        negative="",
    )
    kind: Any = bool | None if field.annotation is bool else str | None
    annotation: Any = Annotated[kind, parameter]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _choices(field: FieldInfo) -> str:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return f" One of {', '.join(choices)}." if choices else ""


def _metavar(field: FieldInfo) -> str:
    kinds: list[Any] = [_plain(kind) for kind in (field.annotation, *get_args(field.annotation))]
    simple = {int: "N", float: "X", str: "NAME", Path: "PATH", ByteSize: "SIZE"}
    if any(get_origin(kind) is tuple for kind in kinds):
        return "LIST"
    return next((simple[kind] for kind in kinds if kind in simple), "NAME")


def _plain(kind: Any) -> Any:
    """Return a type without what is annotated to it."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
