"""An exact Gaussian process on every pixel of a noisy photograph."""

import time

import numpy as np

from structmat.demo import _stage
from structmat.estimators.gp import GaussianProcess, GridKernel

__all__ = ["denoise", "figure", "load", "psnr", "run", "with_noise"]

TITLE = "An exact Gaussian process on every pixel of a noisy photograph"
NOISE = 0.1  # standard deviation, where black is 0 and white is 1
FIGURE = "structmat_photograph.png"


def load():
    """Grey scale photograph of a flower, 427 x 640, from scikit-learn's wheel; 0 black to 1 white.

    Raises
    ------
    ImportError
        scikit-learn or pillow is missing.
    """
    _stage.require("sklearn.datasets", "PIL")
    from sklearn.datasets import load_sample_image

    # Luma of ITU-R BT.601.
    return load_sample_image("flower.jpg") @ np.array([0.299, 0.587, 0.114]) / 255


def with_noise(picture):
    """The picture with independent Gaussian noise of standard deviation `NOISE` on every pixel."""
    return picture + NOISE * np.random.default_rng(0).standard_normal(picture.shape)


def psnr(picture, other):
    """Peak signal-to-noise ratio in decibels."""
    return float(-10 * np.log10(np.mean((picture - other) ** 2)))


def denoise(noisy, callback=None):
    """(posterior mean as a picture, the fitted process) of noisy pixels.

    Nothing about the noise is given: its variance is a hyper-parameter, as are the variance of the
    picture and its lengthscales along columns and rows.
    """
    level = noisy.mean()
    # Measured: of the Matern functions, nu = 3/2 has the largest likelihood here (213,798; 212,797
    # for nu = 1/2 and 213,340 for 5/2) and also the best PSNR (28.64; 28.54 and 28.53 dB).
    covariance = GridKernel(
        *(np.arange(n) for n in noisy.shape),
        kernel="matern32", lengthscales=(10.0, 10.0), variance=noisy.var(),
    )  # fmt: skip
    gp = GaussianProcess(covariance, noise=noisy.var() / 4, callback=callback)
    gp.fit((noisy - level).reshape(-1))
    return gp.predict().reshape(noisy.shape) + level, gp


def figure(picture, noisy, mean):
    """The pictures side by side, as a Matplotlib figure."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(13.5, 3.3), layout="constrained")
    shown = (
        (f"noisy pixels, {psnr(picture, noisy):.1f} dB", noisy),
        (f"posterior mean, {psnr(picture, mean):.1f} dB", mean),
        ("the photograph, never seen", picture),
    )
    for ax, (title, image) in zip(fig.subplots(1, 3), shown):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        ax.set(title=title, xticks=[], yticks=[])
    return fig


def run(folder, picture=None):
    """The scene: fit, print the table, write the figure.

    Parameters
    ----------
    folder : pathlib.Path
        Where the figure goes.
    picture : array, shape (rows, columns), optional
        Another picture, 0 black to 1 white.

    Returns
    -------
    dict
        What was measured.
    """
    start = time.perf_counter()
    _stage.require("matplotlib.figure")
    picture = load() if picture is None else picture
    noisy = with_noise(picture)
    progress, seconds, values = _stage.Progress(), [start], []

    def show(step):
        seconds.append(time.perf_counter())
        values.append(step.log_marginal_likelihood)
        scales = ", ".join(f"{name} {value:.4g}" for name, value in step.parameters.items())
        progress(f"  likelihood {step.evaluation:3d}: {values[-1]:,.1f}  at {scales}")

    mean, gp = denoise(noisy, show)
    progress.close()
    path = folder / FIGURE
    figure(picture, noisy, mean).savefig(path, dpi=110)
    n = picture.size
    K, _ = gp.covariance(gp.parameters_)
    measured = {
        "unknowns": n,
        "bytes": K.nbytes,
        "dense_bytes": n * n * K.dtype.itemsize,
        "evaluations": gp.n_evaluations_,
        # The median, since the first one has the start of the libraries in it.
        "seconds_per_evaluation": float(np.median(np.diff(seconds))),
        "backward_error": gp.info_.backward_error,
        "condition": gp.info_.cond,
        "log_likelihood_before": gp.initial_log_marginal_likelihood_,
        "log_likelihood_after": gp.log_marginal_likelihood_,
        "noise_found": gp.parameters_["noise"] ** 0.5,
        "psnr_noisy": psnr(picture, noisy),
        "psnr_denoised": psnr(picture, mean),
        "seconds": time.perf_counter() - start,
        "peak_memory": _stage.peak_memory(),
        "figure": path,
    }
    _tell(measured, picture.shape)
    return measured


def _tell(m, shape):
    memory = "unknown" if m["peak_memory"] is None else _stage.decimal_bytes(m["peak_memory"])
    _stage.say()
    _stage.table([
        ("unknowns", f"{m['unknowns']:,} ({shape[0]} x {shape[1]} pixels)"),
        ("covariance as structure", _stage.decimal_bytes(m["bytes"])),
        ("covariance as dense", _stage.decimal_bytes(m["dense_bytes"])),
        ("likelihood evaluations", m["evaluations"]),
        ("seconds per evaluation", f"{m['seconds_per_evaluation']:.2g}, gradient included"),
        ("backward error of the solve", f"{m['backward_error']:.1e}"),
        ("condition number", f"{m['condition']:.1e}"),
        ("log likelihood before", f"{m['log_likelihood_before']:,.1f}"),
        ("log likelihood after", f"{m['log_likelihood_after']:,.1f}"),
        ("noise (standard deviation)", f"{m['noise_found']:.4f} found, {NOISE} true"),
        ("PSNR of the noisy pixels", f"{m['psnr_noisy']:.2f} dB"),
        ("PSNR of the posterior mean", f"{m['psnr_denoised']:.2f} dB"),
        ("seconds in all", f"{m['seconds']:.1f}"),
        ("peak memory", memory),
        ("figure", m["figure"]),
    ])  # fmt: skip
