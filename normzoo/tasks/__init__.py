"""What is learned: a loss for each sample, and the metrics by which networks are judged. Importing it imports torch."""

from normzoo.metric import Metric
from normzoo.tasks._classification import Classification
from normzoo.tasks._regression import Regression
from normzoo.tasks._task import UNSCALED, Array, Scale, Targets, Task, make_task

__all__ = ["UNSCALED", "Array", "Classification", "Metric", "Regression", "Scale", "Targets", "Task", "make_task"]
