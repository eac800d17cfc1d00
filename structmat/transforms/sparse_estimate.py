"""What `sparse_fwht` knows: a signal to be asked, an estimate to be improved and certified.

An attempt draws hashes, peels what the estimate leaves of the signal, and fits all coefficients to
all bins. The certificate asks more than that every coefficient found is right: that none is left.
"""

import math

import numpy as np

from structmat import _checks
from structmat.transforms import sparse_peeling as peeling

__all__ = ["CONFIDENCE", "Estimate", "Signal", "energy_of_noise", "strength_of_noise"]

CHECKS = 64  # samples that judge the result and are used for nothing else
NOISY_CHECKS = 256
# Rounding of a bin, relative to the root mean square of the signal, in units of its eps: 1e-12.
ROUNDING = 4096
# -log of the chance that noise alone passes for a coefficient, or an honest result for a wrong one.
CONFIDENCE = 10.0


class Signal:
    """The callable, scaled to about 1, with its values checked and counted and some kept apart."""

    def __init__(self, function, n, noise, rng):
        if not callable(function):
            raise TypeError(
                "`signal` must be a callable of an array of indices; got "
                f"{type(function).__name__}. For an array of all values use transforms.fwht"
            )
        self.function, self.n, self.rng = function, n, rng
        self.samples, self.square = 0, 0.0
        self.eps, self.dtype = 0.0, np.dtype(np.float32)
        count = NOISY_CHECKS if noise else CHECKS
        self.checks = rng.integers(0, 1 << n, size=count, dtype=np.int64)
        values = self._ask(self.checks)
        largest = float(np.abs(values).max())
        # A power of two, so that the division is exact.
        self.scale = math.ldexp(1.0, min(math.frexp(largest)[1], 1023)) if largest else 1.0
        self.noise = noise / self.scale
        self.values = self._scaled(values)

    def __call__(self, indices):
        """Its values, divided by `scale`, in double precision."""
        return self._scaled(self._ask(indices.ravel())).reshape(indices.shape)

    def _ask(self, indices):
        values = self.function(indices.copy())
        if type(values).__module__.partition(".")[0] == "cupy":
            raise _checks.MixedDevicesError("`signal` must return a NumPy array; use `.get()`")
        values = _checks.as_array(values, "the result of `signal`")
        if values.shape != indices.shape:
            raise ValueError(
                f"`signal` must return one value for each index: for indices of shape "
                f"{indices.shape} it returned shape {values.shape}"
            )
        return _checks.finite(values, "the result of `signal`")

    def _scaled(self, values):
        self.samples += values.size
        self.eps = max(self.eps, float(np.finfo(values.dtype).eps))
        self.dtype = np.result_type(self.dtype, values.dtype)
        values = values.astype(np.result_type(values, np.float64)) / self.scale
        self.square += float(np.sum(np.abs(values) ** 2))
        return values

    def mean_square(self):
        """Mean squared modulus of all values so far."""
        return self.square / self.samples

    def rounding(self):
        """What counts as zero in a bin."""
        return ROUNDING * self.eps * math.sqrt(self.mean_square())


class Estimate:
    """The coefficients found so far, and what certifies them."""

    def __init__(self, source, k=None, values=None):
        self.source = source
        self.k = np.zeros(0, np.int64) if k is None else k
        self.values = np.zeros(0) if values is None else values
        self.explained = False

    def improve(self, groups, bins, repetitions):
        """One attempt: new hashes, peeling of what the estimate leaves, least squares; rounds."""
        source, n, b = self.source, self.source.n, bins.bit_length() - 1
        _checks.guard_dense((groups * bins, repetitions * (n + 1)), np.complex128, "sparse_fwht")
        d = peeling.offsets(n, repetitions, source.rng)
        hashes = [peeling.random_hash(n, b, source.rng) for _ in range(groups)]
        U = peeling.bins_of(source, hashes, d)
        rounding = d.size * source.rounding() ** 2
        variance = source.noise**2 / bins
        level = CONFIDENCE + math.log(groups * bins)
        threshold = peeling.Threshold(
            rounding + variance * energy_of_noise(d.size, level),
            rounding + variance * strength_of_noise(n, repetitions, level),
        )
        before = peeling.energy(U).sum()
        peeling.subtract(U, hashes, d, self.k, self.values)
        if peeling.energy(U).sum() > before:  # an earlier attempt was misled
            peeling.subtract(U, hashes, d, self.k, -self.values)
            self.k, self.values = self.k[:0], self.values[:0]
        k, values, rounds = peeling.peel(U, hashes, d, n, threshold)
        k, values = peeling.merge(
            np.concatenate((self.k, k)), np.concatenate((self.values, values))
        )
        better = values
        # With coefficients still hidden in the bins, least squares would blame those found.
        if peeling.empty(U, d, n, threshold):
            better = values + peeling.refine(U, hashes, d, k)
        least = source.rounding() + math.sqrt(2 * variance * level / (groups * d.size))
        better = np.where(np.abs(better) > least, better, 0)
        peeling.subtract(U, hashes, d, k, better - values)
        # Many weak coefficients hide below the threshold of a bin, but not in the sum of all bins.
        allowed = groups * bins * rounding + variance * energy_of_noise(U.size, CONFIDENCE)
        self.explained = (
            peeling.empty(U, d, n, threshold) and float(peeling.energy(U).sum()) <= allowed
        )
        self.k, self.values = k[better != 0], better[better != 0]
        return rounds

    def rest(self):
        """The kept values minus those of the spectrum."""
        return self.source.values - peeling.signs(self.source.checks, self.k) @ self.values

    def certified(self):
        """Whether the bins and the values kept apart agree that nothing is left."""
        source, rest = self.source, np.abs(self.rest())
        if not self.explained:
            return False
        allowed = 4 * source.rounding() * math.sqrt(self.k.size + 1)
        if not source.noise:
            return bool(rest.max() <= allowed)
        m = rest.size
        excess = energy_of_noise(m, CONFIDENCE) / m
        return float(np.mean(rest**2)) <= source.noise**2 * excess + allowed**2

    def residual(self):
        """Root mean square of what is left of the kept values, relative to theirs."""
        size = float(np.sqrt(np.mean(np.abs(self.source.values) ** 2)))
        rest = float(np.sqrt(np.mean(np.abs(self.rest()) ** 2)))
        return rest / size if size else rest


def energy_of_noise(degrees, level):
    """A chi-squared variable stays below, but for a chance of exp(-level).

    Laurent and Massart (2000), lemma 1.
    """
    return degrees + 2 * math.sqrt(degrees * level) + 2 * level


def strength_of_noise(n, repetitions, level):
    """The strength of noise of variance 1 stays below, whichever of 2^n signs fit it best."""
    return energy_of_noise(repetitions, level + n * math.log(2))
