"""Execution: modules, loop, data, optimizers, checkpoints, evaluation."""

from graphkd.run.evaluate import Evaluation, evaluate
from graphkd.run.executor import PhaseModule
from graphkd.run.outcome import Outcome
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
