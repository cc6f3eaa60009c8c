"""Explains a norm: a picture of what shares a statistic, and what there is to know beside it.

``subject`` says what is asked, ``lay_out`` what of it is shown, ``sections`` what is said of it; ``brief_to_rich``,
``to_rich`` and ``to_svg`` show it. Torch-free, but where a norm is tried to find out what it does.
"""

from normzoo.explain._picture import Layout, lay_out
from normzoo.explain._pools import Pools, letters
from normzoo.explain._sections import Section, sections
from normzoo.explain._show import brief_to_rich, picture_to_rich, to_rich
from normzoo.explain._subject import Probe, Subject, subject
from normzoo.explain._svg import to_svg

__all__ = [
    "Layout",
    "Pools",
    "Probe",
    "Section",
    "Subject",
    "brief_to_rich",
    "lay_out",
    "letters",
    "picture_to_rich",
    "sections",
    "subject",
    "to_rich",
    "to_svg",
]
