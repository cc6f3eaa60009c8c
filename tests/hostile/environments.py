"""Surroundings in which a command makes sense nowhere: variables, limits, streams, folders and missing packages."""

import random
from typing import NamedTuple

from .stores import ESCAPES

COMMANDS = {
    "list": 4,
    "list norms": 2,
    "--help": 1,
    "--version": 1,
    "explain batch": 3,
    "explain group:groups=2 --details --svg e.svg": 2,
    "runs --store s.sqlite": 4,
    "export --store s.sqlite": 2,
    "export --store s.sqlite --kind summary -o e.json": 2,
    "export --store s.sqlite -o e.parquet": 2,
    "export --store s.sqlite --to tensorboard:logs": 1,
    "report --store s.sqlite -o r.tex": 5,
    "report --store s.sqlite -o r.md --html": 1,
    "merge s.sqlite --into new.sqlite": 2,
    "compare --config tiny.yaml --show-config": 2,
    "compare --config tiny.yaml --dry-run": 2,
    "compare --config tiny.yaml --dry-run --templates timm:resnet10t": 1,
}
"""What is asked for, and how often."""

VARIABLES = [
    *("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "COLUMNS", "COLUMNS", "LINES", "TERM", "LANG", "LC_ALL"),
    *("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NORMZOO_BACKEND", "NORMZOO_CACHE", "PATH"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHINDUCTOR_CACHE_DIR", "TORCH_LOGS", "CUDA_VISIBLE_DEVICES"),
    *("MPLBACKEND", "MPLCONFIGDIR", "USER", "SHELL", "PWD", "OMP_WAIT_POLICY", "SOURCE_DATE_EPOCH", "TZ"),
]
VALUES = [
    "",
    " ",
    "0",
    "1",
    "-1",
    "5",
    "nan",
    "1e9",
    "9" * 50,
    "/nowhere",
    "/dev/null",
    "/dev/full",
    ".",
    "grün",
    "~",
    "x=y",
]
VALUES += ["~nobody-of-this-name", "text.txt", "a" * 5000, ESCAPES.replace("\0", ""), "\udc80", "C", "dumb", "eager"]
ENCODINGS = ["ascii", "latin-1", "ascii:strict", "utf-8:strict", "cp437", "utf-8:surrogateescape"]
LIMITS = [
    "ulimit -n 20",
    "ulimit -n 40",
    "ulimit -f 0",
    "ulimit -f 4",
    "ulimit -s 512",
    "ulimit -u 300",
    "ulimit -c 0",
    "umask 777",
]
STREAMS = [
    ">&-",
    "2>&-",
    "<&-",
    ">&- 2>&- <&-",
    ">/dev/full",
    "2>/dev/full",
    ">/dev/full 2>/dev/full",
    "| true",
    "2>&1 | cat",
]
FOLDERS = [
    "cd /proc",
    "cd /",
    "mkdir 'a\nb' && cd 'a\nb'",
    "mkdir gone && cd gone && rmdir ../gone",
    "mkdir -m 0 none && cd none",
]
PACKAGES = ["pyarrow", "timm", "tensorboard", "torchvision"]

BLOCKING = """\
import os, sys


class Blocked:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in os.environ["BLOCKED"].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Blocked())
"""
"""What keeps packages from being imported, in a folder that is looked in first."""


class Environment(NamedTuple):
    """A line for a shell, variables, of which those that are None are unset, and packages that are not there."""

    line: str
    variables: dict[str, str | None]
    blocked: tuple[str, ...]


def environment(number: int) -> Environment:
    """Make surroundings and a command, the same for the same number."""
    chance = random.Random(number)
    words = chance.choices(list(COMMANDS), list(COMMANDS.values()))[0]
    variables: dict[str, str | None] = {}
    blocked: tuple[str, ...] = ()
    line = f"normzoo {words}"
    match chance.choice(["variables"] * 5 + ["encoding", "limit", "stream", "folder", "package"]):
        case "variables":
            names = chance.sample(VARIABLES, chance.choice([1, 2, 4]))
            variables = {name: chance.choice([None, *VALUES]) for name in names}
        case "encoding":
            variables = {"PYTHONIOENCODING": chance.choice(ENCODINGS), "LC_ALL": chance.choice(["C", "POSIX", "xx_XX"])}
        case "limit":
            line = f"{chance.choice(LIMITS)}; {line}"
        case "stream":
            line = f"{line} {chance.choice(STREAMS)}"
        case "folder":
            line = f"{chance.choice(FOLDERS)}; {line}"
        case _:
            blocked = (chance.choice(PACKAGES),)
    return Environment(line, variables, blocked)
