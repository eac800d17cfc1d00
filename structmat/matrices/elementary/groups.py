"""Blocks of a BlockDiagonal in groups: all arrays of one shape in one stack, computed together.

A group's body is either a stack (g, p, q) of dense blocks or one structured matrix. Everything that
BlockDiagonal does is a pair of functions, one for either kind, mapped over the groups.
"""

from typing import Any, NamedTuple

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import is_array, namespace_of

__all__ = ["Group", "gathered", "is_stack", "joined", "span", "starts"]


class Group(NamedTuple):
    """Blocks that are computed together."""

    which: np.ndarray  # their places in the sequence of blocks, ascending
    body: Any  # array (g, p, q), or a StructuredMatrix (then g = 1)

    def name(self, place):
        """A block in words, for messages."""
        return f"diagonal block {self.which[place]}"


def is_stack(body):
    """True for a stack of dense blocks, False for a structured block."""
    return is_array(body)


def as_block(block, i):
    """A 2-D array of a supported dtype, or a structured matrix."""
    if hasattr(block, "matmat") or _checks.is_sparse(block):
        return _rules.lift(block)
    return _checks.as_parameter(block, f"blocks[{i}]", ndim=2)


def gathered(blocks):
    """One stack if all blocks are arrays of one shape; else (blocks, groups).

    The blocks of the second form are views of the stacks, so that nothing is held twice.
    """
    if not blocks:
        return np.zeros((0, 0, 0))
    dtype = np.result_type(*(block.dtype for block in blocks))
    blocks = [b if b.dtype == dtype else b.astype(dtype) for b in blocks]
    xp = namespace_of(*(b for b in blocks if is_array(b)), default=np)
    places, groups = {}, []
    for i, block in enumerate(blocks):
        if is_array(block):
            places.setdefault(block.shape, []).append(i)
        else:
            groups.append(Group(np.array([i]), block))
    for which in places.values():
        stack = xp.stack([blocks[i] for i in which]) if len(which) > 1 else blocks[which[0]][None]
        if len(which) == len(blocks):
            return stack
        groups.append(Group(np.array(which), stack))
        for place, i in enumerate(which):
            blocks[i] = stack[place]
    return tuple(blocks), tuple(groups)


def starts(sizes):
    """Where each block starts, and the total at the end: shape (b + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def span(first, body, axis, xp):
    """Index of the rows (axis 0) or columns (axis 1) of an operand that belong to a group.

    `first` holds the start of each block. With it ``X[index]`` has shape (g, q, k) for a stack and
    (q, k) for a structured block.
    """
    if not is_stack(body):
        return slice(int(first[0]), int(first[0]) + body.shape[axis])
    return xp.asarray(first[:, None] + np.arange(body.shape[axis + 1]))


def joined(groups, values, sizes, xp):
    """One vector of values (g, s) of every group, s = sizes[i], in the order of the blocks."""
    if len(groups) == 1:
        return values[0].reshape(-1)
    result = xp.empty(int(sizes.sum()), np.result_type(*(v.dtype for v in values)))
    start = starts(sizes)
    for group, v in zip(groups, values, strict=True):
        places = start[group.which][:, None] + np.arange(v.shape[1])
        result[xp.asarray(places.reshape(-1))] = v.reshape(-1)
    return result


def as_stack(body):
    """Dense vectors of a structured block as a stack of one; anything else as it is."""
    return body[None] if is_array(body) and body.ndim == 2 else body
