"""The one list of published networks, narrow, of which every test here asks its question."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import (
    convnext,
    densenet,
    efficientnet,
    inception,
    mnasnet,
    mobilenetv2,
    mobilenetv3,
    regnet,
    resnet,
    shufflenetv2,
    swin_transformer,
    vgg,
    vision_transformer,
)
from torchvision.models.googlenet import BasicConv2d, GoogLeNet, Inception, InceptionAux
from torchvision.models.video import resnet as video_resnet

from .exchange import built

CLASSES = 5


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network that can be built with either library's norms.

    Attributes:
        id: what the test run prints.
        build: builds it, given the module from which to take norms.
        norms: how many norms it has.
        shape: an input's shape.
        names: the constructor writes torch.nn's norms, and takes no others.
    """

    id: str
    build: Callable[[Any], Any]
    norms: int
    shape: tuple[int, ...] = (4, 3, 32, 32)
    names: bool = False

    def ours(self, dtype: torch.dtype = torch.float32) -> nn.Module:
        """Build it with our norms."""
        torch.manual_seed(1)
        model: nn.Module = built(self.build, ours=True, names=self.names)
        return model.to(dtype)

    def stock(self, dtype: torch.dtype = torch.float32) -> nn.Module:
        """Build it as published."""
        torch.manual_seed(1)
        model: nn.Module = built(self.build, ours=False, names=self.names)
        return model.to(dtype)

    def input(self, dtype: torch.dtype = torch.float32, samples: int | None = None) -> Tensor:
        """Draw an input."""
        return torch.randn(samples or self.shape[0], *self.shape[1:], dtype=dtype)


