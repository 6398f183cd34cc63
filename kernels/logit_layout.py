"""Sizes of the logit kernels' tiles, and problems as constants: with sizes, strides and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from graphkd.kernels.logit_operands import Operands, Outputs, TermSpec

LONGEST_ROW = 2048
"""Classes of a row that is held, half as many with many terms; others are read in such parts."""
LONGEST_NEAR = 16384
"""Classes of a row that is still in a cache when it is read again."""

_CROSS_ENTROPY, _NKD, _SPLIT = 0, 6, (4, 6)
# exponents that are a few products
_POWERS = (2.0, 4.0, 8.0)
# threads of a multiprocessor that are given a program at once
_WARPS_AT_ONCE = 32
# elements of a tile of short rows
_TILE = 1024
# elements of a warp, and blocks of threads of a cluster
_ELEMENTS_OF_A_WARP, _CTAS = 256, 8
# elements of one access in half precision
_WIDE = 8
# terms of a problem that are not many
_FEW = 2


class Layout(NamedTuple):
    """Sizes of tiles.

    Attributes:
        blocks: columns of each problem's tile; fewer than the classes: rows are streamed.
        rows: rows of each problem's tile.
        num_warps: of a block of threads.
        num_ctas: blocks of threads that share a program's rows.
    """

    blocks: tuple[int, ...]
    rows: tuple[int, ...]
    num_warps: int
    num_ctas: int = 1

    def num_programs(self, num_rows: Sequence[int], multiprocessors: int) -> int:
        """Choose how many programs share the rows."""
        tiles = max(-(-count // rows) for count, rows in zip(num_rows, self.rows, strict=True))
        at_once = max(1, _WARPS_AT_ONCE // (self.num_warps * self.num_ctas))
        return min(tiles, multiprocessors * at_once)


def layout_for(given: Operands, *, clusters: bool) -> Layout:
    """Choose tiles of eight elements a thread, what one access loads in half precision."""
    widths = [each.shape[1] for each in given.students]
    # the more terms there are, the more stands in registers for an element
    few = max(len(each) for each in given.specs) <= _FEW
    longest = LONGEST_ROW if few else LONGEST_ROW // 2
    blocks = [max(16, power_of_2(each)) if each <= longest else longest for each in widths]
    rows = [min(16, max(1, _TILE // block)) for block in blocks]
    num_warps = max(4, max(blocks) // _ELEMENTS_OF_A_WARP)
    if min(widths) > LONGEST_NEAR and clusters:
        return Layout((longest * _CTAS,) * len(widths), (1,) * len(widths), num_warps, _CTAS)
    return Layout(tuple(blocks), tuple(rows), num_warps)


def specs_for(given: Operands, made: Outputs, layout: Layout) -> tuple[Any, ...]:
    """Add to the terms what depends on sizes and strides."""
    specs, first = [], 0
    for index, terms in enumerate(given.specs):
        student, gradient = given.students[index], made.gradients[index]
        label, soft = given.labels[index], given.soft_labels[index]
        specs.append(
            (
                student.shape[1],
                student.stride(0),
                -1 if gradient is None else gradient.stride(0),
                label is not student,
                soft is not student,
                soft.stride(0),
                first,
                layout.blocks[index],
                layout.rows[index],
                *_with_sums([_with_stride(each, given.teachers) for each in terms]),
                _is_shifted(index, given, made),
            )
        )
        first += len(terms)
    return tuple(specs)


def _is_shifted(index: int, given: Operands, made: Outputs) -> bool:
    """Say whether rows start anywhere, but those of all tensors alike."""
    student, gradient = given.students[index], made.gradients[index]
    soft = given.soft_labels[index]
    read = {term[1] for term in given.specs[index] if term[1] >= 0}
    others = [gradient, soft, *(given.teachers[int(each)] for each in read)]
    stride = student.stride(0)
    return stride % _WIDE > 0 and all(each is None or each.stride(0) == stride for each in others)


def _with_stride(term: TermSpec, teachers: Sequence[Tensor]) -> TermSpec:
    kind, teacher, *rest = term
    stride = teachers[int(teacher)].stride(0) if teacher >= 0 else 0
    return (kind, max(int(teacher), 0), stride, *rest)


def _with_sums(terms: Sequence[TermSpec]) -> tuple[tuple[TermSpec, ...], tuple[TermSpec, ...]]:
    """Add to each term the numbers of the log2 sums it needs, and list these once each.

    A sum is a teacher's number, or -1 for the student, the stride of its rows, a temperature, and
    whether the label's class is left out; then the number of a sum at a multiple of its
    temperature, or -1, and that multiple.
    """
    wanted = [_sums_of(each) for each in terms]
    # those at a multiple first
    sums = sorted({each for group in wanted for each in group}, key=lambda each: -each[2])
    numbered = tuple(
        (*term, *(sums.index(group[min(index, len(group) - 1)]) for index in range(4)))
        for term, group in zip(terms, wanted, strict=True)
    )
    return numbered, tuple((*each, *_multiple(each, sums)) for each in sums)


def _sums_of(term: TermSpec) -> list[TermSpec]:
    """Name the sums of student and teacher, for NKD also those over all classes at 1."""
    kind, teacher, stride, temperature, *_ = term
    of_teacher = (teacher, stride) if kind != _CROSS_ENTROPY else (-1, 0)
    split = kind in _SPLIT
    sums: list[TermSpec] = [(-1, 0, temperature, split), (*of_teacher, temperature, split)]
    if kind == _NKD:
        sums += [(-1, 0, 1.0, False), (*of_teacher, 1.0, False)]
    return sums


def _multiple(own: TermSpec, sums: Sequence[TermSpec]) -> tuple[int, int]:
    """Find the sum of which an exponential is the root of this one's."""
    for number, each in enumerate(sums):
        same = (*own[:2], own[3]) == (*each[:2], each[3])
        if same and each[2] / own[2] in _POWERS:
            return number, int(each[2] / own[2])
    return -1, 1


def power_of_2(count: int) -> int:
    """Give the least power of 2 that is not below a number."""
    return 1 << max(count - 1, 0).bit_length()
