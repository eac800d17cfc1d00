"""Dense verbs on a stack of equal blocks, shape (b, p, q): one call for all blocks, no Python loop.

NumPy's linear algebra loops over the blocks in C. It computes single precision in double and rounds
the result: slower than it could be, and more accurate. Arrays of CuPy go to CuPy's batched
routines, which compute in the precision they are given.
"""

import numpy as np

from structmat import _checks
from structmat._backend import dense
from structmat._backend.arrays import namespace_of

__all__ = [
    "adjoint", "cholesky", "eig", "eigh", "expm", "inverse", "is_hermitian", "norm", "principal",
    "qr", "slogdet", "solve", "svd", "svdvals",
]  # fmt: skip


def _linalg(stack):
    return namespace_of(stack).linalg


def adjoint(stack):
    """Conjugate transpose of every block; a view for real blocks."""
    flipped = stack.transpose(0, 2, 1)
    return flipped.conj() if stack.dtype.kind == "c" else flipped


def is_hermitian(stack):
    """True when every block equals its adjoint to a few units in the last place of its entries."""
    if stack.shape[1] != stack.shape[2]:
        return False
    if not stack.size:
        return True
    eps = float(np.finfo(stack.dtype).eps)
    with np.errstate(all="ignore"):
        error = abs(stack - adjoint(stack)).max(axis=(1, 2))
        return bool((error <= 8 * eps * abs(stack).max(axis=(1, 2))).all())


def scaled(stack):
    """(blocks of moderate size, their 1-norms, power of two of each block or None).

    So that nothing overflows on the way to an answer that does not. Refuses NaN and infinity.
    """
    xp = namespace_of(stack)
    limits = np.finfo(stack.dtype)
    safe = float(limits.tiny) ** 0.5
    with np.errstate(over="ignore"):
        size = abs(stack).sum(1).max(1)
        low, high = float(size.min()), float(size.max())
    if safe < low and high < 1 / safe:  # false for NaN
        return stack, size, None
    _checks.finite(stack)
    top = abs(stack).max((1, 2))
    bound = -limits.minexp - 2
    exponent = xp.clip(-xp.frexp(top)[1], -bound, bound)
    scale = xp.ldexp(xp.ones_like(top), exponent).astype(limits.dtype)
    stack = stack * scale[:, None, None]
    return stack, abs(stack).sum(1).max(1), scale


def inverse(stack, name):
    """(inverses, rcond of each block in the 1-norm) by LU with partial pivoting.

    Raises LinAlgError naming the block, through ``name(i)``, and the pivot.
    """
    if not stack.size:
        ones = namespace_of(stack).ones(len(stack), np.finfo(stack.dtype).dtype)
        return stack.copy(), ones
    blocks, size, scale = scaled(stack)
    try:
        inverses = _linalg(blocks).inv(blocks)
    except np.linalg.LinAlgError:
        raise _singular(blocks, name) from None
    with np.errstate(over="ignore", invalid="ignore"):
        rcond = 1 / (size * abs(inverses).sum(1).max(1))
        if not (rcond > 0).all():
            raise _singular(blocks, name)
        return (inverses if scale is None else inverses * scale[:, None, None]), rcond


def _singular(stack, name):
    """LinAlgError for the first block without an inverse."""
    sign, logdet = _linalg(stack).slogdet(stack)
    bad = (sign == 0) | ~namespace_of(stack).isfinite(logdet)
    if not bool(bad.any()):
        return _checks.singular("BlockDiagonal", "to working precision")
    i = int(bad.argmax())
    pivot = dense.lu_factor(stack[i]).zero_pivot
    place = "" if pivot is None else f", pivot {pivot}"
    return _checks.singular("BlockDiagonal", f"{name(i)}{place}")


def solve(stack, B):
    """X_i with A_i X_i = B_i for invertible blocks, B (b, p, k): LU of every block."""
    if not B.size:
        return B.copy()
    blocks, _, scale = scaled(stack)
    X = _linalg(blocks).solve(blocks, B).astype(B.dtype, copy=False)
    return X if scale is None else X * scale[:, None, None]


def slogdet(stack):
    """(sign, log|det|) of the block-diagonal matrix of all blocks."""
    _checks.finite(stack)
    if not stack.size:
        return 1.0, 0.0
    sign, logdet = _linalg(stack).slogdet(stack)
    if bool((sign == 0).any()):
        return 0.0, -np.inf
    sign = sign.prod()
    # A product of many phases drifts off the unit circle.
    return sign / abs(sign), float(logdet.sum(dtype=np.float64))


def svd(stack, full_matrices):
    """U, S, Vh of every block, S descending within a block."""
    _checks.finite(stack)
    xp = namespace_of(stack)
    b, p, q = stack.shape
    if not stack.size:
        k = min(p, q)
        rows, columns = (p, q) if full_matrices else (k, k)
        U = xp.broadcast_to(xp.eye(p, rows, dtype=stack.dtype), (b, p, rows))
        Vh = xp.broadcast_to(xp.eye(columns, q, dtype=stack.dtype), (b, columns, q))
        return U, xp.zeros((b, k), np.finfo(stack.dtype).dtype), Vh
    return tuple(_linalg(stack).svd(stack, full_matrices=full_matrices))


