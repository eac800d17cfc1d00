r"""
High-frequency partial differential equations on a grid
=======================================================

Poisson's equation with the solution :math:`\sin 100x \, \sin 100y`, and an Allen-Cahn equation with
three frequencies, on grids of 160,000 and 40,000 points, in about a second each. The discretisation
is that of a Gaussian process with a spectral-mixture kernel, which can represent such frequencies
with four points a wave. It is usually *trained*, with a million gradient steps; here its
hyper-parameters stay at their initial values and the equations are solved directly, because they
are a :class:`structmat.KroneckerSum`.

**The discretisation.** With a kernel :math:`k` on a line and :math:`K_{ij} = k(x_i - x_j)`, values
:math:`u` on the grid are interpolated by :math:`u(x) = k(x, X) K^{-1} u`. Differentiating the
kernel gives the matrix of second derivatives on the grid,

.. math:: D = K'' K^{-1}, \qquad K''_{ij} = k''(x_i - x_j).

**The equation.** On a product grid with values :math:`U`, :math:`\Delta u = f` is

.. math:: D_1 U + U D_2^T = F \quad\Longleftrightarrow\quad (D_1 \oplus D_2) \operatorname{vec} U
          = \operatorname{vec} F.

Dirichlet values are known: their rows are eliminated and moved to the right-hand side.

The kernels and test problems are those of Fang, Cooley, Long, Li, Kirby and Zhe, *Solving high
frequency and multi-scale PDEs with Gaussian processes*, ICLR 2024 (arXiv:2311.04465).
"""

import time

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

import structmat as sm

# %%
# The kernels
# -----------
# A mixture of 30 components around frequencies 0 ... F (the frequencies of the solution must lie
# among them): :math:`k(r) = \frac{1}{30} \sum_q \gamma(r) \cos(2 \pi \mu_q r)`. The envelope
# :math:`\gamma` is a Gaussian, or the Matern-5/2 function, which is a mixture of Student-t spectra.


def matern(r):
    """Envelope, first and second derivative: Matern-5/2 of length scale 1."""
    a, r_abs = np.sqrt(5.0), np.abs(r)
    decay = np.exp(-a * r_abs)
    g = (1 + a * r_abs + a**2 * r**2 / 3) * decay
    dg = -(a**2 / 3) * r * (1 + a * r_abs) * decay
    ddg = -(a**2 / 3) * (1 + a * r_abs - a**2 * r**2) * decay
    return g, dg, ddg


def gaussian(r):
    """Envelope, first and second derivative: exp(-r^2)."""
    g = np.exp(-(r**2))
    return g, -2 * r * g, (4 * r**2 - 2) * g


def kernel(x, y, envelope, highest, components=30):
    """k(x - y) and its second derivative, (len(x), len(y)) each."""
    r = x[:, None] - y[None, :]
    g, dg, ddg = envelope(r)
    K, ddK = np.zeros_like(r), np.zeros_like(r)
    for m in 2 * np.pi * highest * np.linspace(0, 1, components):
        cosine, sine = np.cos(m * r), np.sin(m * r)
        K += g * cosine
        ddK += ddg * cosine - 2 * m * dg * sine - m**2 * g * cosine
    return K / components, ddK / components


# %%
# The discretisation in one dimension
# -----------------------------------
# K is ill-conditioned (1e6 to 1e14), and a *jitter* on its diagonal bounds that. The error of the
# whole method is limited by the jitter, not by the solver. Note the solve with the transposes: an
# explicit inverse of K would lose digits.


class Line:
    """A grid of n points on [0, length], with its matrix of second derivatives."""

    def __init__(self, length, n, envelope, highest, jitter):
        self.x = np.linspace(0, length, n)
        self.envelope, self.highest = envelope, highest
        K, ddK = kernel(self.x, self.x, envelope, highest)
        self.K = K + jitter * np.eye(n)
        self.D = np.linalg.solve(self.K.T, ddK.T).T
        self.inside = self.D[1:-1, 1:-1]

    def interpolation(self, points):
        """The matrix from grid values to values at other points."""
        to_grid, _ = kernel(points, self.x, self.envelope, self.highest)
        return np.linalg.solve(self.K.T, to_grid.T).T


def boundary_term(line, exact):
    """What the known boundary values contribute inside: the right-hand side loses it."""
    known = exact.copy()
    known[1:-1, 1:-1] = 0
    return (line.D @ known + known @ line.D.T)[1:-1, 1:-1]


def error(line, inside, u, length, points=300):
    """Relative L2 error on a finer grid of points."""
    values = u(line.x)
    values[1:-1, 1:-1] = inside
    fine = np.linspace(0, length, points)
    P = line.interpolation(fine)
    exact = u(fine)
    return np.linalg.norm(P @ values @ P.T - exact) / np.linalg.norm(exact)


# %%
# Poisson's equation, solved directly
# -----------------------------------
# 158,404 unknowns. The matrix of the equation would take 201 GB; as a Kronecker sum it is two
# matrices of order 398, which are brought to Schur form (they are not symmetric, and not normal).


