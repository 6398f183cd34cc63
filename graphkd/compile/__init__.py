"""The compiler: passes from a blueprint's graph to a schedule."""

from graphkd.compile.passes import PASSES, Pass, analyse, compile_blueprint
from graphkd.compile.plan import PhasePlan, Schedule

__all__ = ["PASSES", "Pass", "PhasePlan", "Schedule", "analyse", "compile_blueprint"]
