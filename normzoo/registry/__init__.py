"""What there is to choose from: norms, templates, datasets. Torch-free, so that names are listed and checked fast."""

from normzoo.registry._explanation import Explanation, HeldTensor, Line, Paper, Pooling
from normzoo.registry._spec import Option, Spec, find, load
from normzoo.registry.datasets import DATASETS, DatasetEntry
from normzoo.registry.norms import NORMS, NormEntry, canonical_norm, is_import_path, norm_entry, parse_spec, short_norm
from normzoo.registry.templates import TEMPLATES, TemplateEntry

__all__ = [
    "DATASETS",
    "NORMS",
    "TEMPLATES",
    "DatasetEntry",
    "Explanation",
    "HeldTensor",
    "Line",
    "NormEntry",
    "Option",
    "Paper",
    "Pooling",
    "Spec",
    "TemplateEntry",
    "canonical_norm",
    "find",
    "is_import_path",
    "load",
    "norm_entry",
    "parse_spec",
    "short_norm",
]
