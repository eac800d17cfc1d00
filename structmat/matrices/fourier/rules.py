"""Closure of the transforms: products that undo one another, Kronecker products of Hadamard."""

import math

import numpy as np

from structmat import _rules
from structmat._rules import register
from structmat.matrices.elementary.dense import closed_with_dense
from structmat.matrices.fourier.hadamard import Hadamard
from structmat.matrices.fourier.scale import power_of
from structmat.matrices.fourier.transform import Transform

__all__: list[str] = []

closed_with_dense(Transform)


@register("matmul", Transform, Transform)
def _(A, B):
    """(s L Q R) (s' L' Q^H R') = s s' L R' where R L' = I; two equal Fourier matrices reflect."""
    (left, right), (left2, right2) = A._weights, B._weights
    if A._ends != B._ends or right * left2 != 1:
        return NotImplemented
    dtype = np.result_type(A.dtype, B.dtype)
    if A._unit() == B._unit_adjoint():
        result = _rules.make("identity", A.shape[0], dtype)
    elif A._unit() == B._unit() and "DFT" in A._unit():
        result = _reversal(A, dtype)
    else:
        return NotImplemented
    scale = _scale(A, B)
    result = result if scale == 1 else scale * result
    if left * right2 == 1:
        return result
    values = result.diagonal()
    values[list(A._ends)] *= math.sqrt(left * right2)
    return _rules.make("diagonal", values)


def _scale(A, B):
    """s s', one power where both are powers of the same length."""
    if A._base == B._base:
        return power_of(A._base, A._exponent + B._exponent)
    return A._scale_to(1) * B._scale_to(1)


def _reversal(A, dtype):
    return _rules.make("permutation", -np.arange(A.shape[0]) % A.shape[0], dtype)


@register("kron", Hadamard, Hadamard)
def _(A, B):
    """(H_m (x) H_2^a) (x) H_2^b = H_m (x) H_2^(a+b)."""
    if (
        B._m != 1
        or A.normalization != B.normalization
        or (A.order, B.order) != ("natural", "natural")
    ):
        return NotImplemented
    return Hadamard(A.n * B.n, "natural", A.normalization, np.result_type(A.dtype, B.dtype))
