"""Normalization layers from scratch, behind one interface, drop-in for torch.nn's.

A norm is a way of pooling moments: every sample and channel has a mean and a variance over its positions, and
norms differ in which of these they put together. See ``Norm``.
"""

from normzoo.layers._base import Norm
from normzoo.layers._batch import BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d
from normzoo.layers._batch_channel import BatchChannelNorm
from normzoo.layers._batch_instance import BatchInstanceNorm
from normzoo.layers._domain import DomainBatchNorm, domain
from normzoo.layers._elementwise import Derf, DyT
from normzoo.layers._evonorm import EvoNormB0, EvoNormS0
from normzoo.layers._extended import ExtendedBatchNorm
from normzoo.layers._filter_response import FilterResponseNorm
from normzoo.layers._ghost import GhostBatchNorm
from normzoo.layers._group import GroupNorm
from normzoo.layers._instance import InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from normzoo.layers._kernels.dispatch import backend
from normzoo.layers._layer import ChannelLayerNorm, LayerNorm, PositionNorm
from normzoo.layers._make import make_norm, norm_factory
from normzoo.layers._noise import NoisyBatchNorm
from normzoo.layers._none import NoNorm
from normzoo.layers._partial import PartialRMSNorm
from normzoo.layers._recurrent import GRU, LSTM
from normzoo.layers._renorm import BatchRenorm
from normzoo.layers._response import GlobalResponseNorm, LocalResponseNorm
from normzoo.layers._rms import RMSNorm, SampleRMSNorm
from normzoo.layers._switchable import SwitchableNorm
from normzoo.layers._sync import SyncBatchNorm
from normzoo.layers._weights import ScaledWeightStandardization, WeightStandardization

__all__ = [
    "GRU",
    "LSTM",
    "BatchChannelNorm",
    "BatchInstanceNorm",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BatchRenorm",
    "ChannelLayerNorm",
    "Derf",
    "DomainBatchNorm",
    "DyT",
    "EvoNormB0",
    "EvoNormS0",
    "ExtendedBatchNorm",
    "FilterResponseNorm",
    "GhostBatchNorm",
    "GlobalResponseNorm",
    "GroupNorm",
    "InstanceNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "NoNorm",
    "NoisyBatchNorm",
    "Norm",
    "PartialRMSNorm",
    "PositionNorm",
    "RMSNorm",
    "SampleRMSNorm",
    "ScaledWeightStandardization",
    "SwitchableNorm",
    "SyncBatchNorm",
    "WeightStandardization",
    "backend",
    "domain",
    "make_norm",
    "norm_factory",
]


def __dir__() -> list[str]:
    return __all__
