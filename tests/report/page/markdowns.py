"""Reports in markdown to make pages of, and plots to stand in them."""

import functools
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure


class Given(NamedTuple):
    """What a page is made from."""

    markdown: str
    images: dict[str, str]


@functools.cache
def plot(name: str, *, panels: int = 1) -> str:
    """Draw a plot in the colours of ours: with clip paths, shared glyphs and markers, and a name in its legend."""
    with mpl.rc_context({"svg.hashsalt": "the same", "text.color": "#111111"}):
        figure = Figure(figsize=(4.0 * panels + 1.5, 3.0), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        for axis in figure.subplots(1, panels, squeeze=False)[0]:
            axis.set_facecolor("none")
            axis.plot([2, 8, 32], [90.0, 95.0, 97.0], marker="o", color="#0072B2", markeredgecolor="white", label=name)
            axis.grid(color="#dddddd")
            axis.tick_params(colors="#111111")
            axis.spines[:].set_color("#111111")
        figure.legend(loc="outside right center")
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def of_the_repository() -> Given:
    """Return the report on digits that comes with the repository, with its plots."""
    report = Path(__file__).parents[3] / "reports" / "digits.md"
    markdown = report.read_text(encoding="utf-8")
    plots = {path: report.with_name(path).with_suffix(".svg") for path in image_paths(markdown)}
    return Given(markdown, {path: svg.read_text(encoding="utf-8") for path, svg in plots.items()})


def image_paths(markdown: str) -> list[str]:
    return [unquote(path) for path in re.findall(r"!\[[^]]*\]\(([^)]*)\)", markdown)]


LONG = "my_company.research.normalization.experimental:RecentredNorm:mode=everything_at_once,momentum=0.125"
HOSTILE = "my.module:Norm:mode=<script>alert(1)</script>"


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def far_too_wide() -> Given:
    """Return a report with all that is hard to fit: long names, a table of 12 columns, a long command, wide plots."""
    sizes = [str(2**power) for power in range(10)]
    table = "\n".join(
        [
            row(["norm", *(f"batch {size}" for size in sizes), "what it is"]),
            row([":--", *["--:"] * 10, ":--"]),
            *(row([f"`{name}`", *["98.5 ±0.9 ●"] * 10, "a sentence about it, " * 4]) for name in ("batch", LONG)),
        ]
    )
    sections = [f"## Part {part}: {LONG}\n\n{table}\n\n- {LONG}: `{LONG}`\n" for part in range(4)]
    text = "\n".join(
        [
            f"# Norms in `{LONG}` on digits",
            *sections,
            "## Plots\n\n![one panel](one.svg)\n\n![three panels](plots/a%20wide%20one.svg)\n",
            f"## Runs without a result\n\n```text\nfailed: {HOSTILE}\nfailed: {'x' * 400}\n```\n",
            f"## How to reproduce\n\n```sh\nnormzoo compare --norms {','.join([LONG] * 5)}\n```\n",
            f"<details>\n<summary>Configuration</summary>\n\n```yaml\nnorms: [{LONG}, {LONG}]\n```\n\n</details>\n",
            "See the [records](digits.sqlite) and [the paper](https://arxiv.org/abs/1502.03167).\n",
        ]
    )
    return Given(text, {"one.svg": plot("layer"), "plots/a wide one.svg": plot("batch", panels=3)})
