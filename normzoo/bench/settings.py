"""The settings of a benchmark: how they are written as flags, and what is wrong with them. Torch-free."""

import shlex

from pydantic import BaseModel, ValidationError


def as_command(words: str, settings: BaseModel) -> str:
    """Return the command with those settings that are not the defaults.

    Args:
        words: the command without flags, such as ``normzoo bench layers``.
        settings: a model of which each field is a flag.
    """
    command = words.split()
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if value != field.get_default():
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            command += ["--" + name.replace("_", "-"), text]
    return shlex.join(command)


def problems(error: ValidationError) -> str:
    """Return all that is wrong in one line, each with its setting, where it is a matter of a single one."""
    lines = []
    for detail in error.errors():
        setting = f"{detail['loc'][0]}: " if detail["loc"] else ""
        lines.append(setting + detail["msg"].removeprefix("Value error, "))
    return "; ".join(dict.fromkeys(lines))
