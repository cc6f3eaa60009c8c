"""The tasks, one entry each."""

from normzoo.registry._component import Entry, Registry

TASKS = Registry(
    "task",
    {
        "classification": Entry(
            target="normzoo.tasks:Classification",
            summary="classes 0 to K-1 by cross-entropy; decided by accuracy",
            source="-",
        ),
        "regression": Entry(
            target="normzoo.tasks:Regression",
            summary="numbers by squared error, standardized; decided by RMSE, with R2",
            source="-",
        ),
    },
    own="pkg.module:MyTask",
)
"""The tasks by name. ``target`` is called as ``target(**options)`` and returns a ``normzoo.tasks.Task``."""
