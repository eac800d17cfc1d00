"""Products of Hadamard or cosine transforms with diagonals: (HD)^k, Fastfood, ACDC."""

import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.exact.stages import (
    door,
    hadamard_stages,
    scale,
    scaled_columns,
    scaled_rows,
)
from structmat.matrices.chain.exact.trigonometric import dct
from structmat.matrices.chain.matrix import Chain
from structmat.matrices.elementary import Permutation

__all__ = ["acdc", "fastfood", "hd"]


@door
def hd(diagonals, k=None, norm="ortho"):
    """H D_1 H D_2 ... H D_k with a Hadamard matrix H and diagonals D_i, as a chain.

    Random signs, k = 3 and ``norm="ortho"`` make the orthogonal matrix that stands for one of
    Gaussian numbers in structured orthogonal random features [1]_.

    Parameters
    ----------
    diagonals : array, shape (n,) or (k, n)
        One diagonal, or one a row.
    k : int, optional
        Number of times that one diagonal is used; by default 1.
    norm : {"ortho", None, "backward", "forward"}
        Scale of each H: orthogonal, entries of 1, entries of 1/n.

    Returns
    -------
    Chain
        k log2(n) Kronecker-sparse factors.

    Raises
    ------
    ValueError
        There is no Hadamard matrix of order n here, or `k` is not the number of rows.

    References
    ----------
    .. [1] F. X. Yu, A. T. Suresh, K. Choromanski, D. Holtmann-Rice and S. Kumar, Orthogonal random
       features, NIPS 29, 2016, section 4.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> signs = np.random.default_rng(0).choice([-1.0, 1.0], (3, 8))
    >>> W = sm.Chain.hd(signs)
    >>> bool(np.allclose(W.T @ (W @ np.arange(8.0)), np.arange(8.0)))
    True
    """
    diagonals = _checks.as_array(diagonals, "diagonals")
    if diagonals.ndim not in (1, 2) or not diagonals.size:
        raise ValueError(
            f"`diagonals` must have shape (n,) or (k, n), not empty; got {diagonals.shape}"
        )
    if diagonals.ndim == 1:
        times = 1 if k is None else _checks.count(k, np.inf)
        rows = [diagonals] * times
    else:
        rows = list(diagonals)
        if k is not None and k != len(rows):
            raise ValueError(f"`k` is {k}, but there are {len(rows)} rows of `diagonals`")
    H = _hadamard(diagonals.shape[-1], norm, diagonals)
    return Chain([V for row in rows for V in (*H[:-1], scaled_columns(H[-1], row))])


@door
def fastfood(s, g, p, b, sigma=1.0):
    """The Fastfood matrix ``S H G P H B / (sigma sqrt(n))`` as a chain.

    H is the Hadamard matrix of entries 1 and -1, S, G and B are diagonal, P is a permutation
    [1]_.

    Parameters
    ----------
    s, g, b : array, shape (n,)
        Diagonals. In the paper b holds random signs, g standard normal numbers, and s lengths of
        Gaussian vectors of size n over the 2-norm of g.
    p : array of int, shape (n,), or Permutation
        The permutation, ``(P x)[i] = x[p[i]]``.
    sigma : float
        Width of the Gaussian kernel whose features these are.

    Returns
    -------
    Chain
        2 log2(n) Kronecker-sparse factors with the permutation between them.

    Raises
    ------
    ValueError
        Sizes differ, there is no Hadamard matrix of order n here, `p` is not a permutation, or
        `sigma` is not positive.
    OverflowError
        `s` / `sigma` is too large for its dtype.

    References
    ----------
    .. [1] Q. Le, T. Sarlos and A. Smola, Fastfood - approximating kernel expansions in loglinear
       time, ICML 2013, section 3.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> one = np.ones(4)
    >>> V = sm.Chain.fastfood(one, one, [0, 1, 2, 3], one)
    >>> V @ np.array([1.0, 2.0, 3.0, 4.0])
    array([2., 4., 6., 8.])
    """
    s, g, b = (_checks.as_parameter(x, name, ndim=1) for x, name in ((s, "s"), (g, "g"), (b, "b")))
    n = len(g)
    if not isinstance(p, Permutation):
        if not np.iterable(p):
            raise TypeError(f"`p` must be a Permutation or an array of indices; got {p!r}")
        p = Permutation(namespace_of(s, g, b).asarray(p))
    sizes = len(s), n, p.shape[0], len(b)
    if len(set(sizes)) > 1:
        raise ValueError(f"`s`, `g`, `p` and `b` must have one length; got {sizes}")
    sigma = _width(sigma)
    H = _hadamard(n, None, s, g, b)
    with np.errstate(over="ignore"):
        scaling = s / sigma / math.sqrt(n)
    _checks.representable(scaling, "fastfood: `s` / `sigma`")
    left = _between(scaling, H, g)
    right = [*H[:-1], scaled_columns(H[-1], b)]
    return Chain((*left, p, *right))


