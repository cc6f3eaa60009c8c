"""Components: what a user names, with options, and what that name stands for.

Norms, templates, datasets, tasks, optimizers and schedules are asked for in one way, by a registered name or an import
path, with options:

    group:groups=4        cnn:widths=16-32,placement=pre        npz:arrays.npz        my_pkg.net:MyNet:depth=20

What a notebook or a script gives as it is, a class or a function, gets a spec of its own, ``session:NAME``.
"""

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, count
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any, Generic, NamedTuple, TypeVar, cast

from normzoo.errors import ComponentError, UnknownNameError, UsageError, error_line, nearest
from normzoo.registry._fingerprint import fingerprint
from normzoo.registry._options import Option, checked_options, scalar

Known = TypeVar("Known")

SESSION: dict[str, tuple[object, str]] = {}
"""What only this session knows, by name, each with its checksum; its spec is ``session:NAME``."""


class Spec(NamedTuple):
    """A parsed spec.

    Attributes:
        target: a registered name, or an import path ``pkg.module:Name``.
        options: by name.
        argument: what a registered name is followed by where it takes an argument, such as the path in ``npz:PATH``.
    """

    target: str
    options: Mapping[str, Option] = {}
    argument: str = ""
    takes_more: bool = False

    @property
    def is_own(self) -> bool:
        """Whether the user's own code is named, by its import path."""
        return ":" in self.target

    def __str__(self) -> str:
        options = ",".join(
            f"{name}={'none' if value is None else value}" for name, value in sorted(self.options.items())
        )
        return ":".join(filter(None, (self.target, self.argument, options)))


REVISION = "revision "
"""With which the source of a component of normzoo's begins that has come to compute something else."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A component that can be asked for by name.

    Attributes:
        target: the import path of what makes it.
        summary: what it is, in a line.
        source: who described it first.
        options: its options with their defaults: those that every spec of it is understood to have.
        argument: what to write after the name, such as ``PATH``; empty where it takes no argument.
        takes_more: whether it takes options beside its own: those of what its argument names, which is of the library
            of the entry's own name.
        revision: counted up when it comes to compute something else, so that what was trained with it is trained again.
    """

    target: str
    summary: str
    source: str
    options: Mapping[str, Option] = field(default_factory=dict)
    argument: str = ""
    takes_more: bool = False
    revision: int = 1


AnyEntry = TypeVar("AnyEntry", bound=Entry)


