"""A few eigenvalues: `eigsh` and `eigs`, doors to ARPACK in ``scipy.sparse.linalg``.

What the doors add: a start vector that is the same from call to call, and a partial answer in the
error when not all has converged.
"""

import numpy as np

from structmat import _checks
from structmat._results import EighResult, EigResult
from structmat.iterative.columns import gaussian, host, real_dtype

__all__ = ["eigs", "eigsh"]


def eigsh(
    apply,
    n,
    dtype,
    k,
    which="LM",
    *,
    solve=None,
    rtol=0.0,
    maxiter=None,
    rng=None,
    return_eigenvectors=True,
    xp=np,
):
    """k eigenvalues and eigenvectors of a Hermitian matrix, by ARPACK.

    Parameters
    ----------
    apply : callable
        ``X`` (n, 1) to ``A X``.
    n, dtype
        Order and dtype of A.
    k : int
        How many, ``0 < k < n``.
    which : {"LM", "SM", "LA", "SA", "BE"}
        Largest or smallest in modulus, largest or smallest, or k/2 from each end.
    solve : callable, optional
        ``B`` (n, 1) to ``A^{-1} B``. Needed by "SM", which iterates with the inverse.
    rtol : float
        ARPACK's tolerance; 0 is the precision of the dtype.
    maxiter : int, optional
        Most restarts; ``10 n`` by default.
    rng : Generator, int or None
        For the start vector. None is a fixed seed.
    return_eigenvectors : bool
        False leaves the vectors out (None).
    xp : module
        numpy or cupy: what `apply` and `solve` take, and the result is. ARPACK itself runs on the
        host, so that each product moves one vector there and back.

    Returns
    -------
    EighResult
        Eigenvalues ascend; eigenvectors (n, k) are orthonormal.

    Raises
    ------
    ValueError
        When k >= n, and for "SM" without `solve`.
    ConvergenceError
        When `maxiter` is reached; `.result` holds the pairs that have converged.

    Notes
    -----
    Lehoucq, Sorensen and Yang (1998). One vector at a time: eigenvalues of high multiplicity may be
    reported fewer times than they occur.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.arange(1.0, 101.0)[:, None]
    >>> result = eigsh(lambda X: d * X, 100, np.float64, 2)
    >>> np.round(result.eigenvalues, 8)
    array([ 99., 100.])
    """
    dtype = _checks.result_dtype(dtype)
    _checks.choice(which, "which", ("LM", "SM", "LA", "SA", "BE"))
    k = _checks.size(k, "k")
    if not 0 < k < n:
        raise ValueError(
            f"eigsh by ARPACK finds 0 < k < n eigenvalues; got k={k} and n={n}. "
            "For all of them use eigh of the dense matrix"
        )
    if which == "BE" and dtype.kind == "c":
        # ARPACK has no complex Hermitian routine, hence no both ends: half from each.
        options = {
            "rtol": rtol,
            "maxiter": maxiter,
            "rng": rng,
            "return_eigenvectors": return_eigenvectors,
            "xp": xp,
        }
        high = eigsh(apply, n, dtype, k - k // 2, "LA", **options)
        if k == 1:
            return high
        low = eigsh(apply, n, dtype, k // 2, "SA", **options)
        values = xp.concatenate([low.eigenvalues, high.eigenvalues])
        if not return_eigenvectors:
            return EighResult(values, None)
        return EighResult(values, xp.hstack([low.eigenvectors, high.eigenvectors]))

    from scipy.sparse.linalg import eigsh as arpack

    values, vectors = _run(
        arpack,
        EighResult,
        (apply, n, dtype, k, which),
        solve=solve,
        rtol=rtol,
        maxiter=maxiter,
        rng=rng,
        return_eigenvectors=return_eigenvectors,
        xp=xp,
    )
    order = xp.argsort(values)
    return EighResult(values[order], None if vectors is None else vectors[:, order])


def eigs(
    apply,
    n,
    dtype,
    k,
    which="LM",
    *,
    solve=None,
    rtol=0.0,
    maxiter=None,
    rng=None,
    return_eigenvectors=True,
    xp=np,
):
    """k eigenvalues and eigenvectors of any square matrix, by ARPACK.

    Parameters
    ----------
    k : int
        How many, ``0 < k < n - 1``.
    which : {"LM", "SM", "LR", "SR", "LI", "SI"}
        Largest or smallest modulus, real part, imaginary part.
    apply, n, dtype, solve, rtol, maxiter, rng, return_eigenvectors, xp
        As in `eigsh`.

    Returns
    -------
    EigResult
        Complex eigenvalues (k,) and unit eigenvectors (n, k), in no order.

    Raises
    ------
    ValueError
        When k >= n - 1, and for "SM" without `solve`.
    ConvergenceError
        When `maxiter` is reached; `.result` holds the pairs that have converged.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.arange(1.0, 101.0)[:, None]
    >>> result = eigs(lambda X: d * X, 100, np.float64, 2)
    >>> np.round(np.sort(result.eigenvalues.real), 8)
    array([ 99., 100.])
    """
    dtype = _checks.result_dtype(dtype)
    _checks.choice(which, "which", ("LM", "SM", "LR", "SR", "LI", "SI"))
    k = _checks.size(k, "k")
    if not 0 < k < n - 1:
        raise ValueError(
            f"eigs by ARPACK finds 0 < k < n - 1 eigenvalues; got k={k} and n={n}. "
            "For all of them use eig of the dense matrix"
        )
    from scipy.sparse.linalg import eigs as arpack

    return _run(
        arpack,
        EigResult,
        (apply, n, dtype, k, which),
        solve=solve,
        rtol=rtol,
        maxiter=maxiter,
        rng=rng,
        return_eigenvectors=return_eigenvectors,
        xp=xp,
    )


def _run(arpack, result, problem, *, solve, rtol, maxiter, rng, return_eigenvectors, xp):
    from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator

    apply, n, dtype, k, which = problem

    def on_host(f):
        return lambda x: host(f(xp.asarray(x.reshape(n, 1)))).reshape(n)

    def operator(f):
        return LinearOperator((n, n), matvec=on_host(f), dtype=dtype)

    shift = {}
    if which == "SM":
        if solve is None:
            raise ValueError(
                'which="SM" needs `solve`, a callable B -> A^{-1} B, since the smallest '
                "eigenvalues are found as the largest of the inverse; without one use the dense "
                "matrix"
            )
        shift = {"sigma": 0.0, "OPinv": operator(solve)}
        which = "LM"
    rng = np.random.default_rng(0 if rng is None else rng)
    v0 = gaussian(rng, n, dtype)

    def answer(values, vectors):
        return result(xp.asarray(values), None if vectors is None else xp.asarray(vectors))

    try:
        found = arpack(
            operator(apply),
            k=k,
            which=which,
            v0=v0,
            tol=_checks.tolerance(rtol, "rtol") or 0.0,
            maxiter=maxiter,
            return_eigenvectors=return_eigenvectors,
            **shift,
        )
    except ArpackNoConvergence as error:
        raise _checks.ConvergenceError(
            f"ARPACK found {len(error.eigenvalues)} of {k} eigenvalues (which={which!r}, n={n}); "
            "raise `maxiter` or `rtol`, or take the partial answer from `.result`",
            answer(error.eigenvalues, error.eigenvectors),
        ) from None
    except ArpackError as error:
        if on_host(apply)(v0).any():
            raise _checks.ConvergenceError(
                f"ARPACK stopped without an answer ({error}); use the dense matrix"
            ) from None
        # A maps a Gaussian vector to zero: A is zero (with probability one).
        real = real_dtype(dtype)
        values = np.zeros(k, real if result is EighResult else np.result_type(real, np.complex64))
        found = values, np.eye(n, k, dtype=dtype)
    return answer(*(found if return_eigenvectors else (found, None)))
