r"""
A Gaussian process on every pixel of a photograph
=================================================

A photograph of 427 x 640 pixels is covered with noise. A Gaussian process takes the 273,280 noisy
values, learns how smooth the picture is and how strong the noise, and returns what the picture was,
with its uncertainty. Nothing is approximated: the likelihood that is maximised is the exact one,

.. math::

   \log p(y) = -\tfrac12\, y^T A^{-1} y - \tfrac12 \log\det A - \tfrac n2 \log 2\pi,
   \qquad A = \sigma_f^2\, K_1 \otimes K_2 + \sigma^2 I,

with a covariance matrix A of order 273,280. Dense, it would take 597 GB.
"""

# %%
# The picture
# -----------
#
# It ships in scikit-learn's wheel. Black is 0, white is 1, and the noise has a standard deviation
# of 0.1.

import time

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm
from structmat.demo import photograph
from structmat.estimators.gp import GaussianProcess, GridKernel, log_marginal_likelihood

picture = photograph.load()
noisy = photograph.with_noise(picture)
print(
    f"{picture.shape[0]} x {picture.shape[1]} pixels, PSNR {photograph.psnr(picture, noisy):.2f} dB"
)

# %%
# The covariance
# --------------
#
# A product of a Matérn function of the distance along columns and one along rows. On a grid of
# pixels that is a Kronecker product of two small matrices: 4.7 MB for 597 GB. Called with
# hyper-parameters, the kernel returns the matrix and its derivative with respect to each of them.

level = noisy.mean()
y = (noisy - level).ravel()
covariance = GridKernel(
    *(np.arange(n) for n in picture.shape),
    kernel="matern32",
    lengthscales=(10, 10),
    variance=noisy.var(),
)
K, derivatives = covariance(covariance.parameters)
print(K)

# %%
# One evaluation of the likelihood
# --------------------------------
#
# ``K + s * I`` is a :class:`structmat.KroneckerPlusDiagonal`. It is factored through the
# eigenvectors of the two factors; the solve, the determinant and the traces of the gradient follow
# from them.

A = K + 0.01 * sm.eye(y.size)
print(A.explain("solve"))

start = time.perf_counter()
value, gradient, info = log_marginal_likelihood(
    K, y, noise=0.01, derivatives=derivatives, return_info=True
)
print(f"log p(y) = {value:,.1f} with gradient and certificate: {time.perf_counter() - start:.1f} s")
print(f"{info.method}: backward error {info.backward_error:.1e}, condition {info.cond:.1f}")

# %%
# The fit
# -------
#
# L-BFGS-B on the logarithms of the two lengthscales, the variance of the picture and that of the
# noise. The noise that is found is the noise that is there, and a little more: a flower is not a
# stationary process, and what the model cannot tell from noise is counted as noise.

steps = []
gp = GaussianProcess(covariance, noise=noisy.var() / 4, callback=steps.append).fit(y)
for name, found in gp.parameters_.items():
    print(f"{name:14} {found:.4g}")
print(f"noise: standard deviation {gp.parameters_['noise'] ** 0.5:.4f}, true {photograph.NOISE}")
print(
    f"log p(y): {gp.initial_log_marginal_likelihood_:,.1f} at the start, "
    f"{gp.log_marginal_likelihood_:,.1f} after {gp.n_evaluations_} evaluations"
)

# %%
# The picture without its noise
# -----------------------------
#
# The posterior mean is the best estimate under the model.

mean, std = gp.predict(return_std=True)
mean = mean.reshape(picture.shape) + level
figure, axes = plt.subplots(3, 1, figsize=(6.4, 13), layout="constrained")
for ax, title, image in zip(
    axes,
    (
        f"noisy, {photograph.psnr(picture, noisy):.1f} dB",
        f"posterior mean, {photograph.psnr(picture, mean):.1f} dB",
        "the photograph, never seen",
    ),
    (noisy, mean, picture),
    strict=True,
):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set(title=title, xticks=[], yticks=[])

# %%
# Between the pixels, and beyond
# ------------------------------
#
# The process is defined everywhere. Another grid is another Kronecker product: here four points to
# a pixel, on a window that reaches over the lower edge of the picture. What lies beyond is not
# known, and the posterior standard deviation says so.

rows, columns = np.arange(385, 450, 1 / 4), np.arange(270, 370, 1 / 4)
fine, fine_std = gp.predict((rows, columns), return_std=True)
figure, axes = plt.subplots(2, 1, figsize=(6.4, 8.2), layout="constrained")
titles = "posterior mean, four points to a pixel", "posterior standard deviation"
for ax, title, image in zip(axes, titles, (fine + level, fine_std), strict=True):
    extent = (columns[0], columns[-1], rows[-1], rows[0])
    shown = ax.imshow(image.reshape(rows.size, -1), cmap="gray", extent=extent)
    ax.axhline(picture.shape[0] - 1, color="tab:orange")
    ax.set(title=title)
    figure.colorbar(shown, ax=ax)

# %%
# Sampling
# --------
#
# Pictures that the model holds possible, given the noisy one: the posterior mean plus what is not
# known about it.

samples = gp.sample(2, rng=0).T.reshape(2, *picture.shape) + level
figure, axes = plt.subplots(2, 1, figsize=(6.4, 8.6), layout="constrained")
for ax, sample in zip(axes, samples, strict=True):
    ax.imshow(sample, cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
axes[0].set(title="two samples of the posterior")
plt.show()