def poisson(envelope, highest, jitter, n=400, length=2 * np.pi):
    """The error for u = sin 100x sin 100y, with what the solver says about itself."""

    def u(x):
        return np.outer(np.sin(100 * x), np.sin(100 * x))

    line = Line(length, n, envelope, highest, jitter)
    exact = u(line.x)
    right = -2e4 * exact[1:-1, 1:-1] - boundary_term(line, exact)
    A = sm.KroneckerSum(line.inside, line.inside)
    start = time.perf_counter()
    solution, info = A.solve(right.ravel(), return_info=True)
    seconds = time.perf_counter() - start
    return error(line, solution.reshape(right.shape), u, length), info, A, seconds


print(f"{'problem':36} {'unknowns':>9} {'error':>9} {'gate':>7} {'backward':>9} {'seconds':>8}")
gates = [
    ("Poisson, Student-t, jitter 1e-6", matern, 20, 1e-6, 2e-4),
    ("Poisson, Gaussian, jitter 1e-10", gaussian, 16, 1e-10, 5e-6),
]
for name, envelope, highest, jitter, gate in gates:
    relative, info, A, seconds = poisson(envelope, highest, jitter)
    print(
        f"{name:36} {A.shape[0]:9,} {relative:9.1e} {gate:7.0e} {info.backward_error:9.1e} "
        f"{seconds:8.2f}"
    )
    assert relative <= gate, f"{name}: {relative:.2g}"

# %%
# Where the time goes: what ``explain`` says of the Kronecker sum, and of the dense matrix.

print(A.explain("solve"))

# %%
# Allen-Cahn: Newton, with a factored preconditioner
# --------------------------------------------------
# :math:`\Delta u + u (u^2 - 1) = f` with :math:`u = h(x) h(y)` and three frequencies in :math:`h`.
# Newton's equations have the matrix :math:`D \oplus D + \operatorname{diag}(3 u^2 - 1)`: no
# Kronecker sum, but close to one, since :math:`D` has entries of :math:`10^4` and the diagonal
# those of 10. So SciPy's GMRES solves them, preconditioned by the Kronecker sum that was factored
# once. Every structured matrix is a SciPy ``LinearOperator``, so the Jacobian is written as it
# reads.


def h(x):
    return np.sin(x) + 0.1 * np.sin(20 * x) + np.cos(100 * x)


def h_second(x):
    return -np.sin(x) - 40 * np.sin(20 * x) - 1e4 * np.cos(100 * x)


def h_square(x):
    return np.outer(h(x), h(x))


def allen_cahn(n=200, length=1.0, highest=30, jitter=1e-10, tolerance=1e-8):
    """Solution by Newton's method: error, GMRES iterations, the history of residuals."""
    line = Line(length, n, matern, highest, jitter)
    x, exact = line.x, h_square(line.x)
    force = np.outer(h_second(x), h(x)) + np.outer(h(x), h_second(x)) + exact * (exact**2 - 1)
    right = (force[1:-1, 1:-1] - boundary_term(line, exact)).ravel()
    laplacian = sm.KroneckerSum(line.inside, line.inside)
    factor = laplacian.factorize()
    inverse = LinearOperator(laplacian.shape, matvec=factor.solve, dtype=float)
    u, iterations, history = factor.solve(right), 0, []
    for _ in range(10):
        residual = laplacian @ u + u * (u**2 - 1) - right
        history.append(np.linalg.norm(residual) / np.linalg.norm(right))
        if history[-1] < tolerance:
            break
        jacobian = laplacian + sm.Diagonal(3 * u**2 - 1)
        steps = []
        step, failed = gmres(
            jacobian, -residual, M=inverse, rtol=1e-5, callback=steps.append,
            callback_type="pr_norm",
        )  # fmt: skip
        assert not failed
        iterations += len(steps)
        u = u + step
    inside = u.reshape(n - 2, n - 2)
    return line, inside, error(line, inside, h_square, length), iterations, history


start = time.perf_counter()
line, inside, relative, iterations, history = allen_cahn()
seconds = time.perf_counter() - start
name, gate = "Allen-Cahn, Student-t, jitter 1e-10", 5e-5
print(f"{name:36} {inside.size:9,} {relative:9.1e} {gate:7.0e} {'-':>9} {seconds:8.2f}")
print(f"{iterations} GMRES iterations in all; Newton residuals:", *(f"{r:.1e}" for r in history))
assert relative <= gate, relative
assert iterations <= 20, iterations

# %%
# The solution, and its error
# ---------------------------

try:
    import matplotlib.pyplot as plt
except ImportError:
    print("pip install matplotlib to see the figure")
else:
    fine = np.linspace(0, 1, 300)
    P = line.interpolation(fine)
    values = h_square(line.x)
    values[1:-1, 1:-1] = inside
    found = P @ values @ P.T
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), constrained_layout=True)
    shown = [
        (found, "Allen-Cahn, 300 x 300 points", "RdBu_r"),
        (np.log10(np.abs(found - h_square(fine)) + 1e-16), "log10 of the error", "magma"),
    ]
    for axis, (image, title, colours) in zip(axes, shown, strict=True):
        drawn = axis.imshow(image.T, origin="lower", extent=(0, 1, 0, 1), cmap=colours)
        axis.set(title=title, xlabel="x", ylabel="y")
        figure.colorbar(drawn, ax=axis, shrink=0.8)
    plt.show()
