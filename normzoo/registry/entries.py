"""What else can be asked for by name than norms and datasets, one entry each."""

from dataclasses import dataclass

from normzoo.registry._component import Entry, Registry


@dataclass(frozen=True, kw_only=True)
class TemplateEntry(Entry):
    """A template that can be asked for by name.

    Attributes:
        takes: kinds of samples.
        takes_ragged: also sequences of different lengths.
        per_step: it can put out numbers for every step.
    """

    takes: tuple[str, ...] = ("images",)
    takes_ragged: bool = False
    per_step: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskEntry(Entry):
    """A task that can be asked for by name.

    Attributes:
        lr: the learning rate at the reference batch size where nobody says which. Squared errors have no bound, as
            the gradients of a cross-entropy do: at the rate that serves classes, mlps with norms diverge.
    """

    lr: float = 0.05


GIVEN_TO_TEMPLATES = (
    *("norm", "norm_act", "shape", "in_channels", "in_chans", "outputs", "classes", "num_classes", "argument"),
    *("vocabulary", "ragged", "per_step"),
)
"""What a template may take: the norm, alone and with its activation; the samples' shape or channels; the outputs.

``argument`` is what follows its name. ``vocabulary`` is how many different tokens there are, or None where samples are
none; ``ragged`` how many steps the longest sequence of training has, or 0 where all are of
one length; ``per_step`` whether outputs are wanted for every step.
"""

TEMPLATES = Registry(
    "template",
    {
        "cnn": TemplateEntry(
            target="normzoo.templates:Cnn",
            options={"placement": "post", "widths": "32-64", "hidden": 64, "sites": "all"},
            takes=("images", "sequences", "volumes"),
            summary="two 3x3 convolutions with max pooling, then a dense layer; a norm at each or at those of one kind",
            source="the classic Keras MNIST network",
        ),
        "lstm": TemplateEntry(
            target="normzoo.templates:Lstm",
            options={"hidden": 64},
            takes=("images", "sequences", "tokens"),
            takes_ragged=True,
            per_step=True,
            summary="an LSTM over an image's rows, a sequence or tokens; norms on both transforms and the cell",
            source="Ba et al. 2016; Cooijmans et al. 2016",
        ),
        "resnet": TemplateEntry(
            target="normzoo.templates:ResNet",
            options={"depth": 20, "width": 16, "shortcut": "A", "placement": "pre", "sites": "all"},
            summary="the residual network for small images; a norm after every convolution, or at some",
            source="He et al. 2016",
        ),
        "vgg": TemplateEntry(
            target="normzoo.templates:Vgg",
            options={
                "depth": 11,
                "width": 64,
                "hidden": 512,
                "placement": "pre",
                "sites": "maps",
                "dropout": 0.0,
                "noise": 0.0,
            },
            summary="five stages of 3x3 convolutions with max pooling, then a dense layer; a norm at each convolution",
            source="Simonyan & Zisserman 2015",
        ),
        "mlp": TemplateEntry(
            target="normzoo.templates:Mlp",
            options={"widths": "256-128", "placement": "post", "activation": "relu", "dropout": 0.0, "sites": "all"},
            takes=("vectors", "sequences", "images", "volumes"),
            summary="dense layers for vectors and flattened images; a norm at each hidden one, or at the first or last",
            source="-",
        ),
        "transformer": TemplateEntry(
            target="normzoo.templates:Transformer",
            options={
                "patch": 4,
                "width": 64,
                "depth": 2,
                "heads": 4,
                "mlp_ratio": 2,
                "placement": "pre",
                "qk_norm": False,
                "causal": False,
                "dropout": 0.0,
                "pool": "mean",
                "sites": "all",
            },
            takes=("images", "sequences", "tokens"),
            takes_ragged=True,
            per_step=True,
            summary="an encoder over an image's patches, steps or tokens; norms pre, post, sandwich or peri, also on "
            "queries and keys",
            source="Vaswani et al. 2017; Dosovitskiy et al. 2021",
        ),
        "torchvision": TemplateEntry(
            target="normzoo.templates:torchvision_model",
            argument="NAME",
            options={"stem": "stock"},
            takes_more=True,
            summary="a classification network of torchvision's, such as resnet18, whose norms are exchanged",
            source="torchvision.models",
        ),
        "timm": TemplateEntry(
            target="normzoo.templates:timm_model",
            argument="NAME",
            options={"stem": "stock"},
            takes_more=True,
            summary="a network of timm's, such as convnext_atto, whose norms are exchanged; needs timm",
            source="timm.models",
        ),
    },
    given=GIVEN_TO_TEMPLATES,
    own="pkg.module:MyNet",
)
"""The templates by name. ``target`` is called with its options, and with those of ``GIVEN_TO_TEMPLATES`` that it takes.

One that takes no norm has those exchanged that it has.
"""


