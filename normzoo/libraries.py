"""Which files are a library's, and not the user's own: an error is placed, and a change is looked for, in the rest."""

import sysconfig
from pathlib import Path

_PACKAGES = frozenset({"site-packages", "dist-packages"})
_OURS = Path(__file__).parent
_STANDARD = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))


def is_installed(file: Path) -> bool:
    """Whether a file is of an installed package.

    >>> is_installed(Path("/usr/lib/python3/dist-packages/numpy/__init__.py")), is_installed(Path("/home/me/norms.py"))
    (True, False)
    """
    return not _PACKAGES.isdisjoint(file.parts)


def is_of_library(file: Path) -> bool:
    """Whether a file is of an installed package, of normzoo or of Python.

    >>> is_of_library(Path(sysconfig.__file__)), is_of_library(Path("/home/me/norms.py"))
    (True, False)
    """
    return is_installed(file) or any(map(file.is_relative_to, (_OURS, *_STANDARD)))
