"""What a class or function of a session is known by: its code, and every value that it was made with.

Of what an installed library defines, it is the name. Of anything else, such as a lambda, a class within a function, or
what a notebook or a file of the user's own defines, it is the compiled code with its constants, defaults, the values of
enclosing functions, and what the code names of its module and of those that are imported there, each likewise. What is
imported within a function is taken by its name.
"""

import copyreg
import dis
import hashlib
import sys
from collections import deque
from collections.abc import Iterator
from functools import cached_property, lru_cache, partial
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any
from uuid import uuid4

from normzoo.libraries import is_of_library

_PLAIN = (type(None), bool, int, float, complex, str, type(Ellipsis))

_LIBRARIES = ("normzoo", "torch", "numpy")
"""Libraries wherever they lie; names say enough of what is in a library."""

_WITHOUT_IDENTITY = (tuple, frozenset, bytes, CodeType)
"""Whether two of these are one object depends on how Python came by them, and nothing else does."""

_CACHED = type(lru_cache(lambda: None))

_OF_PYTHON = (
    *("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__annotate_func__"),
    *("__annotations_cache__", "__abstractmethods__", "__firstlineno__", "__static_attributes__", "__orig_bases__"),
    *("__parameters__", "__type_params__", "_abc_impl", "_backward_cls", "_autograd_function_id"),
)
"""Attributes of classes that Python, or torch for a Function of autograd, has written, and that do nothing."""


def fingerprint(component: object) -> str:
    """Return a checksum that is another one where a component may do something else.

    Where a value cannot be written down, such as an open file, it is another one each time.
    """
    digest = hashlib.sha256()
    try:
        for part in _Written().all_of(component):
            digest.update(part.encode(errors="surrogatepass") if isinstance(part, str) else part)
            digest.update(b"\0")
    except Exception:  # whatever a user's object does as it is asked
        return uuid4().hex[:16]
    return digest.hexdigest()[:16]


class _Written:
    """Writes values down; of an object that comes again, and of classes and functions within, the number of each."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        self._kept: list[object] = []  # so that no other object takes a number of theirs
        self._waiting: deque[object] = deque()

    def all_of(self, component: object) -> Iterator[str | bytes]:
        """Yield what tells a component from others, and then what it names, one after the other."""
        yield from self.of(component)
        while self._waiting:
            for part in self._parts(self._waiting.popleft()):
                yield from self.of(part)
            yield "end"

    def of(self, value: Any) -> Iterator[str | bytes]:
        """Yield what tells a value from others."""
        kind = type(value)
        if kind in _PLAIN:
            yield f"{kind.__name__} {value!r}"
            return
        if kind is bytes:
            yield "bytes"
            yield value
            return
        if kind not in _WITHOUT_IDENTITY:
            if id(value) in self._met:
                yield f"again {self._met[id(value)]}"
                return
            self._met[id(value)] = len(self._met)
            self._kept.append(value)
        yield kind.__qualname__
        if kind is not type and not _is_installed(kind):
            yield from self.of(kind)
        if isinstance(value, ModuleType):
            yield value.__name__
        elif isinstance(value, type | FunctionType):
            if _is_installed(value):
                yield f"{value.__module__}.{value.__qualname__}"
            else:
                self._waiting.append(value)
        else:
            for part in self._parts(value):
                yield from self.of(part)
            yield "end"

    def _parts(self, value: Any) -> Iterator[Any]:
        match value:
            case FunctionType():
                yield from (value.__code__, value.__defaults__, value.__kwdefaults__, value.__closure__, vars(value))
                yield from _named(value.__code__, value.__globals__)
            case CodeType():
                yield from (value.co_code, value.co_consts, value.co_names, value.co_varnames, value.co_flags)
                yield from (value.co_freevars, value.co_cellvars, value.co_argcount, value.co_kwonlyargcount)
                yield from (value.co_posonlyargcount, value.co_exceptiontable)
            case CellType():
                try:
                    yield value.cell_contents
                except ValueError:
                    yield "empty"
            case MethodType():
                yield from (value.__func__, value.__self__)
            case BuiltinFunctionType():
                yield f"{value.__module__}.{value.__name__}"
                if not isinstance(value.__self__, ModuleType):
                    yield value.__self__
            case type():
                yield value.__bases__
                yield from _attributes(value).items()
            case property():
                yield from (value.fget, value.fset, value.fdel)
            case classmethod() | staticmethod():
                yield value.__func__
            case cached_property():
                yield value.func
            case _CACHED():
                yield value.__wrapped__
            case partial():
                yield from (value.func, value.args, value.keywords, vars(value))
            case _ if type(value) in (tuple, list):
                yield from value
            case _ if type(value) in (set, frozenset):
                yield from sorted("\0".join(map(str, _Written().all_of(each))) for each in value)
            case _ if type(value) in (dict, MappingProxyType):
                yield from value.items()
            case _:
                yield from _parts_of_object(value)


def _parts_of_object(value: Any) -> Iterator[Any]:
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, torch.Tensor):
        yield from (str(value.dtype), value.requires_grad, vars(value))
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic) and not value.dtype.hasobject:
        yield from (str(value.dtype), tuple(value.shape), value.tobytes())
        return
    reduce = copyreg.dispatch_table.get(type(value))
    match reduce(value) if reduce else value.__reduce_ex__(2):  # as for a copy
        case (function, arguments, *rest):
            yield from (function, arguments)
            yield from (list(each) if isinstance(each, Iterator) else each for each in rest)
        case name:
            yield name


def _is_installed(value: type | FunctionType) -> bool:
    """Whether a class or function can be found by its name in a library."""
    module = sys.modules.get(value.__module__)
    if module is None or not _is_library(module):
        return False
    found: Any = module
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value or value.__module__ == "builtins"


def _is_library(module: ModuleType) -> bool:
    if module.__name__ == "__main__":
        return False
    path = getattr(module, "__file__", None)
    if path is None:
        return module.__name__ in sys.builtin_module_names or module.__spec__ is not None
    is_known = module.__name__.partition(".")[0] in _LIBRARIES
    return is_known or is_of_library(Path(path))


def _named(code: CodeType, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what code reads of its module, also that of functions within it, with the names by which it does.

    Of a module that is imported there it is what is read of that: ``package.module.function``.
    """
    path, value = "", None
    for each in dis.get_instructions(code):
        if isinstance(value, ModuleType) and each.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            path, value = f"{path}.{each.argval}", getattr(value, each.argval, None)
            continue
        if path:
            yield path, value
        path, value = "", None
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME") and each.argval in known:
            path, value = each.argval, known[each.argval]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named(constant, known)


def _attributes(kind: type) -> dict[str, Any]:
    """Return what somebody gave a class.

    Torch puts a function around the ``step`` of an optimizer's class when the first is made, also an inherited one.
    """
    found = {}
    for name, each in vars(kind).items():
        attribute = (
            getattr(each, "__wrapped__", each) if isinstance(each, FunctionType) and "hooked" in vars(each) else each
        )
        is_inherited = any(vars(base).get(name) is attribute for base in kind.__mro__[1:])
        is_place = isinstance(each, GetSetDescriptorType | MemberDescriptorType)
        if not (name in _OF_PYTHON or is_place or (attribute is not each and is_inherited)):
            found[name] = attribute
    return found
