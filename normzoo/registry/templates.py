"""The network templates that receive a norm, one entry each."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TemplateEntry:
    """A network that can be asked for by name.

    ``target`` is called as ``target(norm, shape=..., classes=..., **options)``, where ``options`` are those
    settings of the matrix that this template uses (and that therefore belong to its runs' keys).
    """

    target: str
    options: tuple[str, ...]
    summary: str
    source: str


TEMPLATES: dict[str, TemplateEntry] = {
    "cnn": TemplateEntry(
        target="normzoo.templates:Cnn",
        options=("placement", "widths", "hidden"),
        summary="two 3x3 convolutions with max pooling, then a dense layer; a norm at each",
        source="the classic Keras MNIST network",
    ),
    "lstm": TemplateEntry(
        target="normzoo.templates:Lstm",
        options=("hidden",),
        summary="an LSTM over the image's rows; norms on both transforms and the cell, per step",
        source="Ba et al. 2016; Cooijmans et al. 2016",
    ),
}
