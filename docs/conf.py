"""The site: ``sphinx-build -W -n docs docs/_build`` makes it of these pages and the docstrings, without network.

The pages are plain markdown, to be read on a code host as well: what only the site needs is added here.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

import normzoo
from normzoo.cli import app as commands

ROOT = Path(__file__).parents[1]
OF_OTHERS = (
    r"(annotated_types|collections|lightning|pathlib|pydantic|re|types|torch|numpy|np|npt|pd)\..*",
    "Figure",
    "RenderableType",
    "Summary",
    "TorchMetric",
)
"""Types that these pages mention and do not describe: where they are described is no place to be asked."""

REPOSITORY = "https://github.com/normzoo/normzoo/blob/main"

project, author = "normzoo", "The normzoo authors"
project_copyright = author
version = release = normzoo.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"normzoo {release}"
html_copy_source = html_show_sourcelink = False

myst_heading_anchors = 3

default_role = "literal"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
smartquotes = False
nitpick_ignore_regex = [("py:.*", kind) for kind in (*OF_OTHERS, r"normzoo\.(?:data|layers|surgery)\._.*")]


def prepare(app: Sphinx, page: str, source: list[str]) -> None:
    """Have links that leave ``docs/`` lead to the repository, and add the menu and the flags of all commands.

    The menu has the pages that the index links to, in that order.
    """
    folder = (Path(app.srcdir) / page).parent

    def in_repository(link: re.Match[str]) -> str:
        path = (folder / link[1]).resolve()
        return link[0] if path.is_relative_to(app.srcdir) else f"]({REPOSITORY}/{path.relative_to(ROOT)}{link[2]})"

    text = re.sub(r"\]\((?!\w+:)([^)#\s]+)((?:#[^)\s]*)?)\)", in_repository, source[0])
    if page == "index":
        pages = re.findall(r"\]\(([\w/-]+)\.md\)", text)
        text += "\n".join(["", "```{toctree}", ":hidden:", "", *dict.fromkeys(pages), "```", ""])
    if page == "commands":
        text += f"\n## All flags\n\n{flags()}"
    source[0] = text


def flags() -> str:
    """Return what the commands say of themselves with ``--help``, as markdown."""
    said = commands.generate_docs(output_format="markdown", heading_level=2)
    return re.sub(r"^Example: (.*)$", r"Example: `\1`", said[said.index("\n### ") :], flags=re.MULTILINE)


def setup(app: Sphinx) -> None:
    """Add what is above."""
    app.connect("source-read", prepare)