def _width(sigma):
    if isinstance(sigma, str) or np.iscomplexobj(sigma) or np.ndim(sigma):
        raise TypeError(f"`sigma` must be a real number; got {sigma!r}")
    sigma = float(sigma)
    if not 0 < sigma < math.inf:
        raise ValueError(f"`sigma` must be a positive number; got {sigma}")
    return sigma


@door
def acdc(a, d):
    """The ACDC matrix ``A C D C^-1`` as a chain, or a product of several.

    A and D are diagonal, and ``C[j, k] = sqrt(2 / n) e_k cos(pi (2 j + 1) k / (2 n))``, with e_0 =
    sqrt(1/2) and e_k = 1 for k > 0, is orthogonal: a row x times C is the orthonormal DCT-II of x
    [1]_. So the layer of the paper, which acts on rows, is ``x @ acdc(a, d)``.

    Parameters
    ----------
    a, d : array, shape (n,) or (K, n)
        Diagonals; with K rows, the product ``A_1 C D_1 C^-1 A_2 C D_2 C^-1 ...``.

    Returns
    -------
    Chain
        Kronecker-sparse factors and permutations.

    Raises
    ------
    ValueError
        Shapes differ, or are none of these.

    Notes
    -----
    ``C.T`` is ``structmat.DCT(n, 2, norm="ortho")``.

    References
    ----------
    .. [1] M. Moczulski, M. Denil, J. Appleyard and N. de Freitas, ACDC: a structured efficient
       linear layer, ICLR 2016.

    Examples
    --------
    >>> import numpy as np, scipy.fft, structmat as sm
    >>> a, d, x = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.5, 0.25]), np.array([4.0, 5.0, 6.0])
    >>> y = scipy.fft.idct(scipy.fft.dct(x * a, norm="ortho") * d, norm="ortho")
    >>> bool(np.allclose(x @ sm.Chain.acdc(a, d), y))
    True
    """
    a, d = _checks.as_array(a, "a"), _checks.as_array(d, "d")
    if a.shape != d.shape or a.ndim not in (1, 2) or not a.size:
        raise ValueError(
            f"`a` and `d` must have one shape, (n,) or (K, n), not empty; got {a.shape} and "
            f"{d.shape}"
        )
    xp = namespace_of(a, d)
    n = a.shape[-1]
    dtype = np.result_type(a.dtype, d.dtype)
    K = dct(n, norm="ortho", dtype=np.finfo(dtype).dtype)
    stages = [xp.asarray(F.values) for F in K.factors if hasattr(F, "values")]
    P = [Permutation(xp.asarray(F.p)) for F in K.factors if isinstance(F, Permutation)]
    back = [F._adjoint() for F in P]
    adjoint = [V.transpose(0, 1, 3, 2) for V in stages[::-1]]
    factors = []
    for left, middle in zip(a.reshape(-1, n), d.reshape(-1, n)):
        # A Q^T B^T = Q^T diag(A[q^-1]) B^T: the diagonal goes through the permutation.
        inner = left.take(P[0].p) if P else left
        factors += [*back, *_between(inner, adjoint, middle), *stages, *P]
    return Chain(factors)


def _hadamard(n, norm, *like):
    """Stages of the Hadamard matrix, in the real dtype and on the device of some arrays."""
    xp, e = namespace_of(*like), scale(norm)
    real = np.finfo(np.result_type(*(x.dtype for x in like))).dtype
    return [xp.asarray(V * V.shape[2] ** e, real) for V in hadamard_stages(n)]


def _between(left, stages, right):
    """Values of diag(left) F_1 ... F_L diag(right)."""
    stages = [*stages[:-1], scaled_columns(stages[-1], right)]
    return [scaled_rows(stages[0], left), *stages[1:]]
