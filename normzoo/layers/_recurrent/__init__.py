"""Recurrent layers with norms: their definition, and a gradient worked out by hand."""

from normzoo.layers._recurrent._gradients import transform
from normzoo.layers._recurrent._layers import GRU, LSTM
from normzoo.layers._recurrent._lstm import lstm
from normzoo.layers._recurrent._steps import StepNorms

__all__ = ["GRU", "LSTM", "StepNorms", "lstm", "transform"]
