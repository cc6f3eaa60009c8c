"""The datasets, as standardized tensors, resident or made as they are read, and the order in which they are read.

One file per dataset; :func:`load_dataset` is the way in. Importing this package imports torch,
but neither torchvision nor scikit-learn.
"""

from normzoo.data._dataset import Dataset, Encoder, RawArrays, Split
from normzoo.data._load import load_dataset
from normzoo.data.augmentation import Augmentations
from normzoo.data.batches import Batches, BlocksOfSteps, OrderedBatches

__all__ = [
    "Augmentations",
    "Batches",
    "BlocksOfSteps",
    "Dataset",
    "Encoder",
    "OrderedBatches",
    "RawArrays",
    "Split",
    "load_dataset",
]
