"""Which rule says what an operation does to the copies in a wider model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphkd.components.models.wide import copies_moves as moves
from graphkd.components.models.wide import copies_sums as sums
from graphkd.components.models.wide.copies import Copies, Torn


def _table(*entries: tuple[moves.Rule, str]) -> dict[str, moves.Rule]:
    return {name: rule for rule, names in entries for name in names.split()}


RULES = _table(
    (moves.view, "view unsqueeze squeeze _reshape_alias"),
    (moves.permute, "permute"),
    (moves.transpose, "transpose t"),
    (moves.expand, "expand"),
    (moves.pick, "select unbind"),
    (moves.cut, "slice"),
    (moves.split, "split split_with_sizes"),
    (moves.join, "cat"),
    (moves.pile, "stack"),
    (sums.matmul, "mm bmm addmm baddbmm"),
    (sums.linear, "linear"),
    (sums.convolution, "convolution"),
    (
        sums.batch_norm,
        "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training",
    ),
    (sums.group_norm, "native_group_norm"),
    (sums.layer_norm, "native_layer_norm"),
    (sums.mean, "mean amax amin"),
    (sums.total, "sum"),
    (sums.norm, "linalg_vector_norm"),
    (sums.softmax, "_softmax _safe_softmax _log_softmax"),
    (moves.pool, "max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d"),
    (moves.pool, "upsample_bilinear2d upsample_nearest2d upsample_bicubic2d"),
    (moves.lay_out, "as_strided_"),
    (moves.pad, "constant_pad_nd"),
    (moves.roll, "roll"),
    (moves.look_up, "index"),
    (moves.pointwise, "hardswish hardswish_ _prelu_kernel copy_"),
)
# what may be done to a weight that carries 1/r, for it to be summed over in the end
_OF_WEIGHTS = frozenset(
    (
        *(moves.view, moves.permute, moves.transpose, moves.expand),
        *(moves.pick, moves.cut, moves.split),
        *(sums.matmul, sums.linear, sums.convolution),
    )
)
# their numbers are sizes, which are other ones in a wider model
SIZED = frozenset(
    (
        *("view", "expand", "_reshape_alias", "as_strided_", "split", "split_with_sizes"),
        *("convolution", "native_layer_norm", "native_group_norm"),
    )
)


def follow(operation: torch._ops.OpOverload, step: moves.Step) -> Sequence[Copies]:
    """Say how the copies lie in the outputs of an operation, or in the first of them.

    Raises:
        Torn: its outputs are not copies, or nobody knows.
    """
    pointwise = torch.Tag.pointwise in operation.tags
    rule = moves.pointwise if pointwise else RULES.get(name_of(operation))
    if rule is None:
        raise Torn(f"nobody knows what {name_of(operation)} does to copies")
    divided = any(step.known(each).divided for each in step.args if isinstance(each, Tensor))
    if divided and rule not in _OF_WEIGHTS:
        raise Torn("its weight is changed before it is used")
    return rule(step)


def is_composite(operation: torch._ops.OpOverload) -> bool:
    """Whether an operation is a series of others; a linear layer is one step all the same.

    How torch splits a linear layer up depends on the sizes of its tensors.
    """
    name: str = operation.name()  # type: ignore[no-untyped-call]
    made_of = torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd")
    return bool(made_of) and name_of(operation) != "linear"


def name_of(operation: torch._ops.OpOverload) -> str:
    """Say an operation's name without its namespace and overload."""
    name = operation._schema.name.partition("::")[2]
    return "view" if name == "_unsafe_view" else name
