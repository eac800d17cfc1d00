"""Covariance functions of a distance, and product kernels on grids.

A kernel function maps distances r and a lengthscale l to (k, dk/dl), arrays of the shape of r
[1]_ with ``s = sqrt(2 nu) r / l`` for Matern functions:

===================  ====  =========================  =======================
name                 nu    k                          l dk/dl
===================  ====  =========================  =======================
exponential          1/2   exp(-s)                    s exp(-s)
matern32             3/2   (1 + s) exp(-s)            s^2 exp(-s)
matern52             5/2   (1 + s + s^2/3) exp(-s)    s^2 (1 + s)/3 exp(-s)
squared_exponential  inf   exp(-s^2/2), s = r / l     s^2 exp(-s^2/2)
===================  ====  =========================  =======================

References
----------
.. [1] C. E. Rasmussen and C. K. I. Williams, *Gaussian Processes for Machine Learning*, MIT Press,
   2006, eqs. (4.9), (4.17).
"""

import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.matrices.elementary import Dense
from structmat.matrices.kronecker import Kronecker
from structmat.matrices.kronecker.khatri_rao import FaceSplitting

__all__ = ["KERNELS", "GridKernel"]


def _exponential(r, lengthscale):
    s = r / lengthscale
    k = np.exp(-s)
    return k, s * k / lengthscale


def _matern32(r, lengthscale):
    s = math.sqrt(3) / lengthscale * r
    e = np.exp(-s)
    return (1 + s) * e, s * s * e / lengthscale


def _matern52(r, lengthscale):
    s = math.sqrt(5) / lengthscale * r
    e = np.exp(-s)
    return (1 + s + s * s / 3) * e, s * s * (1 + s) * e / (3 * lengthscale)


def _squared_exponential(r, lengthscale):
    s = r / lengthscale
    k = np.exp(-0.5 * s * s)
    return k, s * s * k / lengthscale


KERNELS = {
    "exponential": _exponential,
    "matern32": _matern32,
    "matern52": _matern52,
    "squared_exponential": _squared_exponential,
}


