"""What is done to a model that exists: exchange, freeze, recalibrate and fold its norms, standardize its weights."""

from normzoo.surgery._convert import Converted, convert, convert_sync_batchnorm
from normzoo.surgery._fold import Folded, FoldReport, fold
from normzoo.surgery._freeze import freeze, keeps_statistics, unfreeze
from normzoo.surgery._parameters import decays, parameter_groups, parameters_without_norms
from normzoo.surgery._report import ConversionReport, Exchanged, Left
from normzoo.surgery._statistics import eval_statistics, recalibrate, restoring_statistics
from normzoo.surgery._weights import standardize_weights

__all__ = [
    "ConversionReport",
    "Converted",
    "Exchanged",
    "FoldReport",
    "Folded",
    "Left",
    "convert",
    "convert_sync_batchnorm",
    "decays",
    "eval_statistics",
    "fold",
    "freeze",
    "keeps_statistics",
    "parameter_groups",
    "parameters_without_norms",
    "recalibrate",
    "restoring_statistics",
    "standardize_weights",
    "unfreeze",
]
