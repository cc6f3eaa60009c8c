"""Normalization layers from scratch, behind one interface, drop-in for torch.nn's.

A norm is a way of pooling moments: every sample and channel has a mean and a variance over its positions, and
norms differ in which of these they put together. See ``Norm``.
"""

from normzoo.layers._base import Norm
from normzoo.layers._batch import BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d
from normzoo.layers._engine import Engine, checked_engine, engine
from normzoo.layers._group import GroupNorm, group_norm, layer_norm
from normzoo.layers._instance import InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from normzoo.layers._layer import LayerNorm
from normzoo.layers._make import NormFactory, make_norm, norm_factory
from normzoo.layers._moments import Moments, Statistics, channel_moments, merge, pool_moments
from normzoo.layers._none import NoNorm
from normzoo.layers._pool import (
    OfEachMember,
    OverChannels,
    OverNothing,
    OverSamples,
    Pool,
    WithinGroups,
    average,
    cells_per_pool,
)
from normzoo.layers._rms import RMSNorm, SampleRMSNorm
from normzoo.layers._stack import stack_norms
from normzoo.registry import NORMS

__all__ = [
    "NORMS",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Engine",
    "GroupNorm",
    "InstanceNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "Moments",
    "NoNorm",
    "Norm",
    "NormFactory",
    "OfEachMember",
    "OverChannels",
    "OverNothing",
    "OverSamples",
    "Pool",
    "RMSNorm",
    "SampleRMSNorm",
    "Statistics",
    "WithinGroups",
    "average",
    "cells_per_pool",
    "channel_moments",
    "checked_engine",
    "engine",
    "group_norm",
    "layer_norm",
    "make_norm",
    "merge",
    "norm_factory",
    "pool_moments",
    "stack_norms",
]