def _narrow(block: type[nn.Module], inputs: int, outputs: int, **options: Any) -> nn.Module:
    """Build a convolution with its norm an eighth as wide; an image keeps its three channels."""
    return block(inputs if inputs == 3 else inputs // 8, outputs // 8, **options)


def _without(model: nn.Module, *blocks: str) -> None:
    """Leave blocks out that repeat the one before them, as shallower versions of other networks do."""
    for name in blocks:
        setattr(model, name, nn.Identity())


def _googlenet(norms: Any) -> Any:  # noqa: ARG001  # by name
    conv: Any = partial(_narrow, BasicConv2d)
    blocks = [conv, partial(Inception, conv_block=conv), InceptionAux]
    model = GoogLeNet(CLASSES, aux_logits=False, init_weights=False, blocks=blocks, dropout=0.0)
    model.fc = nn.Linear(1024 // 8, CLASSES)
    _without(model, "inception4b", "inception4c", "inception5a")
    return model


def _inception(norms: Any) -> Any:  # noqa: ARG001
    conv: Any = partial(_narrow, inception.BasicConv2d)
    parts = [getattr(inception, f"Inception{letter}") for letter in "ABCDE"]
    blocks = [conv, *(partial(part, conv_block=conv) for part in parts), inception.InceptionAux]
    model = inception.Inception3(
        CLASSES, aux_logits=False, transform_input=False, inception_blocks=blocks, init_weights=False, dropout=0.0
    )
    model.fc = nn.Linear(2048 // 8, CLASSES)
    _without(model, "Mixed_5d", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_7c")
    return model


def _vgg(norms: Any) -> Any:  # noqa: ARG001
    features = vgg.make_layers([8, "M", 16, "M", 16, 16, "M"], batch_norm=True)
    with torch.device("meta"):  # the classifier that it makes has a hundred million weights
        model = vgg.VGG(features, CLASSES, init_weights=False)
    model.classifier = nn.Linear(16 * 7 * 7, CLASSES)
    return model


class _NarrowResNet(resnet.ResNet):  # type: ignore[misc]  # torchvision has no types
    """A ResNet whose stages are an eighth as wide."""

    def _make_layer(self, block: Any, planes: int, *arguments: Any, **options: Any) -> Any:
        return super()._make_layer(block, planes // 8, *arguments, **options)


def _resnet(norm: Callable[..., nn.Module]) -> Any:
    model = _NarrowResNet(resnet.BasicBlock, [1, 1, 1, 1], norm_layer=norm)
    model.fc = nn.Linear(512 // 8, CLASSES)
    return model


def _resnext(norms: Any) -> Any:
    model = _NarrowResNet(resnet.Bottleneck, [1, 1, 1, 1], groups=2, width_per_group=32, norm_layer=norms.BatchNorm2d)
    model.fc = nn.Linear(2048 // 8, CLASSES)
    return model


def _mobilenetv2(norms: Any) -> Any:
    setting = [[1, 8, 1, 1], [2, 8, 2, 2], [2, 16, 2, 2]]
    return mobilenetv2.MobileNetV2(
        CLASSES, width_mult=0.5, inverted_residual_setting=setting, norm_layer=norms.BatchNorm2d, dropout=0.0
    )


def _mobilenetv3(norms: Any) -> Any:
    block = partial(mobilenetv3.InvertedResidualConfig, dilation=1, width_mult=1.0)
    setting = [
        block(8, 3, 8, 8, True, "RE", 2),
        block(8, 3, 24, 16, False, "RE", 1),
        block(16, 5, 32, 16, True, "HS", 2),
    ]
    norm = partial(norms.BatchNorm2d, eps=0.001, momentum=0.01)
    return mobilenetv3.MobileNetV3(setting, 32, CLASSES, norm_layer=norm, dropout=0.0)


def _efficientnet(norms: Any) -> Any:
    setting = [
        efficientnet.MBConvConfig(1, 3, 1, 8, 8, 1),
        efficientnet.MBConvConfig(4, 3, 2, 8, 16, 2),
        efficientnet.FusedMBConvConfig(2, 3, 2, 16, 16, 1),
    ]
    norm = partial(norms.BatchNorm2d, eps=0.001)
    return efficientnet.EfficientNet(
        setting, 0.0, stochastic_depth_prob=0.0, num_classes=CLASSES, norm_layer=norm, last_channel=32
    )


def _regnet(norms: Any) -> Any:
    params = regnet.BlockParams([1, 2], [8, 16], [4, 8], [1.0, 1.0], [2, 2], se_ratio=0.25)
    return regnet.RegNet(params, CLASSES, stem_width=8, norm_layer=norms.BatchNorm2d)


def _convnext(norms: Any) -> Any:  # noqa: ARG001
    setting = [convnext.CNBlockConfig(8, 16, 2), convnext.CNBlockConfig(16, None, 1)]
    # The published 1e-6 would hide each block behind its shortcut.
    return convnext.ConvNeXt(setting, layer_scale=0.5, num_classes=CLASSES)


def _swin(norms: Any) -> Any:
    return swin_transformer.SwinTransformer(
        [4, 4], 12, [2, 1], [2, 2], [4, 4], stochastic_depth_prob=0.0, num_classes=CLASSES,
        norm_layer=partial(norms.LayerNorm, eps=1e-5),
    )  # fmt: skip


def _vit(norms: Any) -> Any:
    norm = partial(norms.LayerNorm, eps=1e-6)
    model = vision_transformer.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=CLASSES, norm_layer=norm)
    nn.init.normal_(model.heads.head.weight)  # zero as published: nothing would depend on the rest
    return model


class _NarrowVideoResNet(video_resnet.VideoResNet):  # type: ignore[misc]  # torchvision has no types
    """A network for videos whose stages are an eighth as wide."""

    def _make_layer(self, block: Any, conv: Any, planes: int, *arguments: Any, **options: Any) -> Any:
        return super()._make_layer(block, conv, planes // 8, *arguments, **options)


def _video(norms: Any) -> Any:  # noqa: ARG001
    conv = [video_resnet.Conv2Plus1D] * 4
    model = _NarrowVideoResNet(video_resnet.BasicBlock, conv, [1, 0, 0, 0], video_resnet.R2Plus1dStem)
    model.fc = nn.Linear(512 // 8, CLASSES)
    return model


ARCHITECTURES = [
    Architecture(id="resnet", build=lambda norms: _resnet(norms.BatchNorm2d), norms=13),
    Architecture(id="resnet-group", build=lambda norms: _resnet(partial(norms.GroupNorm, 8)), norms=13),
    Architecture(id="resnext", build=_resnext, norms=17),
    Architecture(id="vgg", build=_vgg, norms=4, names=True),
    Architecture(
        id="densenet",
        build=lambda norms: densenet.DenseNet(4, (2, 2), 8, num_classes=CLASSES),  # noqa: ARG005
        norms=11,
        names=True,
    ),
    Architecture(id="mobilenet-v2", build=_mobilenetv2, norms=16),
    Architecture(id="mobilenet-v3", build=_mobilenetv3, norms=10),
    Architecture(id="efficientnet", build=_efficientnet, norms=12),
    Architecture(
        id="shufflenet",
        build=lambda norms: shufflenetv2.ShuffleNetV2([1, 2, 1], [8, 16, 32, 32, 32], CLASSES),  # noqa: ARG005
        norms=20,
        names=True,
    ),
    Architecture(
        id="mnasnet",
        build=lambda norms: mnasnet.MNASNet(0.25, CLASSES, dropout=0.0),  # noqa: ARG005
        norms=52,
        names=True,
        shape=(4, 3, 64, 64),
    ),
    Architecture(id="googlenet", build=_googlenet, norms=39, names=True, shape=(4, 3, 64, 64)),
    Architecture(id="inception", build=_inception, norms=48, names=True, shape=(4, 3, 128, 128)),
    Architecture(id="regnet", build=_regnet, norms=12),
    Architecture(id="convnext", build=_convnext, norms=6, names=True),
    Architecture(id="swin", build=_swin, norms=9),
    Architecture(id="vit", build=_vit, norms=5),
    Architecture(id="video", build=_video, norms=22, names=True, shape=(3, 3, 4, 32, 32)),
]

OF_EACH_KIND = [case for case in ARCHITECTURES if case.id in ("resnet", "resnet-group", "convnext", "vit", "video")]
"""One for each kind of norm and of input: tracers and copies meet the same in the others, and take long for each."""
