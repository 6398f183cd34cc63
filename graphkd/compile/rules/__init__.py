"""The rules of a topology: what is wrong before any shape is known, and what only sizes show."""

from graphkd.compile.rules.caches import refused_caches, useless_tops
from graphkd.compile.rules.captures import refused_captures
from graphkd.compile.rules.data import labels, mixing
from graphkd.compile.rules.fits import too_few_samples, unseen_samples
from graphkd.compile.rules.flows import idle_flows, into_names
from graphkd.compile.rules.nodes import (
    cycles,
    deliver,
    ignorant_sources,
    unfitted,
    untaught,
    unused,
)
from graphkd.compile.rules.phases import empty_phases, phase_names
from graphkd.compile.rules.placed import misplaced
from graphkd.compile.rules.rates import idle_rates
from graphkd.compile.rules.shards import refused_shards
from graphkd.compile.rules.weights import weightless_flows, wild_projectors

__all__ = [
    "cycles",
    "deliver",
    "empty_phases",
    "idle_flows",
    "idle_rates",
    "ignorant_sources",
    "into_names",
    "labels",
    "misplaced",
    "mixing",
    "phase_names",
    "refused_caches",
    "refused_captures",
    "refused_shards",
    "too_few_samples",
    "unfitted",
    "unseen_samples",
    "untaught",
    "unused",
    "useless_tops",
    "weightless_flows",
    "wild_projectors",
]