def svdvals(stack):
    """Singular values, shape (b, min(p, q))."""
    _checks.finite(stack)
    b, p, q = stack.shape
    if not stack.size:
        return namespace_of(stack).zeros((b, min(p, q)), np.finfo(stack.dtype).dtype)
    return _linalg(stack).svd(stack, compute_uv=False)


def eigh(stack, vectors=True):
    """(w, V), or w alone, of Hermitian blocks; ascending within a block."""
    _checks.finite(stack)
    if not stack.size:
        w = namespace_of(stack).zeros(stack.shape[:2], np.finfo(stack.dtype).dtype)
        return (w, stack) if vectors else w
    return tuple(_linalg(stack).eigh(stack)) if vectors else _linalg(stack).eigvalsh(stack)


def eig(stack, vectors=True):
    """(w, V), or w alone, of square blocks; all real only if every one of them is."""
    _checks.finite(stack)
    if not stack.size:
        w = stack[:, :, 0] if stack.shape[2] else stack.reshape(stack.shape[:2])
        return (w, stack) if vectors else w
    return tuple(_linalg(stack).eig(stack)) if vectors else _linalg(stack).eigvals(stack)


def qr(stack):
    """Q (b, p, k), R (b, k, q) with k = min(p, q)."""
    _checks.finite(stack)
    b, p, q = stack.shape
    if not stack.size:
        xp = namespace_of(stack)
        k = min(p, q)
        return xp.zeros((b, p, k), stack.dtype), xp.zeros((b, k, q), stack.dtype)
    return tuple(_linalg(stack).qr(stack))


def cholesky(stack, name):
    """Lower factors of Hermitian blocks; LinAlgError names the first that is not definite."""
    _checks.finite(stack)
    if not stack.size:
        return stack
    try:
        L = _linalg(stack).cholesky(stack)
        if bool(namespace_of(stack).isfinite(L).all()):
            return L
    except np.linalg.LinAlgError:
        pass
    failed = eigh(stack, vectors=False)[:, 0] <= 0
    place = name(int(failed.argmax())) if bool(failed.any()) else None
    raise _checks.not_positive_definite("BlockDiagonal", place) from None


def norm(stack, ord):
    """Frobenius norm, or largest or smallest row or column sum, of non-empty blocks together."""
    if ord == "fro":
        return dense.norm(stack.reshape(1, -1), "fro")
    sums = abs(stack).sum(1 if ord in (1, -1) else 2)
    return float(sums.max() if ord > 0 else sums.min())


# Coefficients of the [13/13] Pade approximant of exp, and the 1-norm up to which it is accurate in
# double precision: N. J. Higham, The scaling and squaring method for the matrix exponential
# revisited, SIAM J. Matrix Anal. Appl. 26 (2005) 1179-1193, Table 2.3 and Algorithm 2.3.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
    129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0,
    960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_THETA = 5.371920351148152


def expm(stack):
    """Exponential of every block by scaling and squaring, in double precision."""
    _checks.finite(stack)
    if not stack.size:
        return stack.copy()
    xp = namespace_of(stack)
    A = stack.astype(np.result_type(stack.dtype, np.float64))
    size = abs(A).sum(1).max(1)
    steps = xp.maximum(xp.frexp(size / _THETA)[1], 0)
    A = A * xp.ldexp(xp.ones_like(size), -steps)[:, None, None]
    c, eye = _PADE, xp.eye(A.shape[1], dtype=A.dtype)
    A2 = A @ A
    A4 = A2 @ A2
    A6 = A2 @ A4
    U = A6 @ (c[13] * A6 + c[11] * A4 + c[9] * A2) + c[7] * A6 + c[5] * A4 + c[3] * A2 + c[1] * eye
    U = A @ U
    V = A6 @ (c[12] * A6 + c[10] * A4 + c[8] * A2) + c[6] * A6 + c[4] * A4 + c[2] * A2 + c[0] * eye
    X = _linalg(A).solve(V - U, V + U)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(int(steps.max())):  # a block is squared as often as it was halved
            active = steps > t
            X[active] = X[active] @ X[active]
        X = X.astype(stack.dtype, copy=False)
    if not bool(xp.isfinite(X).all()):
        raise OverflowError("expm of BlockDiagonal overflows; scale the matrix")
    return X


def principal(stack, f, general):
    """sqrt or log of every block: by eigenvalues where Hermitian and positive, else `general`.

    There is no batched Schur method, so ``general(block)`` takes the other blocks one by one.
    """
    if stack.size and is_hermitian(stack):
        w, V = eigh(stack)
        if bool((w > stack.shape[1] * np.finfo(w.dtype).eps * abs(w).max(1)[:, None]).all()):
            return (V * f(w)[:, None, :]) @ adjoint(V)
    if not stack.size:
        return stack.copy()
    return namespace_of(stack).stack([general(block) for block in stack])
