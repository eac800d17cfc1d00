"""Transforms as chains, exactly: Fourier in any radices, Hadamard, Haar, and Kronecker products."""

import math

import numpy as np

from structmat import _checks, _rules
from structmat.matrices.chain import patterns
from structmat.matrices.chain.butterfly import Butterfly
from structmat.matrices.chain.exact.stages import (
    between_identities,
    chain,
    digit_reversal,
    door,
    fourier_stages,
    hadamard_stages,
    inverted,
    order_of,
    radices_of,
    scale,
)
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.matrix import Chain
from structmat.matrices.elementary import Identity, Permutation

__all__ = ["dft", "dft2", "haar", "hadamard", "kron_chains"]


@door
def dft(n, norm=None, inverse=False, radices=None, dtype=np.complex128):
    """The discrete Fourier transform of any order as a chain, or its inverse.

    Decimation in time: with n = r m, ``DFT_n = B (I_r (x) DFT_m) P``, where P gathers every r-th
    entry and B combines r transforms of length m [1]_; so for every radix. For n = 4, with
    w = -i::

        [1 1  1  1 ]   [1 . 1 . ]   [1  1  .  . ]   [1 . . .]
        [1 w -1 -w ] = [. 1 . w ] @ [1 -1  .  . ] @ [. . 1 .]
        [1 -1 1 -1 ]   [1 . -1 .]   [.  .  1  1 ]   [. 1 . .]
        [1 -w -1 w ]   [. 1 . -w]   [.  .  1 -1 ]   [. . . 1]

    Parameters
    ----------
    n : int
        Order, at least 1.
    norm : {None, "backward", "ortho", "forward"}
        As :func:`scipy.fft.fft` (of the inverse: :func:`scipy.fft.ifft`).
    inverse : bool
        The inverse transform, exponents with a positive sign.
    radices : sequence of int, optional
        Factors of `n`, each at least 2: one factor of the chain each, from left to right. By
        default the prime factors in ascending order.
    dtype : dtype, optional
        complex128 (default) or complex64.

    Returns
    -------
    Chain
        ``len(radices)`` Kronecker-sparse factors and the reversal of digits, a permutation.

    Raises
    ------
    TypeError
        A real dtype.
    ValueError
        `n` is less than 1, an unknown ``norm``, or `radices` whose product is not `n`.
    MemoryError
        A prime radix so large that its dense blocks do not fit.

    Notes
    -----
    n (r_1 + ... + r_L) numbers are held, and a product takes twice as many complex operations; a
    prime order is one dense block. Roots of unity are reduced in integers, so that an entry of the
    product has an error of a few L eps. All factors of an "ortho" transform are unitary. Two
    radices of size sqrt(n) make a Monarch matrix times a permutation.

    References
    ----------
    .. [1] C. F. Van Loan, *Computational Frameworks for the Fast Fourier Transform*, SIAM, 1992,
       sections 1.2 and 2.1.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> F = sm.Chain.dft(12)
    >>> F.patterns
    (Pattern(a=1, b=2, c=2, d=6), Pattern(a=2, b=2, c=2, d=3), Pattern(a=4, b=3, c=3, d=1), None)
    >>> x = np.arange(12.0)
    >>> bool(np.allclose(F @ x, np.fft.fft(x)))
    True
    """
    n, radices = order_of(n), radices_of(n, radices)
    dtype = _complex_dtype(dtype, "dft")
    inverse = _checks.flag(inverse, "inverse")
    e = scale(inverted(norm) if inverse else norm)
    stages = [V * V.shape[2] ** e for V in fourier_stages(radices)]
    if inverse:
        stages = [V.conj() for V in stages]
    return chain(stages, digit_reversal(radices), dtype)


def _complex_dtype(dtype, what):
    """complex64 or complex128."""
    dtype = _checks.result_dtype(dtype, what)
    if dtype.kind != "c":
        raise TypeError(
            f"{what} is complex: `dtype` must be complex64 or complex128; got {dtype}. For real "
            "transforms see dct, dst and hartley"
        )
    return dtype


