"""From defaults, YAML files, ``--set`` and flags to one resolved configuration. Torch-free."""

import shlex
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from normzoo.errors import ConfigError, UnknownNameError, UsageError, all_of, nearest
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.settings_file import read_yaml
from normzoo.experiment.config.spec import LeftOut, MatrixSpec
from normzoo.experiment.config.values import Share, shown, split_list
from normzoo.registry import (
    ALL,
    DATASETS,
    FAMILIES,
    NORMS,
    OPTIMIZERS,
    SCHEDULES,
    TASKS,
    Entry,
    Registry,
    Spec,
    named_together,
)
from normzoo.registry.datasets import at_home
from normzoo.tables import Layout, read_target
from normzoo.visible import as_utf8

_MODELS: tuple[type[BaseModel], ...] = (MatrixSpec, Execution)
AnyEntry = TypeVar("AnyEntry", bound=Entry)


class Shorthands(BaseModel):
    """Settings that are short for an option of a component: ``momentum: 0.8`` is ``optimizer: sgd:momentum=0.8``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    momentum: Share | None = Field(None, description="Short for --optimizer NAME:momentum=X; of sgd 0.9 otherwise.")
    warmup: Share | None = Field(
        None,
        description="Short for --schedule NAME:warmup=X: the share of all steps over which the learning rate rises, "
        "linearly but in onecycle, which takes 0.3 otherwise.",
    )
    label_smoothing: Share | None = Field(None, description="Short for --task classification:smoothing=X.")


OPTION_OF: dict[str, tuple[str, str, Registry[Any]]] = {
    "momentum": ("optimizer", "momentum", OPTIMIZERS),
    "warmup": ("schedule", "warmup", SCHEDULES),
    "label_smoothing": ("task", "smoothing", TASKS),
}
"""Of each shorthand the setting that names the component, the option, and where the component is looked up."""

MAX_RUNS = 1_000_000
"""How many runs a comparison may have; a plan of more takes longer than anybody waits for it."""

SEEDS = 2**30
"""Seeds are below it: from there on a run draws what the augmentation of a smaller seed draws, and torch's generators
know a seed by its last 32 bits."""

KEYS = (
    *(key for model in _MODELS for key, field in model.model_fields.items() if field.description),
    *Shorthands.model_fields,
)


@dataclass(frozen=True)
class Configuration:
    """What to run and how, every setting resolved."""

    matrix: MatrixSpec
    execution: Execution

    def to_yaml(self) -> str:
        """Return the configuration as YAML that ``--config`` reads back."""
        settings = {**self.matrix.settings(), **self.execution.model_dump(mode="json")}
        settings.pop("lr" if self.matrix.lrs else "lrs")  # they exclude each other
        return yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=100)


def reproducing_command(matrix: MatrixSpec) -> str:
    """Return the command that trains this matrix anywhere, with the settings that are not the defaults."""
    words = ["normzoo", "compare"]
    followed = {
        "task": _task_of(matrix.dataset),
        "templates": default_templates(matrix.dataset),
        "lr": default_lr(matrix.task),
    }
    asked = _as_asked_for(matrix)
    always = {"batch_sizes", *(key for key in followed if followed[key] != MatrixSpec.model_fields[key].default)}
    for key, field in MatrixSpec.model_fields.items():
        value = asked.get(key, getattr(matrix, key))
        if (key == "lr" and matrix.lrs) or not field.description:
            continue
        if key in always or value != field.get_default():
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words += ["--" + key.replace("_", "-"), text]
    return shlex.join(words)


def _as_asked_for(matrix: MatrixSpec) -> dict[str, tuple[str, ...]]:
    """Return how norms are asked for: by one word where it stands for these."""
    everything = named_together(ALL) or ()
    left_out = {each.norm for each in matrix.left_out if each.template}
    is_all = matrix.optional == (ALL,) and {*matrix.norms, *left_out} == set(everything)
    return {"norms": (ALL,), "optional": ()} if is_all else {}


def resolve(files: Sequence[Path], assignments: Sequence[str], flags: Mapping[str, Any]) -> Configuration:
    """Put together a configuration; later files win over earlier ones, ``assignments`` over files, flags over all.

    Args:
        files: YAML files of settings.
        assignments: ``key=value`` each.
        flags: settings by key; None means not given.

    Raises:
        ConfigError: everything that is wrong, in one line, each with where it was said.
    """
    settings: dict[str, Any] = {}
    origins: dict[str, str] = {}
    layers = [(str(path), read_yaml(path)) for path in files]
    layers += [("--set", dict([_assignment(text)])) for text in assignments]
    for origin, layer in layers:
        for key, value in layer.items():
            _check_key(key, origin)
            settings[key], origins[key] = value, f"{origin}: {key}"
    for key, value in flags.items():
        if value is not None:
            settings[key], origins[key] = value, "--" + key.replace("_", "-")
    problems: list[str] = []
    if settings.get("lrs") is not None and settings.get("lr") is not None:
        problems.append(
            f"{origins['lr']}: stands beside {origins['lrs']}, which lists the rates to choose from; use one"
        )
    dataset = settings.get("dataset")
    settings.setdefault("templates", default_templates(dataset))
    if "task" not in settings:  # of a table its target is read, which takes a moment
        settings["task"] = default_task(dataset)
    if settings.get("lrs") is None:
        settings.setdefault("lr", default_lr(settings["task"]))
    problems += _expand_shorthands(settings, origins)
    problems += _expand_norms(settings, origins)
    models: list[Any] = []
    for model in _MODELS:
        try:
            models.append(model.model_validate({key: settings[key] for key in model.model_fields if key in settings}))
        except ValidationError as error:
            problems += [_problem(detail, model, origins) for detail in error.errors()]
        except UnicodeEncodeError as error:  # what is wrong is said with half of a pair, which pydantic cannot write
            problems.append(as_utf8(error.object))
    if problems:
        raise ConfigError(all_of(problems))
    configuration = Configuration(*models)
    runs = count_runs(configuration.matrix)
    if runs > MAX_RUNS:
        raise ConfigError(
            f"settings: they ask for {runs:,} runs, and a comparison has at most {MAX_RUNS:,}; ask for fewer seeds, "
            "norms, templates, batch sizes or learning rates"
        )
    if configuration.matrix.seed_range.stop > SEEDS:
        raise ConfigError(
            f"settings: their seeds begin at {configuration.matrix.first_seed:,}; beyond {SEEDS - 1:,} runs would draw "
            "the same random numbers as those of smaller seeds"
        )
    return configuration


def count_runs(matrix: MatrixSpec) -> int:
    """Return of how many runs a comparison is."""
    lists = (matrix.templates, matrix.norms, matrix.batch_sizes, matrix.lrs or (matrix.lr,))
    return prod(map(len, lists)) * matrix.seeds


def _task_of(dataset: Any) -> str | None:
    """Return what is learned from a dataset; None where that is for its target column to say."""
    entry = _registered(DATASETS, dataset)
    return entry.task if entry else str(MatrixSpec.model_fields["task"].default)


def default_task(dataset: Any) -> str:
    """Return what is learned from a dataset where nobody says so; of a table that follows from its target column.

    What reads as no dataset is left to the model to refuse.

    Raises:
        DataError: it is a table that cannot be read.
    """
    task = _task_of(dataset)
    if task is None and (spec := DATASETS.parse(dataset)).argument:
        return read_target(spec.argument, Layout.of_options(spec.target, spec.options)).task
    return task or str(MatrixSpec.model_fields["task"].default)


def default_templates(dataset: Any) -> tuple[str, ...]:
    """Return the networks that are trained on a dataset where nobody says which: some that take its samples."""
    entry = _registered(DATASETS, dataset)
    if entry is DATASETS["npz"]:
        return _TEMPLATES_FOR.get(_kind_of_arrays(DATASETS.parse(dataset)), entry.templates)
    return entry.templates if entry else tuple(MatrixSpec.model_fields["templates"].default)


_TEMPLATES_FOR = {
    "vectors": ("mlp",),
    "sequences": ("lstm", "transformer"),
    "tokens": ("lstm", "transformer"),
    "volumes": ("cnn", "mlp"),
}
"""Networks that take samples of a kind, other than images."""


def _kind_of_arrays(spec: Spec) -> str:
    """Return the kind of the samples of an ``.npz`` file: what its spec says, or what follows from the header."""
    from numpy.lib import format as npy  # which takes a moment, and most commands do without

    if spec.options.get("kind"):
        return str(spec.options["kind"])
    path = at_home(spec.argument)
    try:
        if not path.is_file():  # a device may have no end
            return "images"
        with zipfile.ZipFile(path) as archive:
            if "lengths_train.npy" in archive.namelist():
                return "sequences"
            with archive.open("x_train.npy") as member:
                is_first = npy.read_magic(member) == (1, 0)
                read = npy.read_array_header_1_0 if is_first else npy.read_array_header_2_0
                dimensions = len(read(member)[0])
    except Exception:  # a worker says what is wrong with it
        return "images"
    return {2: "vectors", 5: "volumes"}.get(dimensions, "images")


def default_lr(task: Any) -> float:
    """Return the learning rate with which a task is learned where nobody says one."""
    entry = _registered(TASKS, task)
    return entry.lr if entry else float(MatrixSpec.model_fields["lr"].default)


def _registered(registry: Registry[AnyEntry], text: Any) -> AnyEntry | None:
    """Return what is known of a component; None of one's own, and of what reads as none."""
    try:
        return registry.get(registry.parse(text).target)
    except (UsageError, AttributeError, TypeError):
        return None