AUGMENTATIONS = Registry(
    "augmentation",
    {
        "flip": Entry(
            target="normzoo.data.augmentation:Flip",
            summary="mirrors left and right, each image with a probability of one half",
            source="-",
        ),
        "crop": Entry(
            target="normzoo.data.augmentation:Crop",
            options={"padding": "zeros"},
            argument="PIXELS",
            summary="shifts by at most so many pixels; what comes in is zero, the mean, or reflected (padding=reflect)",
            source="He et al. 2016",
        ),
        "cutout": Entry(
            target="normzoo.data.augmentation:Cutout",
            argument="PIXELS",
            summary="covers a square of this side with zero, the mean; its centre is anywhere",
            source="DeVries & Taylor 2017",
        ),
    },
    given=("images", "random", "argument"),
    own="pkg.module:MyAugmentation",
)
"""The augmentations by name. ``target`` is what ``normzoo.data.Augmentations`` says."""


TASKS = Registry(
    "task",
    {
        "classification": TaskEntry(
            target="normzoo.tasks:Classification",
            options={"smoothing": 0.0},
            summary="classes 0 to K-1 by cross-entropy, with smoothed labels if asked for; decided by accuracy",
            source="-",
        ),
        "regression": TaskEntry(
            target="normzoo.tasks:Regression",
            lr=0.005,
            summary="numbers by squared error, standardized; decided by RMSE, with R2",
            source="-",
        ),
        "next-token": TaskEntry(
            target="normzoo.tasks:NextToken",
            summary="the token that follows, at every step, by cross-entropy; decided by perplexity, with bits",
            source="Shannon 1951",
        ),
    },
    own="pkg.module:MyTask",
)
"""The tasks by name. ``target`` is called as ``target(**options)`` and returns a ``normzoo.tasks.Task``."""


OPTIMIZERS = Registry(
    "optimizer",
    {
        "sgd": Entry(
            target="normzoo.templates._recipe:sgd",
            options={"momentum": 0.9, "nesterov": False},
            summary="stochastic gradient descent with momentum; weight decay is added to the gradient",
            source="Polyak 1964; Sutskever et al. 2013",
        ),
        "adam": Entry(
            target="normzoo.templates._recipe:adam",
            options={"betas": "0.9-0.999", "eps": 1e-8, "amsgrad": False},
            summary="steps by the running mean of the gradient over the root of that of its square",
            source="Kingma & Ba 2015",
        ),
        "adamw": Entry(
            target="normzoo.templates._recipe:adamw",
            options={"betas": "0.9-0.999", "eps": 1e-8, "amsgrad": False},
            summary="adam whose weight decay is apart from the gradient: weights shrink by rate times decay",
            source="Loshchilov & Hutter 2019",
        ),
        "rmsprop": Entry(
            target="normzoo.templates._recipe:rmsprop",
            options={"alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False},
            summary="gradients over the root of the running mean of their square",
            source="Tieleman & Hinton 2012",
        ),
    },
    given=("lr", "weight_decay", "capturable"),
    first=("params", "parameters"),
    own="pkg.module:MyOptimizer",
)
"""The optimizers by name, with torch's defaults but for the momentum of sgd.

``target`` is called as ``target(params, lr=..., **options)`` and returns a ``torch.optim.Optimizer``. With weight decay
``params`` are two groups, each with its ``weight_decay``.
"""


SCHEDULES = Registry(
    "schedule",
    {
        "constant": Entry(
            target="normzoo.templates._recipe:constant",
            options={"warmup": 0.0},
            summary="the same rate throughout",
            source="-",
        ),
        "cosine": Entry(
            target="normzoo.templates._recipe:cosine",
            options={"warmup": 0.0, "final": 0.0},
            summary="half a cosine from the rate down to final times it",
            source="Loshchilov & Hutter 2017",
        ),
        "onecycle": Entry(
            target="normzoo.templates._recipe:onecycle",
            options={"warmup": 0.3, "div_factor": 25.0, "final_div_factor": 1e4, "anneal_strategy": "cos"},
            summary="up from 1 / div_factor of the rate over the warm-up, then down to 1 / final_div_factor of that",
            source="Smith & Topin 2017",
        ),
        "step": Entry(
            target="normzoo.templates._recipe:step",
            options={"warmup": 0.0, "at": "0.5-0.75", "gamma": 0.1},
            summary="times gamma at these shares of the steps",
            source="as in He et al. 2016",
        ),
    },
    given=("steps",),
    first=("step",),
    own="pkg.module:my_schedule",
)
"""The schedules of the learning rate by name.

``target`` is called as ``target(step, steps=..., **options)`` and returns by how much the rate is multiplied in that
step, of those from 0 to ``steps - 1``.
"""
