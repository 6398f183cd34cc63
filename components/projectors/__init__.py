"""Built-in projectors."""

from graphkd.components.projectors.conv1x1 import Conv1x1
from graphkd.components.projectors.exit_branch import ExitBranch
from graphkd.components.projectors.grid_to_tokens import GridToTokens
from graphkd.components.projectors.hashed import Hashed
from graphkd.components.projectors.linear import Linear
from graphkd.components.projectors.mlp import MLP
from graphkd.components.projectors.nd_head import NDHead
from graphkd.components.projectors.pool import Pool
from graphkd.components.projectors.rearrange import Rearrange
from graphkd.components.projectors.resize import Resize
from graphkd.components.projectors.tokens_to_grid import TokensToGrid

__all__ = [
    "MLP",
    "Conv1x1",
    "ExitBranch",
    "GridToTokens",
    "Hashed",
    "Linear",
    "NDHead",
    "Pool",
    "Rearrange",
    "Resize",
    "TokensToGrid",
]
