"""Bins of a sparse Walsh-Hadamard spectrum, and the peeling that reads them.

A *hash* is an n x b matrix M over GF(2) of full column rank, kept as b integers of n bits. Sampling
x on the affine space M l + d and a transform of length B = 2^b fold the spectrum into B bins,

    U[j] = 1/B sum_l x[M l + d] (-1)^<l, j> = sum_{k: M^T k = j} X[k] (-1)^<d, k>,

so that over several offsets d_p the vector of a bin with one coefficient is X[k] s_k with
s_k[p] = (-1)^<d_p, k>. The offsets are r_q and r_q XOR e_i (i < n), for which that vector, as a
matrix over (q, i), has rank one: signs of <r_q, k> times X[k] times signs of the bits of k.

Arrays: bins (groups, B, P), offsets (P,), coefficients (s,) with their indices (s,) of int64.
"""

from typing import NamedTuple

import numpy as np

from structmat.transforms.walsh import fwht

__all__ = [
    "Threshold",
    "bins_of",
    "empty",
    "energy",
    "merge",
    "offsets",
    "peel",
    "random_hash",
    "refine",
    "signs",
    "subtract",
]

ROUNDS = 200  # more than ten are seen close to the threshold only


def parity(x):
    """The number of ones in each entry, modulo 2."""
    return np.bitwise_count(x) & np.uint8(1)


def signs(k, d):
    """(-1)^<d, k> for all pairs, (len(k), len(d)) of float64."""
    return 1.0 - 2.0 * parity(k[:, None] & d)


def random_hash(n, b, rng):
    """b linearly independent random columns over GF(2), (b,) of int64."""
    while True:
        columns = rng.integers(0, 1 << n, size=b, dtype=np.int64)
        if _rank(columns.tolist()) == b:
            return columns


def _rank(vectors):
    pivots = []
    for v in vectors:
        for p in pivots:
            v = min(v, v ^ p)
        if v:
            pivots.append(v)
    return len(pivots)


def place(columns, k):
    """The bin M^T k of every k."""
    j = np.zeros(k.shape, np.int64)
    for i, column in enumerate(columns):
        j |= parity(k & column).astype(np.int64) << i
    return j


def offsets(n, repetitions, rng):
    """r_q and r_q XOR e_i, (repetitions (n + 1),) of int64; r_0 alone is 0."""
    r = rng.integers(0, 1 << n, size=repetitions, dtype=np.int64)
    if repetitions == 1:
        r[0] = 0
    units = np.concatenate(([0], np.int64(1) << np.arange(n, dtype=np.int64)))
    return (r[:, None] ^ units).ravel()


def bins_of(signal, hashes, d):
    """Sample every group at every offset and fold: (groups, B, P)."""
    folded = []
    for columns in hashes:
        points = np.zeros(1, np.int64)
        for column in columns:
            points = np.concatenate((points, points ^ column))
        samples = signal(points ^ d[:, None])
        folded.append(fwht(samples, norm="forward").T)
    return np.stack(folded)


def energy(V):
    """Squared 2-norm along the last axis."""
    return np.einsum("...p,...p->...", V, V.conj()).real


def subtract(bins, hashes, d, k, values):
    """Remove the coefficients `values` at `k` from every bin that they fall into, in place."""
    vectors = values[:, None] * signs(k, d)
    for group, columns in zip(bins, hashes):
        np.subtract.at(group, place(columns, k), vectors)


class Threshold(NamedTuple):
    """What rounding and noise alone may reach in a bin: its energy, and its `strength`."""

    energy: float
    strength: float

    def passed(self, V, strength):
        """Which bins hold more than that."""
        return (energy(V) > self.energy) | (strength > self.strength)


