"""Loads what a worker needs when it is imported: by the process that workers are forked from."""

from normzoo.experiment.worker.process import load

load()
