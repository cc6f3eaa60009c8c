"""Requests that nobody would make on purpose: command lines and files of settings, made of what commands take."""

import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from cyclopts import App

from normzoo.cli import app
from normzoo.experiment.config.resolve import KEYS
from normzoo.registry import AUGMENTATIONS, DATASETS, NORMS, OPTIMIZERS, SCHEDULES, TASKS, TEMPLATES, Registry

from .stores import COMMAND, ESCAPES, nested

TINY = """\
templates: mlp:widths=8
norms: batch,none
batch_sizes: 64
seeds: 1
epochs: 1
device: cpu
jobs: 1
"""
"""Settings of a comparison that takes no time; whatever else is said wins over them."""

NEEDED: Mapping[str, list[str]] = {
    "compare": ["--config", "tiny.yaml", "--dry-run"],
    "report": ["--store", "s.sqlite", "-o", "r.tex"],
    "merge": ["s.sqlite", "--into", "new.sqlite"],
    "show": ["--store", "s.sqlite"],
    "diff": ["--store", "s.sqlite"],
    "runs": ["--store", "s.sqlite"],
    "export": ["--store", "s.sqlite"],
}
"""What commands are given besides, unless the request says another."""

WRITING = ("-o", "--output", "--svg", "--report", "--json", "--into", "--to", "--html")
"""By which a command is asked to write a file."""

NUMBERS = [
    "-1",
    "0",
    "-0",
    "1",
    "1",
    "2",
    "3",
    "8",
    "0.5",
    "1.5",
    "1e3",
    "1e308",
    "-1e308",
    "1e-400",
    "1e999",
    "9" * 13,
    str(2**63),
    "9" * 5000,
]
NOT_NUMBERS = ["nan", "NaN", "inf", "-inf", "Infinity", "0x10", "1_000", "٣", "½", "²", "1,5", "1e", "++1", "1 2", "-"]
TEXTS = [
    *("", " ", ",", ",,", "=", ":", "::", "=,=", "a=", "a:b", "a:b:c=d", "--", "true", "None", "null", "[]", "{}"),
    *("'", '"', "\\", "%s%n", "{0}", "[red]x[/red][/]", "$(touch PWNED)", COMMAND, "\0", "a\0b", "\n", "a\nb"),
    *(ESCAPES, "\ud800", "\udc80x", "a" * 5000, "grün", "日本語", "👩‍🔬", "\u202egnp", "\ufeffbatch", "\uff42atch"),
]
PATHS = [
    *(".", "..", "/", "~", "~nobody-of-this-name/x", "folder", "folder/", "none/x.md", "none", "text.txt", "loop"),
    *("link", "text.txt/x.md", "../a.md", "r.md", "r.tex", "r.csv", "r.json", "r.parquet", "r.svg", "r"),
    *("s.sqlite", "./s.sqlite", "s.sqlite-wal", "bad.sqlite", "/dev/null", "/dev/full", "/dev/zero", "/proc/self/mem"),
    *("/nowhere/x.md", "a" * 300, "a/" * 2000, " .md", ".md", "\0.md", "\ud800.md", "x\n.md", "-.md"),
]
REGISTRIES: dict[str, Registry[Any]] = {
    "--norms": NORMS,
    "--templates": TEMPLATES,
    "--dataset": DATASETS,
    "--task": TASKS,
    "--optimizer": OPTIMIZERS,
    "--schedule": SCHEDULES,
    "--augment": AUGMENTATIONS,
    "NORMS": NORMS,
}
"""Where what an argument names is looked up."""

OPTIONS = [
    "groups",
    "eps",
    "momentum",
    "widths",
    "depth",
    "smoothing",
    "kind",
    "target",
    "size",
    "length",
    "warmup",
    "x",
]

YAML_VALUES = [
    *("", "~", "yes", "off", ".nan", "-.inf", "0x" + "f" * 5000, "0o" + "7" * 5000, "1:" + "59:" * 3000 + "59"),
    *("9" * 5000, "1e309", "1_0", "'", '"', "[", "]", "{", "}", "[1, [2, [3]]]", "{a: {b: c}}", "[null]", "[~, 1]"),
    *("!!int ''", "!!bool maybe", "!!timestamp x", "!!binary /w==", "!!float x", "!!set {a}", "!!omap [a: b]", "!x y"),
    *("!!python/object/apply:os.system ['touch PWNED']", "2020-01-01", "&a [*a]", "*nobody", "|\n  two\n  lines"),
    *('"\\0"', '"\\ud800"', '"\\e[31m"', '"' + "a" * 100_000 + '"', "!!str 1", "@x", "`x`", "%x", "- - -", "? x"),
]
"""What stands where a value belongs in a file of settings."""


