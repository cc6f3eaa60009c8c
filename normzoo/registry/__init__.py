"""What there is to choose from: norms, templates, datasets, augmentations, tasks, optimizers, schedules.

Torch-free, so that names are listed and checked fast.
"""

from normzoo.registry._component import Entry, Registry, Spec, find, is_of_session, load, session_specs, spec_of
from normzoo.registry._explanation import CHANNELS, Explanation, HeldTensor, InputKind, Line, NormEntry, Paper, Pooling
from normzoo.registry._options import Option, first_parameter, written
from normzoo.registry.datasets import DATASETS
from normzoo.registry.entries import AUGMENTATIONS, OPTIMIZERS, SCHEDULES, TASKS, TEMPLATES
from normzoo.registry.norms import ALL, FAMILIES, NORMS, about_family, named_together, values_per_statistic

__all__ = [
    "ALL",
    "AUGMENTATIONS",
    "CHANNELS",
    "DATASETS",
    "FAMILIES",
    "NORMS",
    "OPTIMIZERS",
    "SCHEDULES",
    "TASKS",
    "TEMPLATES",
    "Entry",
    "Explanation",
    "HeldTensor",
    "InputKind",
    "Line",
    "NormEntry",
    "Option",
    "Paper",
    "Pooling",
    "Registry",
    "Spec",
    "about_family",
    "find",
    "first_parameter",
    "is_of_session",
    "load",
    "named_together",
    "session_specs",
    "spec_of",
    "values_per_statistic",
    "written",
]
