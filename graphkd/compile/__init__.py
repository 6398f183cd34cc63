"""The compiler: passes from a blueprint's graph to a schedule."""

from graphkd.compile.instructions import PhasePlan, Schedule
from graphkd.compile.passes import PASSES, Pass, analyse, compile_blueprint

__all__ = ["PASSES", "Pass", "PhasePlan", "Schedule", "analyse", "compile_blueprint"]
