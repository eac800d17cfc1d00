"""The Walsh-Hadamard transform of a function that can be asked anywhere and has a sparse spectrum.

A function of n bits, x[m] = sum_k X[k] (-1)^<m, k>, with K coefficients X[k] that are not zero, is
sampled at O(K n) of its 2^n arguments (O(K n) times a number of repetitions when the samples are
noisy): SPRIGHT, with the parts described in `structmat.transforms.sparse_peeling`.
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from structmat import _checks
from structmat.transforms.sparse_estimate import (
    CONFIDENCE,
    Estimate,
    Signal,
    strength_of_noise,
)
from structmat.transforms.walsh import fwht

__all__ = ["SparseSpectrum", "peeling_threshold", "sparse_fwht"]

# Fewest bins for each coefficient at which C groups are chosen: `peeling_threshold(C)` is where
# peeling begins to succeed as K grows, and these leave room for finite K.
MARGINS = {3: 0.65, 4: 0.5, 5: 0.45}
FEWEST_BINS = 8
MOST_REPETITIONS = 64


class SparseSpectrum(NamedTuple):
    """Coefficients of a sparse Walsh-Hadamard spectrum and their certificate.

    Attributes
    ----------
    indices : (s,) ndarray of int64
        Where the coefficients are, in ascending order.
    values : (s,) ndarray
        The coefficients X[k], real or complex as the signal is.
    converged : bool
        True when every bin is explained to rounding (to the noise) and the spectrum reproduces the
        signal at random arguments that were not used to find it.
    residual : float
        Root mean square of the signal minus the spectrum at these arguments, relative to that of
        the signal. About the relative noise where there is noise.
    samples : int
        How many values of the signal were asked for.
    attempts : int
        How many times hashes were drawn; 0 where the whole signal was transformed at once.
    rounds : int
        Rounds of peeling, over all attempts.
    """

    indices: Any
    values: Any
    converged: bool
    residual: float
    samples: int
    attempts: int
    rounds: int


def sparse_fwht(
    signal,
    n,
    k,
    noise=None,
    rng=None,
    *,
    groups=None,
    bins=None,
    repetitions=None,
    max_retries=3,
):
    """Sparse Walsh-Hadamard transform of a function of n bits.

    Parameters
    ----------
    signal : callable
        Takes an (s,) array of int64 in 0 .. 2^n - 1 and returns the (s,) values there, real or
        complex. Equal arguments must have equal values, up to the noise.
    n : int
        Number of bits, at most 63.
    k : int
        How many coefficients are not zero, at most. It decides the number of samples; more
        coefficients are found as long as the bins can tell them apart.
    noise : float, optional
        Standard deviation of independent errors in the values of ``signal`` (of a complex error,
        the root of its mean squared modulus). None or 0: values exact to rounding.
    rng : Generator, int or None
        As `numpy.random.default_rng`.
    groups : int, optional
        Independent hashings, at least 2. By default 3 to 5, whichever needs the fewest samples.
    bins : int, optional
        Bins of a group, a power of two. By default the next power of two above a margin times `k`,
        and twice as many at each new attempt.
    repetitions : int, optional
        Random offsets for each bit. By default 1 without noise; with noise as many as the energy
        of the signal asks for (and, with `bins` given, twice as many at each new attempt).
    max_retries : int
        How often new hashes are drawn when coefficients remain entangled. What was found stays, so
        that an attempt faces the rest only.

    Returns
    -------
    SparseSpectrum
        Named tuple ``(indices, values, converged, residual, samples, attempts, rounds)`` with
        ``signal(m) = sum_j values[j] (-1)^<m, indices[j]>``.

    Warns
    -----
    RuntimeWarning
        If the result is not certified (`converged` is False): the spectrum has more coefficients
        than `k`, is not sparse, or is weaker than the noise.

    Raises
    ------
    ValueError
        If an option is out of range, or ``signal`` returns NaN, infinity or the wrong shape.
    TypeError
        If ``signal`` is no callable, or its values are of a type without a meaning here.

    See Also
    --------
    structmat.transforms.fwht : of an array. ``X = fwht(x, norm="forward")`` is this X.

    Notes
    -----
    C groups of B bins are sampled at P offsets: C B P samples, with P = n + 1 without noise, and
    O(C B P log B) operations. With B = 2^b the bin of k is M^T k for a random n x b matrix M over
    GF(2). A bin with one coefficient shows its index in the signs over the offsets; it is read,
    checked, and subtracted in all groups, which leaves others alone in their bins. For random
    supports this succeeds for large K when B / K is above `peeling_threshold(C)`. Structured
    supports (a subspace, low degree) may entangle under one choice of hashes, so that another is
    drawn. Where the samples would be as many as 2^n, all of them are taken and transformed.

    Coefficients below 1e-12 of the signal's root mean square (relative to float64 values; 5e-4
    for float32) are rounding. The values come from least squares over all bins.

    References
    ----------
    X. Li, J. K. Bradley, S. Pawar and K. Ramchandran, "SPRIGHT: A fast and robust framework for
    sparse Walsh-Hadamard transform", 2015. R. Scheibler, S. Haghighatshoar and M. Vetterli, "A fast
    Hadamard transform for signals with sublinear sparsity in the transform domain", IEEE Trans.
    Inf. Theory 61, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.transforms import sparse_fwht
    >>> k = np.array([5, 2**39, 2**40 - 1])
    >>> def signal(m):
    ...     return (1 - 2.0 * (np.bitwise_count(m[:, None] & k) % 2)) @ [1.0, -2.0, 0.5]
    >>> spectrum = sparse_fwht(signal, 40, 3, rng=0)
    >>> spectrum.indices == k
    array([ True,  True,  True])
    >>> spectrum.values.round(12)
    array([ 1. , -2. ,  0.5])
    >>> spectrum.converged, spectrum.samples
    (True, 1048)
    """
    n = _checks.size(n, "n")
    if n > 63:
        raise ValueError(f"`n` must be at most 63, the bits of an index; got {n}")
    k = _checks.count(k, 2**n)
    noise = _checks.tolerance(noise, "noise") or 0.0
    max_retries = _checks.size(max_retries, "max_retries")
    given = bins is not None
    groups, bins = _plan(n, k, groups, bins)
    source = Signal(signal, n, noise, np.random.default_rng(rng))
    if repetitions is not None:
        count = _checks.count(repetitions, 2**20, "repetitions")
    else:
        count = _repetitions(source, n, k, bins) if noise else 1

    estimate = Estimate(source)
    attempts = rounds = 0
    while attempts <= max_retries:
        if groups * bins * count * (n + 1) >= 2**n:
            return _whole(source, attempts, rounds)
        attempts += 1
        rounds += estimate.improve(groups, bins, count)
        if estimate.certified():
            return _spectrum(estimate, True, attempts, rounds)
        if not given:
            bins *= 2
        elif noise and repetitions is None:
            count *= 2
    warnings.warn(
        f"sparse_fwht: not certified after {attempts} attempt(s): the {estimate.k.size} "
        f"coefficients found leave a relative residual of {estimate.residual():.2g}. Raise `k` "
        f"(now {k}) or `max_retries`, or say the `noise` of the signal",
        RuntimeWarning,
        stacklevel=2,
    )
    return _spectrum(estimate, False, attempts, rounds)


def peeling_threshold(groups):
    """Bins for each coefficient above which peeling succeeds, as the number of them grows.

    Parameters
    ----------
    groups : int
        C, at least 2.

    Returns
    -------
    float
        The smallest eta = B / K for which ``p <- (1 - exp(-p / eta))^(C - 1)`` falls from 1 to 0,
        p the chance that a coefficient is still hidden in a bin: density evolution on the graph of
        K coefficients and C groups of B bins.

    Raises
    ------
    ValueError
        If `groups` is less than 2.

    Notes
    -----
    A fixed point p = u^(C-1) needs eta = -u^(C-1) / log(1 - u); the threshold is the largest such
    eta over 0 < u < 1.

    References
    ----------
    X. Li, J. K. Bradley, S. Pawar and K. Ramchandran, "SPRIGHT: A fast and robust framework for
    sparse Walsh-Hadamard transform", 2015.

    Examples
    --------
    >>> from structmat.transforms import peeling_threshold
    >>> [round(peeling_threshold(groups), 4) for groups in (2, 3, 4, 5, 6)]
    [1.0, 0.4073, 0.3237, 0.285, 0.2616]
    """
    groups = _checks.size(groups, "groups")
    if groups < 2:
        raise ValueError(f"`groups` must be at least 2; got {groups}")
    low, high = 0.0, 1.0
    for _ in range(100):  # one maximum: thirds of the interval
        a, b = low + (high - low) / 3, high - (high - low) / 3
        if _fixed_point(a, groups) < _fixed_point(b, groups):
            low = a
        else:
            high = b
    return _fixed_point((low + high) / 2, groups)


def _fixed_point(u, groups):
    return u ** (groups - 1) / -math.log1p(-u) if 0 < u < 1 else float(groups == 2 and u == 0)


# ---------------------------------------------------------------- how many samples


def _plan(n, k, groups, bins):
    """Groups and bins: those given, else the fewest samples within the margins."""
    if groups is not None:
        groups = _checks.size(groups, "groups")
        if groups < 2:
            raise ValueError(f"`groups` must be at least 2; got {groups}")
    if bins is not None:
        bins = _checks.count(bins, 2**n, "bins")
        if bins & (bins - 1):
            raise ValueError(f"`bins` must be a power of two; got {bins}")
        return groups or 3, bins
    plans = []
    for c, margin in MARGINS.items() if groups is None else ((groups, _margin(groups)),):
        least = max(margin * k, FEWEST_BINS)
        plans.append((c, min(1 << math.ceil(math.log2(least)), 2**n)))
    return min(plans, key=lambda plan: plan[0] * plan[1])


def _margin(groups):
    return MARGINS.get(groups, 1.6 * peeling_threshold(groups))


def _repetitions(source, n, k, bins):
    """Offsets for each bit that a coefficient of average size among k needs."""
    energy = max(source.mean_square() - source.noise**2, 0.0)
    ratio = bins * energy / (k * source.noise**2)  # of a coefficient to the noise of its bin
    level = CONFIDENCE + math.log(bins)
    for count in range(1, MOST_REPETITIONS):
        bits_are_right = count * ratio > 2 * level
        if bits_are_right and count * (n + 1) * ratio > 2 * strength_of_noise(n, count, level):
            return count
    return MOST_REPETITIONS


def _whole(source, attempts, rounds):
    """All 2^n values and their transform: where bins would need as many."""
    size = 1 << source.n
    _checks.guard_dense((size, 1), np.complex128, "sparse_fwht")
    X = fwht(source(np.arange(size, dtype=np.int64)), norm="forward")
    variance = source.noise**2 / size
    level = source.rounding() + math.sqrt(2 * variance * (CONFIDENCE + math.log(size)))
    k = np.flatnonzero(np.abs(X) > level)
    estimate = Estimate(source, k.astype(np.int64), X[k])
    return _spectrum(estimate, True, attempts, rounds)


def _spectrum(estimate, converged, attempts, rounds):
    source = estimate.source
    values = (estimate.values * source.scale).astype(source.dtype)
    return SparseSpectrum(
        estimate.k, values, converged, estimate.residual(), source.samples, attempts, rounds
    )
