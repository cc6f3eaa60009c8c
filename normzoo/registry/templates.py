"""The network templates that receive a norm, one entry each."""

from normzoo.registry._component import Entry, Registry

TEMPLATES = Registry(
    "template",
    {
        "cnn": Entry(
            target="normzoo.templates:Cnn",
            options={"placement": "post", "widths": "32-64", "hidden": 64},
            summary="two 3x3 convolutions with max pooling, then a dense layer; a norm at each",
            source="the classic Keras MNIST network",
        ),
        "lstm": Entry(
            target="normzoo.templates:Lstm",
            options={"hidden": 64},
            summary="an LSTM over the image's rows; norms on both transforms and the cell, per step",
            source="Ba et al. 2016; Cooijmans et al. 2016",
        ),
    },
    given=("shape", "outputs"),
    first=("norm",),
    own="pkg.module:MyNet",
)
"""The templates by name. ``target`` is called as ``target(norm, shape=..., outputs=..., **options)``."""