class GridKernel:
    """Product kernel on a grid: a variance times the Kronecker product of one kernel an axis.

    ``K_i[p, q] = k_i(|x_i[p] - x_i[q]|; lengthscale_i)`` on axis i; the points of the grid are all
    combinations of coordinates, the last axis fastest, as in ``y.reshape(-1)`` of an array of
    values. It is called with hyper-parameters and returns the covariance matrix with its
    derivatives, which is what :class:`GaussianProcess` needs.

    Parameters
    ----------
    *axes : array, shape (n_i,)
        Coordinates along each axis, in any order and spacing; integers become float64, float32
        gives a covariance in float32.
    kernel : str, callable, or a sequence of one for each axis
        "exponential", "matern32", "matern52", "squared_exponential", or a function of
        (distances, lengthscale) that returns (k, dk/dlengthscale).
    lengthscales : float or sequence of float, optional
        Where optimisation starts; by default a tenth of each axis's extent.
    variance : float
        Where optimisation starts.

    Attributes
    ----------
    parameters : dict
        Names and starting values: "variance", "lengthscale_0", "lengthscale_1", ...

    Raises
    ------
    ValueError
        No axis, an axis that is not one-dimensional or holds NaN, an unknown kernel, or a starting
        value that is not positive.
    TypeError
        Complex coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.estimators.gp import GridKernel
    >>> axes = np.arange(3), np.arange(4)
    >>> covariance = GridKernel(*axes, kernel="exponential", lengthscales=(1, 2))
    >>> K, derivatives = covariance(covariance.parameters)
    >>> K
    <12x12 Kronecker of dtype float64, 200 B, 0.17 of dense>
    >>> float(K[0, 11]) == float(np.exp(-2 / 1) * np.exp(-3 / 2))
    True
    >>> len(derivatives), list(covariance.parameters)
    (3, ['variance', 'lengthscale_0', 'lengthscale_1'])
    """

    def __init__(self, *axes, kernel="matern32", lengthscales=None, variance=1.0):
        if not axes:
            raise ValueError("GridKernel needs at least one axis; got none")
        self.axes = tuple(_coordinates(x, f"axes[{i}]") for i, x in enumerate(axes))
        d = len(self.axes)
        kernels = (kernel,) * d if isinstance(kernel, str) or callable(kernel) else tuple(kernel)
        if len(kernels) != d:
            raise ValueError(f"`kernel` must be one, or one for each of {d} axes; got {kernels}")
        self.kernels = tuple(
            k if callable(k) else KERNELS[_checks.choice(k, "kernel", KERNELS)] for k in kernels
        )
        if lengthscales is None:
            lengthscales = [_extent(x) / 10 or 1.0 for x in self.axes]
        elif np.ndim(lengthscales) == 0:
            lengthscales = [lengthscales] * d
        if len(lengthscales) != d:
            raise ValueError(f"`lengthscales` must have {d} entries; got {len(lengthscales)}")
        starts = {f"lengthscale_{i}": float(value) for i, value in enumerate(lengthscales)}
        self.parameters = {"variance": float(variance), **starts}
        for name, value in self.parameters.items():
            if not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be a positive number; got {value}")

    @property
    def shape(self):
        """Points along each axis."""
        return tuple(int(x.shape[0]) for x in self.axes)

    def __call__(self, parameters):
        """(K, [dK/d parameter, in the order of `parameters`]) at these hyper-parameters."""
        variance, scales = self._split(parameters)
        grids = [abs(x[:, None] - x) for x in self.axes]
        values, slopes = zip(*(k(r, s) for k, r, s in zip(self.kernels, grids, scales)))
        correlation = Kronecker(*values)
        derivatives = [correlation]
        for i, slope in enumerate(slopes):
            derivatives.append(variance * Kronecker(*values[:i], slope, *values[i + 1 :]))
        return variance * correlation, derivatives

    def cross(self, points, parameters):
        """Covariance of the values at `points` with those at the grid, shape (m, n).

        Parameters
        ----------
        points : tuple of arrays, or array of shape (m, d)
            The axes of another grid, or coordinates of single points.
        parameters : dict
            Hyper-parameters.

        Returns
        -------
        Kronecker or FaceSplitting
            The latter is the rowwise Kronecker product, for single points.
        """
        variance, scales = self._split(parameters)
        new, on_grid = self._new(points)
        parts = (abs(p[:, None] - x) for p, x in zip(new, self.axes))
        factors = (k(r, s)[0] for k, r, s in zip(self.kernels, parts, scales))
        return variance * (Kronecker if on_grid else FaceSplitting)(*factors)

    def prior(self, points, parameters):
        """Covariance of the values at `points` among themselves, shape (m, m)."""
        variance, scales = self._split(parameters)
        new, on_grid = self._new(points)
        if not on_grid:
            _checks.guard_dense((len(points),) * 2, new[0].dtype, "covariance of single points")
        parts = (abs(p[:, None] - p) for p in new)
        factors = (k(r, s)[0] for k, r, s in zip(self.kernels, parts, scales))
        return variance * (Kronecker(*factors) if on_grid else Dense(math.prod(factors)))

    def prior_diagonal(self, points, parameters):
        """Variance of the value at each of `points`, shape (m,)."""
        variance, scales = self._split(parameters)
        new, on_grid = self._new(points)
        zero = namespace_of(*new).zeros(1, new[0].dtype)
        peak = math.prod(float(k(zero, s)[0][0]) for k, s in zip(self.kernels, scales))
        m = math.prod(len(p) for p in new) if on_grid else len(points)
        return namespace_of(*new).full(m, variance * peak, new[0].dtype)

    def _split(self, parameters):
        values = [float(parameters[name]) for name in self.parameters]
        return values[0], values[1:]

    def _new(self, points):
        """(coordinates along each axis, whether they span a grid)."""
        d = len(self.axes)
        if isinstance(points, list):
            raise TypeError(
                "`points` is a list, which may mean axes or single points: pass a tuple of axes "
                "(x, y), or an array of points of shape (m, d)"
            )
        on_grid = isinstance(points, tuple)
        if not on_grid:
            points = _checks.as_parameter(points, "points", ndim=2)
            if points.shape[1] == d:
                points = list(points.T)
        if len(points) != d:
            came = f"{len(points)} axes" if on_grid else f"an array of shape {points.shape}"
            raise ValueError(
                f"`points` must be a tuple of {d} axes or an array of shape (m, {d}); got {came}"
            )
        return [_coordinates(p, f"points[{i}]") for i, p in enumerate(points)], on_grid


def _coordinates(x, name):
    x = _checks.finite(_checks.as_parameter(x, name, ndim=1), name)
    if x.dtype.kind == "c":
        raise TypeError(f"`{name}` must be real; got dtype {x.dtype}")
    return x


def _extent(x):
    return float(x.max() - x.min()) if len(x) else 0.0
