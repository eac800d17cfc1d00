"""Least squares, pseudo-inverse and rank: the cut-off is on products of singular values.

A factor's own small singular values are no measure: with 1e-9 kept in each of two factors, their
product 1e-18 is noise. What is kept is the set of products above `rcond` times the largest. When
it is a box, a number of singular values of every factor, everything stays a Kronecker product.
"""

import math

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import is_array, namespace_of
from structmat._results import LstsqResult
from structmat.matrices.elementary import Zeros
from structmat.matrices.kronecker import ranked
from structmat.matrices.kronecker.modes import size_of
from structmat.matrices.kronecker.products import each
from structmat.matrices.kronecker.spectral import (
    _adjoint,
    _factor_svdvals,
    factor_svds,
    host,
    outer,
)

__all__ = ["lstsq", "pinv", "rank"]


def _without_meaning(A, rcond):
    """The default max(m, n) eps reaches 1 at orders of 1e15; then factors are cut off singly."""
    eps = float(np.finfo(A.dtype).eps)
    return rcond >= 1 and max(A.shape) * eps >= 1


def _own_ranks(A, lists):
    eps = float(np.finfo(A.dtype).eps)
    return [
        int((S > max(F.shape) * eps * float(S[0] if len(S) else 0)).sum())
        for F, S in zip(A.factors, lists)
    ]


def _box(A, lists, rcond):
    """How many singular values of every factor are kept, or None if the kept set is not a box.

    The candidates are those that survive beside the largest values of all others; they make a box
    exactly if their smallest product survives as well.
    """
    if _without_meaning(A, rcond):
        return _own_ranks(A, lists)
    if any(len(S) == 0 or S[0] == 0 for S in lists):
        return [0] * len(lists)
    scaled = [S.astype(np.float64) / float(S[0]) for S in lists]
    kept = [int((S > rcond).sum()) for S in scaled]
    if 0 in kept:
        return [0] * len(lists)
    corner = math.prod(float(S[r - 1]) for S, r in zip(scaled, kept))
    return kept if corner > rcond else None


def rank(A, rtol):
    """How many products of singular values exceed rtol times the largest; a Python integer."""
    if 0 in A.shape:
        return 0
    lists = [host(S) for S in each(_factor_svdvals, A._parts)]
    kept = _box(A, lists, rtol)
    return size_of(kept) if kept is not None else ranked.count_above(lists, rtol)


def _weights(parts, rcond):
    """1 / S where S is kept and 0 elsewhere, in the order of np.kron, and how many are kept."""
    S = outer([S for _, S, _ in parts])
    top = math.prod(float(S[0]) for _, S, _ in parts)
    keep = S > rcond * top
    return keep / (S + ~keep), S, keep


def pinv(A, rcond, Kronecker):
    """A_1^+ (x) ... (x) A_d^+ where the kept set is a box, else V S^+ U^H, lazily."""
    xp = A._namespace or np
    if 0 in A.shape:
        return Zeros(*A.shape[::-1], dtype=A.dtype)
    parts = factor_svds(A._parts)
    kept = _box(A, [host(S) for _, S, _ in parts], rcond)
    if kept is not None:
        return Kronecker(*(_truncated(part, r, xp) for part, r in zip(parts, kept)))
    weights, _, _ = _weights(parts, rcond)
    V = Kronecker(*(_adjoint(Vh) for _, _, Vh in parts))
    Uh = Kronecker(*(_adjoint(U) for U, _, _ in parts))
    return V @ _rules.make("diagonal", xp.asarray(weights).astype(A.dtype)) @ Uh


def _truncated(part, r, xp):
    """V_r S_r^-1 U_r^H of one factor."""
    U, S, Vh = part
    if is_array(U) and is_array(Vh):
        return (Vh[:r].conj().T / S[:r]) @ U[:, :r].conj().T
    S = xp.asarray(S)
    weights = xp.where(xp.arange(len(S)) < r, 1 / (S + (S == 0)), 0)
    weights = _rules.make("diagonal", weights.astype(np.result_type(S.dtype, U.dtype)))
    return _adjoint(_rules.lift(Vh)) @ weights @ _adjoint(_rules.lift(U))


def lstsq(A, B, rcond, Kronecker):
    """x = V S^+ U^H b of smallest norm, with products of singular values cut off."""
    if 0 in A.shape:
        return NotImplemented
    _checks.guard_dense((min(A.shape), 1), A.dtype, "lstsq")
    parts = factor_svds(A._parts)
    if _without_meaning(A, rcond):
        return NotImplemented
    weights, S, keep = _weights(parts, rcond)
    Uh = Kronecker(*(_adjoint(U) for U, _, _ in parts))
    V = Kronecker(*(_adjoint(Vh) for _, _, Vh in parts))
    X = V @ (weights[:, None].astype(S.dtype) * (Uh @ B))
    xp = namespace_of(S)
    values = xp.concatenate([xp.sort(S)[::-1], xp.zeros(min(A.shape) - len(S), S.dtype)])
    return LstsqResult(X, None, int(keep.sum()), values)