@door
def dft2(m, n, norm=None, inverse=False, dtype=np.complex128):
    """The two-dimensional discrete Fourier transform of an m x n array as a chain.

    It acts on the array as a vector, rows one after the other: ``F @ X.ravel()`` is
    ``np.fft.fft2(X).ravel()``.

    Parameters
    ----------
    m, n : int
        Sizes of the array.
    norm, inverse, dtype
        As for the one-dimensional transform.

    Returns
    -------
    Chain
        Of order m n.

    Raises
    ------
    TypeError
        A real dtype.
    ValueError
        A size is less than 1, or an unknown ``norm``.

    Notes
    -----
    The Kronecker product of two chains, ``DFT_m (x) DFT_n``, whose factors are Kronecker-sparse
    again. m n (sum of the radices of m and n) numbers.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> X = np.arange(6.0).reshape(2, 3)
    >>> Y = sm.Chain.dft2(2, 3) @ X.ravel()
    >>> bool(np.allclose(Y.reshape(2, 3), np.fft.fft2(X)))
    True
    """
    return kron_chains(*(dft(order, norm, inverse, None, dtype) for order in (m, n)))


@door
def hadamard(n, norm=None, dtype=np.float64):
    """The Hadamard matrix of Sylvester's kind as a butterfly.

    ``H_m (x) H_2 (x) ... (x) H_2`` for n = m 2^k with m one of 1, 12, 20, 28, as
    :class:`structmat.Hadamard` in natural order (:func:`scipy.linalg.hadamard` for powers of two).

    Parameters
    ----------
    n : int
        Order.
    norm : {None, "backward", "ortho", "forward"}
        Entries of 1, an orthogonal matrix, or entries of 1/n.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.

    Returns
    -------
    Butterfly
        k factors of blocks [[1, 1], [1, -1]], after one of blocks H_m where m > 1.

    Raises
    ------
    ValueError
        There is no Hadamard matrix of order `n` here, or an unknown ``norm``.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.Chain.hadamard(2).toarray()
    array([[ 1.,  1.],
           [ 1., -1.]])
    """
    dtype, e = _checks.result_dtype(dtype, "hadamard"), scale(norm)
    stages = [V * V.shape[2] ** e for V in hadamard_stages(n)]
    return Butterfly([V.astype(dtype) for V in stages])


@door
def haar(n, levels=None, dtype=np.float64):
    """The orthogonal Haar transform as a chain: as :class:`structmat.Haar`, rows coarse to fine.

    Level l takes sums and differences of averages that are 2^(l-1) apart and leaves the rest alone;
    a permutation sorts the rows by level.

    Parameters
    ----------
    n : int
        Order, a multiple of 2^levels.
    levels : int, optional
        How often the averages are halved; by default as often as `n` can be.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.

    Returns
    -------
    Chain
        A permutation and ``levels`` orthogonal factors.

    Raises
    ------
    ValueError
        `n` is not a multiple of 2^levels, or odd with no word on levels.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> W = sm.Chain.haar(4)
    >>> np.round(W @ np.array([1.0, 1.0, 5.0, 1.0]), 4)
    array([ 4.    , -2.    ,  0.    ,  2.8284])
    """
    n, dtype = order_of(n), _checks.result_dtype(dtype, "haar")
    most = (n & -n).bit_length() - 1
    if levels is None and most == 0 and n > 1:
        raise ValueError(f"haar: an odd order ({n}) allows no level; pad to an even one")
    levels = most if levels is None else _checks.size(levels, "levels")
    if levels > most:
        raise ValueError(
            f"haar of {levels} levels needs `n` to be a multiple of 2**{levels}; got {n}, which "
            f"has {most}"
        )
    stages = [_haar_level(n, level) for level in range(levels, 0, -1)]
    # Row n / 2^l + b is the difference of level l that ends up at place b 2^l + 2^(l-1).
    rows = [np.arange(n >> levels) << levels]
    for level in range(levels, 0, -1):
        rows.append((np.arange(n >> level) << level) + (1 << (level - 1)))
    factors = [V.astype(dtype) for V in stages or [np.ones((n, 1, 1, 1))]]
    return Chain((Permutation(np.concatenate(rows)), *factors))