class Argument(NamedTuple):
    """What a command takes: its name, whether it is given by that, and whether without a value."""

    name: str
    is_option: bool
    is_flag: bool


class Request(NamedTuple):
    """The words of a command, and a file of settings that some name."""

    words: list[str]
    settings: bytes = b""


@cache
def commands() -> dict[tuple[str, ...], tuple[Argument, ...]]:
    """Return all there are, and what each takes, by the command's own definition."""
    return dict(_below(app, ()))


def _below(of: App, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[Argument, ...]]]:
    names = [name for name in of if not name.startswith("-")]
    for name in names:
        yield from _below(of[name], (*path, name))
    if not names and path:
        arguments = of.assemble_argument_collection()
        yield (
            path,
            tuple(Argument(each.names[0], each.names[0].startswith("-"), each.hint is bool) for each in arguments),
        )


def misspelt(word: str, chance: random.Random) -> str:
    """Leave out, double, exchange or replace a letter."""
    at = chance.randrange(max(len(word), 1))
    return chance.choice(
        [
            word[:at] + word[at + 1 :],
            word[:at] + word[at : at + 1] + word[at:],
            word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
            word[:at] + chance.choice("xé\x1b-_ ") + word[at + 1 :],
            word.upper(),
        ]
    )


def component(argument: str, chance: random.Random) -> str:
    """Return the spec of something, mostly of the kind that an argument names, and with an option that is odd."""
    registry = chance.choice([REGISTRIES.get(argument, NORMS), *REGISTRIES.values()][: chance.choice([1, 1, 8])])
    name, odd = chance.choice(list(registry)), chance.choice([*NUMBERS, *NUMBERS, *NOT_NUMBERS, *TEXTS])
    option = chance.choice([*OPTIONS, *registry[name].options])
    return chance.choice(
        [name, f"{name}:{option}={odd}", f"{name}:{option}={odd}", f"{name}:{odd}", misspelt(name, chance)]
    )


def value(argument: str, chance: random.Random) -> str:
    """Return what stands where a value belongs on a command line."""
    if argument in REGISTRIES and chance.random() < 0.5:
        return component(argument, chance)
    return chance.choice(
        [
            *[chance.choice([*NUMBERS, *NUMBERS, *NOT_NUMBERS]), chance.choice(TEXTS)] * 2,
            chance.choice(PATHS),
            component(argument, chance),
            f"{component(argument, chance)},{component(argument, chance)}",
            chance.choice(["npz:", "csv:", "text:", "folder:", "ts:", "parquet:"]) + chance.choice(PATHS),
        ]
    )


def some_command(chance: random.Random) -> tuple[tuple[str, ...], tuple[Argument, ...]]:
    """Return a command; those that take most are chosen most."""
    known = commands()
    path = chance.choices(list(known), [2 + len(taken) for taken in known.values()])[0]
    return path, known[path]


def given(argument: Argument, text: str, chance: random.Random) -> list[str]:
    """Return the words that give an argument a value."""
    if not argument.is_option:
        return [text]
    if argument.is_flag:
        return [chance.choice([argument.name, f"{argument.name}={text}"])]
    return chance.choice([[argument.name, text], [f"{argument.name}={text}"]])


def odd_values(chance: random.Random) -> Request:
    """Give one to three arguments an odd value each."""
    path, taken = some_command(chance)
    chosen = chance.sample(taken, min(len(taken), chance.choice([1, 1, 1, 2, 3])))
    return Request([*path, *(word for each in chosen for word in given(each, value(each.name, chance), chance))])


def odd_words(chance: random.Random) -> Request:
    """Misspell a word, leave the last one out, or add one."""
    path, taken = some_command(chance)
    argument = chance.choice(taken)
    words = [*path, *given(argument, "1", chance)]
    at = chance.randrange(len(words))
    return Request(
        chance.choice(
            [
                [*words[:at], misspelt(words[at], chance), *words[at + 1 :]],
                words[:-1],
                [*words, value(argument.name, chance)],
                [*words[:at], value(argument.name, chance), *words[at:]],
                [*path, "--no-" + argument.name.lstrip("-")],
                [*path, chance.choice(["--help=x", "-h", "--version", "-", "--", "---", "-x", "--=x", "--a.b"])],
            ]
        )
    )


