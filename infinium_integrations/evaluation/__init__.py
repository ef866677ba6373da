"""Experiments: a task run over examples, each run a trace of its own."""

from infinium_integrations.evaluation.running import Task, aexperiment, experiment

__all__ = ["Task", "aexperiment", "experiment"]
