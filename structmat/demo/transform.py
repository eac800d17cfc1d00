"""Fast transforms, found in tables of numbers and put to work on a photograph."""

import time

import numpy as np

import structmat as sm
from structmat.demo import _stage, photograph

__all__ = ["compressed", "cropped", "figure", "find", "run", "tables"]

TITLE = "Fast transforms, found in tables of numbers"
KEPT = 0.05  # share of the coefficients of the photograph that are kept
RTOL = 1e-12
SMALL = 16  # order of the transform that the figure shows factor by factor
FIGURE = "structmat_transform.png"


def cropped(picture):
    """The middle of a picture, whose sides are powers of two."""
    window = []
    for n in picture.shape:
        size = 2 ** (n.bit_length() - 1)
        window.append(slice((n - size) // 2, (n + size) // 2))
    return picture[tuple(window)]


def tables(n):
    """{name: array of order n}: a Fourier and a cosine transform, and one that is no transform."""
    import scipy.fft

    identity = np.eye(n)
    noise = np.random.default_rng(0).standard_normal((n, n))
    return {
        "Fourier": scipy.fft.fft(identity, axis=0, norm="ortho"),
        "cosine": scipy.fft.dct(identity, axis=0, norm="ortho"),
        "random": np.linalg.qr(noise)[0],
    }


def find(table, rtol=None):
    """The nearest butterfly in the order of rows or columns that fits best, and its certificate.

    Parameters
    ----------
    table : array, shape (n, n)
        Numbers, and nothing is said about where they come from.
    rtol : float, optional
        Let ranks grow until the error is this small. By default they are one.

    Returns
    -------
    ProjectionResult
        A chain of sparse factors and a permutation.
    """
    return sm.project(table, sm.Butterfly, permutation="auto", rtol=rtol)


def compressed(picture, transform):
    """What is left of a picture when all but its largest coefficients are zero.

    `transform` is an orthogonal matrix on the pixels, row by row.
    """
    coefficients = transform @ picture.reshape(-1)
    limit = np.quantile(abs(coefficients), 1 - KEPT)
    coefficients[abs(coefficients) < limit] = 0
    return (transform.T @ coefficients).reshape(picture.shape)


def figure(small, factors, picture, kept):
    """A table, the places of the numbers in its factors, and the pictures."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(13.5, 5.6), layout="constrained")
    upper, lower = fig.subfigures(2, 1, height_ratios=(1, 1.25))
    axes = upper.subplots(1, 1 + len(factors))
    axes[0].imshow(small.real, cmap="RdBu")
    axes[0].set(title="a table (real part)")
    for i, (ax, factor) in enumerate(zip(axes[1:], factors, strict=True)):
        ax.imshow(abs(factor) > 0, cmap="Greys")
        ax.set(title="= " if i == 0 else "x")
    shown = (
        (f"{KEPT:.0%} of the coefficients, {photograph.psnr(picture, kept):.1f} dB", kept),
        ("the photograph", picture),
    )
    pictures = lower.subplots(1, 2)
    for ax, (title, image) in zip(pictures, shown, strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        ax.set(title=title)
    for ax in (*axes, *pictures):
        ax.set(xticks=[], yticks=[])
    return fig


def run(folder, picture=None):
    """The scene: find the transforms, use one, print the table, write the figure.

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
    picture = cropped(photograph.load() if picture is None else picture)
    n = picture.shape[1]
    measured, found = {"order": n}, {}
    for name, table in tables(n).items():
        clock = time.perf_counter()
        found[name] = find(table, RTOL if name == "cosine" else None)
        result = found[name]
        measured[name] = {
            "error": result.error,
            "lower_bound": result.lower_bound,
            "bytes": result.matrix.nbytes,
            "dense_bytes": table.nbytes,
            "factors": sum(p is not None for p in result.matrix.patterns),
            "permuted": None in result.matrix.patterns,
            "seconds": time.perf_counter() - clock,
        }
        _stage.say(_line(name, measured[name]))
    columns = find(tables(len(picture))["cosine"], RTOL).matrix
    transform = sm.Kronecker(columns, found["cosine"].matrix)
    kept = compressed(picture, transform)
    path = folder / FIGURE
    small = tables(SMALL)["Fourier"]
    factors = [F.toarray() for F in find(small).matrix.factors]
    figure(small, factors, picture, kept).savefig(path, dpi=110)
    measured |= {
        "agreement": _agreement(transform, picture),
        "transform_bytes": transform.nbytes,
        "transform_dense_bytes": picture.size**2 * transform.dtype.itemsize,
        "psnr": photograph.psnr(picture, kept),
        "seconds": time.perf_counter() - start,
        "figure": path,
    }
    _tell(measured, picture.shape)
    return measured


def _agreement(transform, picture):
    """Largest difference from SciPy's transform of the picture, relative to the largest number."""
    import scipy.fft

    expected = scipy.fft.dctn(picture, norm="ortho")
    difference = transform @ picture.reshape(-1) - expected.reshape(-1)
    return float(abs(difference).max() / abs(expected).max())


def _line(name, m):
    if m["error"] > RTOL:
        return (
            f"  {name:8} no fast transform: in its best order every butterfly is off by "
            f"{m['lower_bound']:.2f} or more, {m['seconds']:.1f} s"
        )
    order = " and a permutation" if m["permuted"] else ""
    return (
        f"  {name:8} {m['factors']} sparse factors{order}, error {m['error']:.1e}, "
        f"{_stage.decimal_bytes(m['bytes'])} for {_stage.decimal_bytes(m['dense_bytes'])}, "
        f"{m['seconds']:.1f} s"
    )


def _tell(m, shape):
    _stage.say()
    _stage.table([
        ("tables", f"{m['order']} x {m['order']} numbers, nothing else"),
        ("Fourier, error of what was found", f"{m['Fourier']['error']:.1e}"),
        ("cosine, error of what was found", f"{m['cosine']['error']:.1e}"),
        ("random, lower bound of the error", f"{m['random']['lower_bound']:.3f}"),
        ("photograph", f"{shape[0]} x {shape[1]} pixels, cosine transform of both directions"),
        ("that transform as structure", _stage.decimal_bytes(m["transform_bytes"])),
        ("that transform as dense", _stage.decimal_bytes(m["transform_dense_bytes"])),
        ("difference from SciPy's", f"{m['agreement']:.1e}"),
        (f"PSNR from {KEPT:.0%} of the coefficients", f"{m['psnr']:.2f} dB"),
        ("seconds in all", f"{m['seconds']:.1f}"),
        ("figure", m["figure"]),
    ])  # fmt: skip