def repeated(chance: random.Random) -> Request:
    """Give an argument many times."""
    path, taken = some_command(chance)
    argument, times = chance.choice(taken), chance.choice([2, 3, 3000])
    return Request(
        [*path, *(word for _ in range(times) for word in given(argument, value(argument.name, chance)[:50], chance))]
    )


def long_list(chance: random.Random) -> Request:
    """Give an argument thousands of values in one."""
    path, taken = some_command(chance)
    item, count = chance.choice(["{}", "1", "x{}", "group:eps={}"]), chance.choice([1000, 10_000])
    return Request([*path, *given(chance.choice(taken), ",".join(map(item.format, range(1, count))), chance)])


def odd_set(chance: random.Random) -> Request:
    """Make a setting of a key and an odd value."""
    asked = chance.choice(KEYS)
    key, odd = chance.choice([asked, misspelt(asked, chance)]), value(f"--{asked}", chance)
    return Request(["compare", "--set", chance.choice([f"{key}={odd}", f"{key}={odd}", key, odd])])


def odd_file(chance: random.Random) -> Request:
    """Write a file of settings with something odd in it."""
    key = chance.choice(KEYS)
    text = chance.choice([*YAML_VALUES, *TEXTS, *NUMBERS, component(f"--{key}", chance)])
    other = chance.choice(YAML_VALUES)
    levels = "".join(f"a{number}: &a{number} [{f'*a{number - 1}, ' * 9}]\n" for number in range(1, 10))
    content = chance.choice(
        [f"{key}: {text}\n"] * 12
        + [
            f"{key}: [{text}, {other}]\n",
            f"{text}: {other}\n",
            f"{key}:\n  - {text}\n  - {other}\n",
            f"{key}:\n\t{text}\n",
            f"{key}: {nested(1000)}",
            f"{key}: " + "{a: " * 1000 + "1" + "}" * 1000,
            f"a0: &a0 [x]\n{levels}",
            f"{key}: 1\n---\n{key}: 2\n",
            f"<<: {{{key}: {text}}}\n",
            "".join(f"k{number}: {number}\n" for number in range(10_000)),
            f"{key}: [{', '.join(['1'] * 10_000)}]",
            text,
            other,
        ]
    )
    coding = chance.choice(["utf-8"] * 9 + ["utf-16", "utf-32", "latin-1", "utf-8-sig"])
    errors = "surrogatepass" if coding.startswith("utf") else "replace"
    return Request(["compare", "--config", "odd.yaml"], content.encode(coding, errors))


def random_file(chance: random.Random) -> Request:
    """Write a file of bytes."""
    return Request(["compare", "--config", "odd.yaml"], chance.randbytes(chance.choice([1, 10, 1000])))


KINDS: list[Callable[[random.Random], Request]] = [
    *[odd_values] * 8,
    *[odd_words] * 3,
    *[odd_file] * 4,
    *(odd_set, odd_set, repeated, long_list, random_file),
]


def request(number: int) -> Request:
    """Make a request, the same for the same number, with all that its command needs besides.

    Every fourth asks the next of all arguments that there are.
    """
    chance = random.Random(number)
    arguments = [(path, argument) for path, taken in commands().items() for argument in taken]
    if number % 4:
        words, settings = chance.choice(KINDS)(chance)
    else:
        path, argument = arguments[number // 4 % len(arguments)]
        words, settings = [*path, *given(argument, value(argument.name, chance), chance)], b""
    needed = NEEDED.get(words[0], [])
    if words[0] == "compare":
        return Request(["compare", *needed, *words[1:]], settings)
    is_given = {word.partition("=")[0] for word in words} & set(needed)
    return Request([*words, *([] if is_given else needed)], settings)


def furnish(folder: Path, store: Path, settings: bytes) -> None:
    """Put into a folder what requests name."""
    folder.mkdir()
    (folder / "folder").mkdir()
    (folder / "text.txt").write_text("notes\n")
    (folder / "bad.sqlite").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 8)
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "odd.yaml").write_bytes(settings)
    (folder / "loop").symlink_to("loop")
    (folder / "link").symlink_to("text.txt")
    (folder / "s.sqlite").write_bytes(store.read_bytes())