def _expand_shorthands(settings: dict[str, Any], origins: dict[str, str]) -> list[str]:
    """Put shorthands into the specs that they are short for, in place; return what is wrong with them."""
    try:
        given = Shorthands.model_validate({key: settings.pop(key) for key in OPTION_OF if key in settings})
    except ValidationError as error:
        return [_problem(detail, Shorthands, origins) for detail in error.errors()]
    problems = []
    for key, (setting, option, registry) in OPTION_OF.items():
        value = getattr(given, key)
        if value is None:
            continue
        text = settings.get(setting, MatrixSpec.model_fields[setting].default)
        try:
            spec = registry.parse(text)
        except (UsageError, AttributeError):  # the model will say so
            continue
        if option in spec.options:
            problems.append(f"{origins[key]}: stands beside {origins[setting]}, which says {option} itself; use one")
        settings[setting] = str(spec._replace(options={**spec.options, option: value}))
        origins.setdefault(setting, origins[key])
    return problems


def _expand_norms(settings: dict[str, Any], origins: Mapping[str, str]) -> list[str]:
    """Put norms in the place of the words that name several, in place; return what is wrong with these.

    What is not also asked for by its own name is ``optional`` then; what all names but for a reason is ``left_out``.
    """
    words = split_list(settings.get("norms"))
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        return []  # the model will say so
    origin = origins.get("norms", "norms")
    try:
        together = [(word, named_together(word)) for word in words]
    except UnknownNameError as error:
        settings.pop("norms")
        return [f"{origin}: {error}"]
    if families := [word for word in words if word in FAMILIES and word not in NORMS]:
        settings.pop("norms")
        return [f"{origin}: '{families[0]}' is a family of norms; write family:{families[0]}"]
    if not any(norms for _, norms in together):
        return []
    by_name = [word for word, norms in together if norms is None]
    expanded = dict.fromkeys(norm for word, norms in together for norm in norms or (word,))
    settings["norms"] = tuple(expanded)
    optional = split_list(settings.get("optional") or ())
    settings["optional"] = (ALL,) if not by_name else (*optional, *(norm for norm in expanded if norm not in by_name))
    if ALL in words:
        apart = {norm: entry.apart for norm, entry in NORMS.items() if entry.apart and norm not in expanded}
        settings["left_out"] = tuple(LeftOut(norm=norm, template="", reason=why) for norm, why in apart.items())
    return []


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set: expected key=value, got '{shown(text)}'")
    return key.strip().replace("-", "_"), value.strip()