def _haar_level(n, level):
    """Sums and differences of the averages, which stand 2^(level-1) apart; else the identity."""
    a, d = n >> level, 1 << (level - 1)
    V = np.broadcast_to(np.eye(2), (a, d, 2, 2)).copy()
    V[:, 0] = math.sqrt(0.5) * np.array([[1.0, 1.0], [1.0, -1.0]])
    return V


def kron_chains(*chains):
    """The Kronecker product of chains as a chain.

    ``A (x) B = (A (x) I) (I (x) B)``, and for a factor F of pattern (a, b, c, d)
    ``I_m (x) F (x) I_n`` has the pattern (m a, b, c, d n).

    Parameters
    ----------
    *chains : Chain, shapes (m_i, n_i)
        At least one; cropped ones too.

    Returns
    -------
    Chain
        Of shape (m_1 m_2 ..., n_1 n_2 ...); a Butterfly where its factors are chainable.

    Raises
    ------
    TypeError
        Something else than a chain.
    ValueError
        None at all.

    Notes
    -----
    Every number is repeated as often as the other sides are long: rows of those that are applied
    before, columns of those after, in the order that holds the fewest. The lazy
    :class:`structmat.Kronecker` of chains holds every number once; this is the one chain that
    equals it.

    Examples
    --------
    >>> from structmat.matrices.chain import constructors
    >>> A = constructors.kron_chains(constructors.hadamard(2), constructors.haar(4))
    >>> A.shape
    (8, 8)
    """
    if not chains:
        raise ValueError("kron_chains needs at least one chain; got none")
    for i, A in enumerate(chains):
        if not isinstance(A, Chain):
            raise TypeError(f"`chains[{i}]` must be a Chain; got a {type(A).__name__}")
    sizes = [A.full_shape[1] for A in chains]
    factors = []
    for i in sorted(reversed(range(len(chains))), key=lambda i: _growth(chains[i])):
        before, after = math.prod(sizes[:i]), math.prod(sizes[i + 1 :])
        factors = [_between_identities(F, before, after) for F in chains[i].factors] + factors
        sizes[i] = chains[i].full_shape[0]
    if any(A.cropped for A in chains):
        xp = chains[0]._namespace or np
        rows, columns = (_kept_first(chains, axis) for axis in (0, 1))
        first, last = (Permutation(xp.asarray(p)) for p in (rows, np.argsort(columns)))
        factors = [first, *factors, last]
    shape = tuple(math.prod(A.shape[axis] for A in chains) for axis in (0, 1))
    sparse = all(isinstance(F, KroneckerSparse) for F in factors)
    if sparse and patterns.chainable(*(F.pattern for F in factors)):
        return Butterfly(factors, shape)
    return Chain(factors, shape)


def _growth(A):
    """What is least goes first: by exchange of neighbours, the most shrinking for its numbers."""
    m, n = A.full_shape
    held = sum(F.pattern.nnz for F in A.factors if isinstance(F, KroneckerSparse))
    return (m - n) / held if held else 0.0


def _between_identities(F, before, after):
    """I_before (x) F (x) I_after."""
    if isinstance(F, Permutation):
        F = _rules.combine("kron", Identity(before, F.dtype), F)
        return _rules.combine("kron", F, Identity(after, F.dtype))
    return KroneckerSparse(between_identities(F.values, before, after))


def _kept_first(chains, axis):
    """Rows or columns of the product of full chains: those of the cropped ones, then the rest."""
    kept = np.ones((), bool)
    for A in chains:
        kept = np.logical_and.outer(kept, np.arange(A.full_shape[axis]) < A.shape[axis])
    kept = kept.reshape(-1)
    return np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)])