def peel(bins, hashes, d, n, threshold):
    """Read bins with one coefficient and subtract it everywhere, until nothing more is found.

    Parameters
    ----------
    bins : (groups, B, P) ndarray
        Overwritten by what remains.
    hashes : list of (b,) ndarray
    d : (P,) ndarray
    n : int
    threshold : Threshold

    Returns
    -------
    (s,) ndarray of int64, (s,) ndarray, int
        Indices in ascending order, coefficients, rounds. A coefficient that is found again, as the
        remainder of an earlier find, is added to it.
    """
    found, values = [np.zeros(0, np.int64)], [np.zeros(0, bins.dtype)]
    changed = np.ones(bins.shape[:2], bool)
    for _ in range(ROUNDS):
        group, j = np.nonzero(changed)
        V = bins[group, j]
        k, rho, strength = _read(V, d, n)
        alone = threshold.passed(V, strength)
        alone &= energy(V - rho[:, None] * signs(k, d)) <= threshold.energy
        for c, columns in enumerate(hashes):
            mine = group == c
            alone[mine] &= place(columns, k[mine]) == j[mine]
        if not alone.any():
            break
        # What several groups say in one round are estimates of one number: their mean.
        k, rho = merge(k[alone], rho[alone], mean=True)
        subtract(bins, hashes, d, k, rho)
        changed[:] = False
        for c, columns in enumerate(hashes):
            changed[c, place(columns, k)] = True
        found.append(k)
        values.append(rho)
    return *merge(np.concatenate(found), np.concatenate(values)), len(found) - 1


def empty(bins, d, n, threshold):
    """Whether no bin holds more than rounding and noise."""
    V = bins.reshape(-1, d.size)
    return not threshold.passed(V, _read(V, d, n)[2]).any()


def merge(k, values, mean=False):
    """Equal indices once, in ascending order, with the sum (or mean) of their values."""
    k, where, count = np.unique(k, return_inverse=True, return_counts=True)
    total = np.zeros(k.size, values.dtype)
    np.add.at(total, where, values)
    return k, total / count if mean else total


def _read(V, d, n):
    """Index, coefficient and strength of every bin vector, were it of one coefficient.

    The bits of k are the signs of the right factor of the best approximation of rank one, which
    three steps of the power method find; with one offset r the first is exact. The strength is the
    energy along these bits, whatever the signs of <r_q, k>.
    """
    matrix = V.reshape(len(V), d.size // (n + 1), n + 1)
    left = matrix[:, :, 0]
    for _ in range(3 if matrix.shape[1] > 1 else 1):
        right = np.einsum("vq,vqi->vi", left.conj(), matrix).real
        left = np.einsum("vqi,vi->vq", matrix, right)
    bits = right * right[:, :1] < 0
    k = bits[:, 1:] @ (np.int64(1) << np.arange(n, dtype=np.int64))
    strength = energy(np.einsum("vqi,vi->vq", matrix, 1.0 - 2.0 * bits)) / (n + 1)
    return k, np.einsum("vp,vp->v", signs(k, d), V) / d.size, strength


def refine(bins, hashes, d, k, steps=30):
    """The correction of the coefficients at `k` that leaves the least energy in the bins.

    Conjugate gradients on the normal equations; the bins are what remains of them now.
    """
    s = signs(k, d)
    places = [place(columns, k) for columns in hashes]

    def fold(values):
        out = np.zeros_like(bins)
        for group, j in zip(out, places):
            np.add.at(group, j, values[:, None] * s)
        return out

    def gather(U):
        return sum(np.einsum("kp,kp->k", s, group[j]) for group, j in zip(U, places))

    x = np.zeros(k.size, bins.dtype)
    rest = gather(bins)
    direction, size = rest, energy(rest)
    enough = np.finfo(np.float64).eps ** 2 * size
    for _ in range(steps):
        if not size > enough:
            break
        image = fold(direction)
        step = size / energy(image.ravel())
        x = x + step * direction
        rest = rest - step * gather(image)
        before, size = size, energy(rest)
        direction = rest + (size / before) * direction
    return x
