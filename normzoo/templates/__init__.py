"""Networks that receive a norm, several of them as a stack, and the LightningModule that trains them."""

from normzoo.layers._noise import Noise
from normzoo.templates._cnn import Cnn
from normzoo.templates._lstm import Lstm, NormalizedLstm
from normzoo.templates._mapped import unmapped
from normzoo.templates._mlp import Mlp
from normzoo.templates._module import MemberMetrics, MemberModule, PerMemberMean, member_losses
from normzoo.templates._network import NormActMaker, make_network
from normzoo.templates._norm_slots import left_out, norm_act
from normzoo.templates._optimizer import MemberOptimizer, is_elementwise
from normzoo.templates._published import timm_model, torchvision_model
from normzoo.templates._random import MemberRandom, draw_from
from normzoo.templates._recipe import make_optimizer, make_schedule
from normzoo.templates._recorded import CudaGraph, RecordedSteps, can_be_recorded
from normzoo.templates._resnet import ResNet
from normzoo.templates._stack import keep_members, stack
from normzoo.templates._transformer import Transformer
from normzoo.templates._vgg import Vgg

__all__ = [
    "Cnn",
    "CudaGraph",
    "Lstm",
    "MemberMetrics",
    "MemberModule",
    "MemberOptimizer",
    "MemberRandom",
    "Mlp",
    "Noise",
    "NormActMaker",
    "NormalizedLstm",
    "PerMemberMean",
    "RecordedSteps",
    "ResNet",
    "Transformer",
    "Vgg",
    "can_be_recorded",
    "draw_from",
    "is_elementwise",
    "keep_members",
    "left_out",
    "make_network",
    "make_optimizer",
    "make_schedule",
    "member_losses",
    "norm_act",
    "stack",
    "timm_model",
    "torchvision_model",
    "unmapped",
]
