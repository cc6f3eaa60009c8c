"""What a class or function of a session is known by: its code, and every value that it was made with.

Of what can be imported, it is the name, and the file if that is the user's own. Of anything else, such as a lambda, a
class within a function or one of a notebook, it is the compiled code with its constants, defaults, the values of
enclosing functions, and the global values that the code names, each likewise. What is imported within a function is
taken by its name.
"""

import dis
import hashlib
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any
from uuid import uuid4

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))

_INSTALLED = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
"""Where what is installed lies, which has a version instead."""

_WITHOUT_IDENTITY = (tuple, frozenset, CodeType)
"""Whether two of these are one object depends on how Python came by them, and nothing else does."""


def fingerprint(component: object) -> str:
    """Return a checksum that is another one where a component may do something else.

    Where a value cannot be written down, such as an open file, it is another one each time.
    """
    digest = hashlib.sha256()
    try:
        for part in _Written().of(component):
            digest.update(part.encode(errors="surrogatepass") if isinstance(part, str) else part)
            digest.update(b"\0")
    except Exception:  # whatever a user's object does as it is asked
        return uuid4().hex[:16]
    return digest.hexdigest()[:16]


class _Written:
    """Writes values down, each once: one that comes again is written as its number."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        self._kept: list[object] = []  # so that no other object takes a number of theirs

    def of(self, value: Any) -> Iterator[str | bytes]:
        """Yield what tells a value from others."""
        if isinstance(value, _PLAIN):
            yield f"{type(value).__name__} {value!r}"
            return
        if not isinstance(value, _WITHOUT_IDENTITY):
            if id(value) in self._met:
                yield f"again {self._met[id(value)]}"
                return
            self._met[id(value)] = len(self._met)
            self._kept.append(value)
        yield type(value).__qualname__
        if isinstance(value, ModuleType):
            yield f"{value.__name__} {_own_file(value)}"
        elif isinstance(value, BuiltinFunctionType):
            yield f"{value.__module__}.{value.__name__}"
        elif isinstance(value, type | FunctionType) and (file := _importable_from(value)) is not None:
            yield f"{value.__module__}.{value.__qualname__} {file}"
        else:
            for part in self._parts(value):
                yield from self.of(part)
            yield "end"

    def _parts(self, value: Any) -> Iterator[Any]:
        match value:
            case FunctionType():
                yield from (value.__code__, value.__defaults__, value.__kwdefaults__, value.__closure__, vars(value))
                known = {name: value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__}
                yield from known.items()
            case CodeType():
                yield from (value.co_code, value.co_consts, value.co_names, value.co_varnames, value.co_flags)
                yield from (value.co_freevars, value.co_cellvars)
            case CellType():
                try:
                    yield value.cell_contents
                except ValueError:
                    yield "empty"
            case MethodType():
                yield from (value.__func__, value.__self__)
            case partial():
                yield from (value.func, value.args, value.keywords)
            case type():
                yield value.__bases__
                yield from ((name, each) for name, each in vars(value).items() if _says_what_it_does(name, each))
            case property():
                yield from (value.fget, value.fset, value.fdel)
            case classmethod() | staticmethod():
                yield value.__func__
            case cached_property():
                yield value.func
            case tuple() | list():
                yield from value
            case set() | frozenset():
                yield from sorted("\0".join(map(str, _Written().of(each))) for each in value)
            case Mapping():
                yield from value.items()
            case _:
                yield from self._parts_of_object(value)

    @staticmethod
    def _parts_of_object(value: Any) -> Iterator[Any]:
        if hasattr(value, "detach") and hasattr(value, "numpy"):
            yield str(value.dtype)
            value = value.detach().cpu()
            value = value.float().numpy() if "bfloat16" in str(value.dtype) else value.numpy()
        if hasattr(value, "tobytes") and hasattr(value, "dtype") and not value.dtype.hasobject:
            yield from (str(value.dtype), tuple(value.shape), value.tobytes())
        elif callable(wrapped := getattr(value, "__wrapped__", None)):  # by functools.lru_cache, for instance
            yield wrapped
        else:
            match value.__reduce_ex__(2):  # as for a copy
                case (function, arguments, *rest):
                    yield from (function, arguments)
                    yield from (list(each) if isinstance(each, Iterator) else each for each in rest)
                case name:
                    yield name


def _importable_from(value: type | FunctionType) -> str | None:
    """Return the file of the module that a class or function is imported from; None where it is of a session."""
    module = sys.modules.get(value.__module__)
    if module is None or value.__module__ == "__main__":
        return None
    found: Any = module
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return _own_file(module) if found is value else None


def _own_file(module: ModuleType) -> str:
    """Return the checksum of the file of a module of the user's own; of one that is installed nothing."""
    path = Path(getattr(module, "__file__", None) or "")
    is_installed = module.__name__.partition(".")[0] == "normzoo" or any(map(path.is_relative_to, _INSTALLED))
    return "" if is_installed or not path.is_file() else hashlib.sha256(path.read_bytes()).hexdigest()


def _names(code: CodeType) -> list[str]:
    """Return the global names that code reads, also that of functions within it."""
    found = {each.argval: None for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= dict.fromkeys(_names(constant))
    return list(found)


def _says_what_it_does(name: str, attribute: object) -> bool:
    """Whether an attribute of a class is one that somebody gave it, rather than Python."""
    is_of_python = (
        name.startswith("__") and name.endswith("__") and not isinstance(attribute, FunctionType | classmethod)
    )
    is_place = isinstance(attribute, GetSetDescriptorType | MemberDescriptorType)
    return not (is_of_python or is_place or name == "_abc_impl")
