"""What is learned: a loss for each sample, and the metrics by which networks are judged. Importing it imports torch.

One file per task; :func:`make_task` is the way in.
"""

from normzoo.metric import Metric
from normzoo.tasks._classification import Classification
from normzoo.tasks._next_token import NextToken
from normzoo.tasks._regression import Regression
from normzoo.tasks._task import UNSCALED, Array, Scale, Targets, Task, make_task

__all__ = [
    "UNSCALED",
    "Array",
    "Classification",
    "Metric",
    "NextToken",
    "Regression",
    "Scale",
    "Targets",
    "Task",
    "make_task",
]
