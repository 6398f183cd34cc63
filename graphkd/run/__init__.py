"""Execution: modules, loop, data, optimizers, checkpoints, evaluation."""

from graphkd.run.evaluate import Evaluation, evaluate
from graphkd.run.executor import Outcome, PhaseModule
from graphkd.run.train import Result, Stopped, resume, train

__all__ = [
    "Evaluation",
    "Outcome",
    "PhaseModule",
    "Result",
    "Stopped",
    "evaluate",
    "resume",
    "train",
]