MOVED = {
    **dict.fromkeys(("placement", "widths", "hidden"), "an option of a template, as in --templates cnn:placement=pre"),
    "engine": "called strategy now: auto, stacked or sequential",
}
"""What became of former settings."""

_MEANT = {"gpu": "cuda"}
"""Values that are like another than the one that is meant."""


def _check_key(key: object, origin: str) -> None:
    if key in MOVED:
        raise ConfigError(f"{origin}: '{key}' is {MOVED[str(key)]}")
    if key not in KEYS:
        raise ConfigError(f"{origin}: unknown key '{shown(key)}'{nearest(shown(key), KEYS)} (known: {', '.join(KEYS)})")


_RULES = {
    "too_short": "must not be empty",
    "tuple_type": "expected a list such as 2,8,32, got '{value}'",
    "string_type": "expected text, got '{value}'; put it in quotes if YAML reads it as something else",
    "path_type": "expected a path, got '{value}'",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "expected a whole number, got '{value}'"),
    **dict.fromkeys(("float_parsing", "float_type"), "expected a number, got '{value}'"),
    "greater_than_equal": "must be at least {ge}, got {value}",
    "greater_than": "must be greater than {gt:g}, got {value}",
    "less_than_equal": "must be at most {le:g}, got {value}",
    "less_than": "must be less than {lt:g}, got {value}",
}
"""What is wrong with a value, by pydantic's names of errors."""


def _problem(detail: ErrorDetails, model: type[BaseModel], origins: Mapping[str, str]) -> str:
    """Return one thing that is wrong: where it was said, the rule, and the value."""
    key = str(detail["loc"][0]) if detail["loc"] else "settings"  # without a place: several settings together
    value, context = shown(detail["input"]), detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            rule = str(context["error"])
        case "literal_error":
            choices = _choices(model.model_fields[key].annotation)
            rule = f"unknown {key} '{value}'{nearest(_MEANT.get(value, value), choices)} (known: {', '.join(choices)})"
        case kind:
            rule = _RULES.get(kind, "{msg}, got '{value}'").format(**{**context, "value": value, "msg": detail["msg"]})
    return f"{origins.get(key, key)}: {rule}"


def _choices(annotation: Any) -> list[str]:
    """Return what there is to choose from, also in a list of choices."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]
