"""Hermitian Kronecker products: eigenvectors, Cholesky, square root, logarithm.

A product is Hermitian when every factor is Hermitian but for a phase, A_i = c_i H_i, and the
phases multiply to +-1: (-A) (x) (-B), (i A) (x) (-i B), skew-symmetric A (x) B. Definiteness, too,
is a matter of the signs together. So factors are normalised before anything that needs them
Hermitian.
"""

import math

import numpy as np

from structmat import _checks, _rules, linalg
from structmat._backend import dense as lapack
from structmat._backend.arrays import is_array, namespace_of
from structmat._results import EighResult
from structmat.matrices.kronecker import ranked
from structmat.matrices.kronecker.products import each
from structmat.matrices.kronecker.spectral import host, outer, selected

__all__ = ["cholesky", "eigh", "eigsh", "eigvalsh", "is_hermitian", "normalised", "principal"]


def _tolerance(F):
    return 10 * math.sqrt(max(F.shape[0], 1)) * float(np.finfo(F.dtype).eps)


def adjoint_phase(F):
    """c with F^H = c F and |c| = 1, None where there is none; 1 for a Hermitian or zero factor."""
    if F.shape[0] != F.shape[1]:
        return None
    if not F.shape[0]:
        return 1.0
    if is_array(F):
        left, right = F, F.conj().T
    else:
        if F._is_hermitian() is True:
            return 1.0
        # Two random vectors tell a matrix from its adjoint, except on a set of measure zero.
        x = np.random.default_rng(F.shape[0]).standard_normal((F.shape[0], 2))
        x = (F._namespace or np).asarray(x.astype(np.finfo(F.dtype).dtype))
        left, right = F @ x, F._adjoint() @ x
    with np.errstate(all="ignore"):
        size = float(abs(left).max())
        if size == 0:
            return 1.0
        tolerance = _tolerance(F) * size * (1 if is_array(F) else 10)
        if float(abs(right - left).max()) <= tolerance:
            return 1.0
        if float(abs(right + left).max()) <= tolerance:
            return -1.0
        if F.dtype.kind != "c":
            return None
        at = np.unravel_index(int(abs(left).argmax()), left.shape)
        c = complex(right[at]) / complex(left[at])
        if not abs(abs(c) - 1) <= 10 * _tolerance(F):
            return None
        c /= abs(c)
        close = float(abs(right - left.dtype.type(c) * left).max()) <= 4 * tolerance
    return c if close else None


def is_hermitian(A):
    """Whether the phases of the factors multiply to one; left open for rectangular factors."""
    if A.shape[0] != A.shape[1]:
        return False
    if not A._all_square():
        return NotImplemented
    phases = each(adjoint_phase, A.factors)
    if None in phases:
        return any(is_array(F) and not bool((F != 0).any()) for F in A.factors)
    return abs(math.prod(phases) - 1) <= 10 * len(phases) * max(map(_tolerance, A.factors))


def normalised(A):
    """(sign, [H_i]) with Hermitian H_i and A = sign * H_1 (x) ... (x) H_d, or None."""
    if not A._all_square():
        return None
    phases = each(adjoint_phase, A._parts)
    if None in phases:
        return None
    total = 1.0
    factors = []
    for F, c in zip(A._parts, phases):
        if c == 1:
            factors.append(F)
            continue
        # F = exp(i t) H and F^H = exp(-2 i t) F, so sqrt(c) F is Hermitian.
        root = np.sqrt(complex(c))
        factors.append(F * _as(F, root))
        total = total / root
    if abs(abs(total.real) - 1) > 10 * len(factors) * max(map(_tolerance, A.factors)):
        return None  # a Hermitian product times another phase
    return (-1.0 if total.real < 0 else 1.0), factors


def _as(F, c):
    return np.result_type(F.dtype, np.complex64).type(c)


def _unchanged_kind(A, factors):
    """False where a real product has skew-symmetric factors, whose vectors are complex."""
    return A.dtype.kind == "c" or all(F.dtype.kind != "c" for F in factors)


# ---------------------------------------------------------------- eigenvalues


def _factor_eigh(F):
    return lapack.eigh(F) if is_array(F) else linalg.eigh(F)


