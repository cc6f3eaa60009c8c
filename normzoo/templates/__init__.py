"""Networks that receive a norm, and the LightningModule that trains them."""

from normzoo.templates._classifier import Classifier
from normzoo.templates._cnn import Cnn
from normzoo.templates._lstm import Lstm, NormalizedLstm

__all__ = ["Classifier", "Cnn", "Lstm", "NormalizedLstm"]
