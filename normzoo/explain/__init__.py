"""Explains a norm: a picture of what shares a statistic, and what there is to know beside it. Torch-free.

``subject`` says what is asked, ``lay_out`` what of it is shown, ``sections`` what is said of it; ``to_rich`` and
``to_svg`` show it.
"""

from normzoo.explain._picture import Layout, lay_out
from normzoo.explain._show import picture_to_rich, to_rich, to_svg
from normzoo.explain._subject import Pools, Section, Subject, letters, sections, subject

__all__ = [
    "Layout",
    "Pools",
    "Section",
    "Subject",
    "lay_out",
    "letters",
    "picture_to_rich",
    "sections",
    "subject",
    "to_rich",
    "to_svg",
]