class Registry(Mapping[str, AnyEntry], Generic[AnyEntry]):
    """The components of a kind by name, and the language in which they and a user's own are asked for.

    Args:
        kind: what they are, in a word.
        entries: by name.
        given: names of the arguments that normzoo gives; they are no options.
        first: names of the parameter that is given first, such as the channels of a norm; see ``first_parameter``.
            Empty where nothing is given but by name.
        own: how a user's own is written, for messages.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, AnyEntry],
        *,
        given: tuple[str, ...] = (),
        first: tuple[str, ...] = (),
        own: str,
    ) -> None:
        self.kind, self._entries, self.own = kind, dict(entries), own
        self.given, self.first = frozenset(given), first
        self.parse = lru_cache(maxsize=4096)(self._parse)
        self.canonical = lru_cache(maxsize=4096)(self._canonical)

    def __getitem__(self, name: str) -> AnyEntry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _parse(self, text: str) -> Spec:
        """Read a spec; whether there is such a component is not looked at.

        Raises:
            ComponentError: an option is not of the form ``key=value``.
        """
        name, _, rest = (part.strip() for part in text.partition(":"))
        entry = self._entries.get(name)
        if entry is not None and entry.argument:
            argument, options = self._argument_and_options(rest, entry)
            return Spec(name, self._options(text, options), argument)
        if entry is None and rest and "=" not in rest.partition(":")[0]:
            attribute, _, rest = rest.partition(":")
            name = f"{name}:{attribute.strip()}"
        return Spec(name, self._options(text, rest))

    @staticmethod
    def _argument_and_options(text: str, entry: Entry) -> tuple[str, str]:
        """Divide what follows a name: a path may hold colons and equality signs; its options are those declared."""
        if entry.takes_more:
            argument, _, options = text.partition(":")
            return argument.strip(), options
        argument, colon, options = text.rpartition(":")
        names = {item.partition("=")[0].strip() for item in options.split(",")}
        is_divided = colon and "=" in options and names <= set(entry.options)
        return (argument.strip(), options) if is_divided else (text, "")

    def _options(self, text: str, options: str) -> dict[str, Option]:
        read: dict[str, Option] = {}
        for item in filter(None, (item.strip() for item in options.split(","))):
            key, equals, value = (part.strip() for part in item.partition("="))
            if not equals or not key.isidentifier() or not value:
                raise ComponentError(f"{self.kind} '{text}': expected options of the form key=value, got '{item}'")
            if key in read:
                raise ComponentError(f"{self.kind} '{text}': it says {key} more than once; say it once")
            read[key] = scalar(value)
        return read

    def entry(self, spec: Spec) -> AnyEntry:
        """Return the registered entry of a spec, or raise an ``UnknownNameError`` with a suggestion."""
        hint = f"; your own: {self.own}"
        suffix = Path(spec.target).suffix.lstrip(".")
        if suffix in self._entries:
            hint += f"; for a file write {suffix}:{spec.target}"
        return find(self.kind, self._entries, spec.target, hint)

    def _canonical(self, text: str) -> str:
        """Write a spec in its one canonical form: options in order, without those that say what holds anyway.

        Raises:
            UnknownNameError: no component of that name.
            ComponentError: the spec does not read.
        """
        spec = self.parse(text)
        defaults: Mapping[str, Option] = {}
        if not spec.is_own:
            entry = self.entry(spec)
            defaults = entry.options
            if bool(entry.argument) != bool(spec.argument):
                raise ComponentError(f"{self.kind} '{text}': expected {spec.target}:{entry.argument}")
        told = {
            name: value
            for name, value in spec.options.items()
            if name not in defaults or not _same(value, defaults[name])
        }
        return str(spec._replace(options=told))

    def load(self, text: str) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Import what a spec names, and return it with the options to call it with, checked and of their types.

        Raises:
            UnknownNameError: no component of that name.
            ComponentError: it cannot be imported or called, or does not take these options.
        """
        spec = self.parse(text)
        entry = None if spec.is_own else self.entry(spec)
        target = self._import(text, spec.target if entry is None else entry.target)
        if not callable(target):
            raise ComponentError(f"{self.kind} '{text}': {spec.target} is neither a class nor a function")
        options = {**(entry.options if entry else {}), **spec.options}
        return target, checked_options(f"{self.kind} '{text}'", target, options, self.given, self.first)

    def _import(self, text: str, path: str) -> object:
        return load(path, f"{self.kind} '{text}'", [name for name, entry in self._entries.items() if entry.argument])

    def source(self, text: str) -> str | None:
        """Return the checksum of the file that a user's own component is written in; None for most of normzoo's.

        Of what another library published it is that library's version. It is part of a run's key, so that what was
        changed is trained again.
        """
        spec = self.parse(text)
        if not spec.is_own:
            entry = self.entry(spec)
            if entry.takes_more:
                return _version(spec.target)
            return f"{REVISION}{entry.revision}" if entry.revision > 1 else None
        module, _, name = spec.target.partition(":")
        if module == "session" and name in SESSION:
            return SESSION[name][1]
        path = self.source_file(text)
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path else None

    def source_file(self, text: str) -> Path | None:
        """Return the file that a user's own component is written in; None where there is none."""
        try:
            path = inspect.getsourcefile(cast("Any", self._import(text, self.parse(text).target)))
        except (OSError, TypeError):  # it has no file, or is neither a class nor a function
            path = None
        return Path(path) if path and Path(path).is_file() else None


def _version(library: str) -> str | None:
    """Return the version of an installed library without what says how it was built; None where it is not there."""
    try:
        return version(library).partition("+")[0]
    except PackageNotFoundError:
        return None