def eigh(A):
    """(w ascending, [V_i], order): V = (V_1 (x) ... (x) V_d)[:, order]; or NotImplemented."""
    found = normalised(A)
    if found is None or not _unchanged_kind(A, found[1]):
        return NotImplemented
    sign, factors = found
    _checks.guard_dense((A.shape[0], 1), A.dtype, "eigh")
    pairs = each(_factor_eigh, factors)
    w = sign * outer([w for w, _ in pairs])
    xp = namespace_of(w)
    order = xp.argsort(w, stable=True) if xp is np else xp.argsort(w)
    return w[order], [V for _, V in pairs], order


def eigvalsh(A):
    """All eigenvalues, ascending."""
    found = normalised(A)
    if found is None:
        return NotImplemented
    sign, factors = found
    _checks.guard_dense((A.shape[0], 1), A.dtype, "eigvalsh")
    values = each(lambda F: lapack.eigvalsh(F) if is_array(F) else linalg.eigvalsh(F), factors)
    w = sign * outer(values)
    return namespace_of(w).sort(w)


def eigsh(A, k, which):
    """k extreme eigenvalues with their vectors, from k log k candidates."""
    found = normalised(A)
    if found is None or not _unchanged_kind(A, found[1]):
        return NotImplemented
    sign, factors = found
    pairs = each(_factor_eigh, factors)
    lists = [host(w) for w, _ in pairs]
    lists[0] = sign * lists[0]
    if which in ("LM", "SM"):
        _, index = ranked.leading([abs(w) for w in lists], k, smallest=which == "SM")
    else:
        if which == "SA":
            lists[0] = -lists[0]
        _, index = ranked.extreme(lists, k)
        if which == "SA":
            lists[0] = -lists[0]
    w = math.prod(values[index[:, i]] for i, values in enumerate(lists))
    order = np.argsort(w, kind="stable")
    vectors = selected([V for _, V in pairs], index[order], A.shape[0])
    return EighResult((A._namespace or np).asarray(w[order]), vectors)


# ---------------------------------------------------------------- functions of definite factors


def cholesky(A):
    """[L_i] with A_i = L_i L_i^H once signs are normalised; LinAlgError names the factor."""
    if 0 in A.shape:
        return list(A.factors)
    found = normalised(A)
    if found is None:
        raise _checks.not_positive_definite("Kronecker", "factors that are not Hermitian")
    sign, factors = found
    lower = []
    for i, F in enumerate(factors):
        trace = F.trace() if is_array(F) else linalg.trace(F)
        own = -1.0 if trace.real < 0 else 1.0
        sign *= own
        lower.append(_factor_cholesky(F if own > 0 else -F, i))
    if sign < 0:
        raise _checks.not_positive_definite(
            "Kronecker", "every factor is definite, but their signs multiply to -1"
        )
    return lower


def _factor_cholesky(F, i):
    if not is_array(F):
        try:
            return linalg.cholesky(F)
        except np.linalg.LinAlgError as error:
            place = f"factor {i}: {error}"
            raise _checks.not_positive_definite("Kronecker", place) from None
    L, minor = lapack.cholesky(F)
    if minor is not None:
        raise _checks.not_positive_definite(
            "Kronecker", f"factor {i}: leading minor of order {minor}"
        )
    return L


def principal(A, f, strict):
    """[f(H_i)] for semidefinite (strict: definite) factors whose signs multiply to one.

    The principal square root and logarithm distribute over these, since no product of eigenvalues
    crosses the negative axis. For other factors they do not: NotImplemented.
    """
    found = normalised(A)
    if found is None or 0 in A.shape:
        return NotImplemented
    sign, factors = found
    results = []
    for F in factors:
        w, V = _factor_eigh(F)
        if bool((w <= 0).all()) and bool((w < 0).any()):
            w, sign = -w, -sign
        floor = -len(w) * float(np.finfo(w.dtype).eps) * float(abs(w).max())
        if not bool((w > 0 if strict else w >= floor).all()):
            return NotImplemented
        fw = f(w if strict else namespace_of(w).maximum(w, 0))
        results.append(_function_of(V, (A._namespace or np).asarray(fw)))
    return results if sign > 0 else NotImplemented


def _function_of(V, fw):
    if is_array(V):
        return (V * fw) @ V.conj().T
    return V @ _rules.make("diagonal", fw.astype(V.dtype)) @ V._adjoint()
