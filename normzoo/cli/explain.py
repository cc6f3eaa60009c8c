"""``normzoo explain``: what a norm pools, as a picture, and what there is to know of it."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import RenderableType

from normzoo.cli._console import stdout_console
from normzoo.cli._flags import Force
from normzoo.errors import ConfigError, UsageError
from normzoo.experiment.config.values import split_list
from normzoo.explain import Subject, brief_to_rich, subject, to_rich, to_svg
from normzoo.outputs import marked, write_outputs
from normzoo.registry import NORMS, named_together

LARGEST = 1_000_000
"""The largest size along a dimension."""


def explain(
    *norms: Annotated[
        str, Parameter(help="Norms: names, specs like group:groups=4, family:pools, or your own, pkg.module:MyNorm.")
    ],
    shape: Annotated[str, Parameter(help="Shape of the input: N,C or N,C,L or N,C,H,W or N,C,D,H,W.")] = "4,8,2,2",
    svg: Annotated[
        Path | None, Parameter(help="Also write the picture to NAME.svg, laid out as for 80 columns.")
    ] = None,
    details: Annotated[
        bool, Parameter(help="Say all there is to know, beyond what fits a screen.", negative="", show_default=False)
    ] = False,
    force: Force = False,
) -> int:
    """Show which values share a statistic, and what there is to know of the norm."""
    words = split_list(",".join(norms))
    names = dict.fromkeys(name for word in words for name in named_together(word) or (word,))
    if not names:
        raise UsageError(f"explain: name a norm, as in `normzoo explain batch` (known: {', '.join(NORMS)})")
    sizes = _sizes(shape)
    sys.path.append(str(Path.cwd()))  # where norms of one's own may be
    subjects = [subject(name, sizes) for name in names]
    if svg is not None:
        _write(svg, to_svg(subjects), force=force)
    elif force:
        raise UsageError("--force: writes over a file; name one with --svg")
    console = stdout_console()
    shown = to_rich(subjects, width=console.width) if details else _briefly(subjects, console.width)
    for part in shown:
        console.print(part, highlight=False)
    if svg is not None:
        sys.stdout.write(f"written: {svg}\n")
    return 0


def _briefly(subjects: Sequence[Subject], width: int) -> Iterator[RenderableType]:
    """Yield what fits a screen of each, with a blank line between them."""
    for index, each in enumerate(subjects):
        if index:
            yield ""
        yield brief_to_rich(each, width=width)


def _sizes(shape: str) -> tuple[int, ...]:
    words = [word.strip() for word in shape.strip().removeprefix("(").removesuffix(")").split(",")]
    if 2 <= len(words) <= 5 and all(re.fullmatch("[0-9]{1,9}", word) and 1 <= int(word) <= LARGEST for word in words):
        return tuple(map(int, words))
    raise ConfigError(
        f"--shape: must be N,C or N,C,L or N,C,H,W or N,C,D,H,W, whole numbers from 1 to {LARGEST}, got '{shape}'; "
        "use for example --shape 4,8,2,2"
    )


def _write(path: Path, text: str, *, force: bool) -> None:
    if path.suffix != ".svg" or path.is_dir():
        raise ConfigError(f"--svg: '{path}' must be an SVG file, NAME.svg")
    write_outputs({path: marked(text, ".svg")}, "--svg", force=force)