def _same(value: Option, default: Option) -> bool:
    """Whether an option says what holds anyway; a whole number may stand for a float, as in ``warmup=0``."""
    is_number = type(value) is int and type(default) is float
    return value == default and (is_number or type(value) is type(default))


def find(kind: str, table: Mapping[str, Known], name: str, hint: str = "") -> Known:
    """Return ``table[name]``, or raise an ``UnknownNameError`` that suggests the nearest name."""
    try:
        return table[name]
    except KeyError:
        raise UnknownNameError(kind, name, table, hint) from None


def load(path: str, what: str = "", registered: Iterable[str] = ()) -> object:
    """Import ``pkg.module:Name`` and return what it names.

    Args:
        path: the import path.
        what: who asks, for messages.
        registered: names that are written likewise, ``csv:PATH``, one of which may be meant.

    Raises:
        ComponentError: the module cannot be imported or has no such name.
    """
    module_name, _, attribute = path.partition(":")
    asking = f"{what}: " if what else ""
    if module_name == "session" and attribute in SESSION:
        return SESSION[attribute][0]
    if module_name.endswith(".py"):
        importable = re.sub(r"[/\\]+", ".", module_name.removesuffix(".py")).lstrip(".")
        raise ComponentError(
            f"{asking}'{module_name}' is a file, and an import path is wanted; write {importable}:{attribute}"
        )
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit, GeneratorExit) as error:
        hint = nearest(module_name, registered)
        if hint and isinstance(error, ModuleNotFoundError) and error.name == module_name:
            raise ComponentError(f"{asking}there is no module '{module_name}'{hint}") from error
        raise ComponentError(f"{asking}cannot import '{module_name}' for '{path}': {error_line(error)}") from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise UnknownNameError(f"name in module '{module_name}':", attribute, _defined(module)) from None


def _defined(module: ModuleType) -> list[str]:
    """Return what a module defines, or the package that it is, without what it imports from elsewhere."""
    names = [name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)]
    return [
        name
        for name in names
        if not (inspect.isclass(value := getattr(module, name)) or inspect.isroutine(value))
        or f"{value.__module__}.".startswith(f"{module.__name__}.")
    ]


PREFIX = "session"
"""Where a module would stand in the spec of such a component."""


def spec_of(
    registry: Registry[Any], component: str | Callable[..., Any], taken: dict[str, object] | None = None
) -> str:
    """Return the spec of a component that is given by its name or as it is.

    Args:
        registry: of its kind.
        component: the name, class or function.
        taken: what else is asked for of this session, by name, to which this is added; of two things of one name, such
            as lambdas, the second has ``_2`` behind its own.

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
    name = re.sub(r"\W+", "_", getattr(function, "__name__", type(component).__name__).strip("<>")) or "unnamed"
    taken = {} if taken is None else taken
    names = chain([name], (f"{name}_{number}" for number in count(2)))
    name = next(each for each in names if _is_same(taken.setdefault(each, component), component))
    SESSION[name] = (component, fingerprint(component))
    return f"{PREFIX}:{name}"


def _is_same(one: object, other: object) -> bool:
    """Whether two are one; a method is another object each time that it is asked for."""
    return one is other or (isinstance(one, MethodType) and isinstance(other, MethodType) and one == other)


def _is_importable(path: str, component: object) -> bool:
    try:
        return load(path) is component
    except UsageError:
        return False


def is_of_session(spec: Spec) -> bool:
    """Whether a spec names what only this session knows."""
    return spec.target.partition(":")[0] in (PREFIX, "__main__")


def session_specs(settings: Mapping[str, Any]) -> list[str]:
    """Return what is asked for that only the Python session knew that asked; no command can name it.

    >>> session_specs({"norms": ("none", "session:Mine"), "baseline": "session:Mine", "seeds": 8})
    ['session:Mine']
    """
    values = [each for value in settings.values() for each in (value if isinstance(value, tuple | list) else (value,))]
    specs = [each for each in values if isinstance(each, str) and is_of_session(Spec(each))]
    return list(dict.fromkeys(specs))
