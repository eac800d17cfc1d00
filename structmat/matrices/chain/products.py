"""What a chain does to a block of columns, and its dense form."""

from structmat._backend.arrays import namespace_of

__all__ = ["apply", "blockwise", "cropped", "merged_values", "multiplied_out"]


def apply(A, X):
    """A @ X for a chain or one factor. On the host, A keeps the plan that is made here."""
    if A._host:
        from structmat.matrices.chain import steps

        A._plan = steps.plan(A)
        return A._plan(X)
    from structmat.matrices.chain import gpu, scale

    if not hasattr(A, "factors"):
        return gpu.apply_factor(A.values, X)
    even = scale.even(A)
    return cropped(lambda X: gpu.apply(even, X), A, X)


def cropped(product, A, X):
    """The product with the leading part of a chain, from that with all of it."""
    (m, n), (rows, columns) = A.shape, A.full_shape
    xp = namespace_of(X)
    if n != columns:
        padded = xp.zeros((columns, X.shape[1]), X.dtype)
        padded[:n] = X
        X = padded
    Y = product(X)
    return Y if m == rows else xp.ascontiguousarray(Y[:m])


def blockwise(values, X):
    """The same by one batched product of the namespace of X."""
    a, d, b, c = values.shape
    k = X.shape[1]
    Y = namespace_of(X).empty((a, b, d, k), X.dtype)
    Y.transpose(0, 2, 1, 3)[...] = values @ X.reshape(a, c, d, k).transpose(0, 2, 1, 3)
    return Y.reshape(a * b * d, k)


def multiplied_out(factors):
    """The dense product: every factor applied to the dense form of the last."""
    full = factors[-1]._toarray()
    for F in factors[-2::-1]:
        full = blockwise(F.values, full) if hasattr(F, "values") else F._apply(full)
    return full


def merged_values(first, second):
    """Values of the product of two chainable factors, in the pattern `patterns.merge` names.

    With alpha = a2 / a1, delta = d1 / d2 and r the rank of the split,
    ``P[i, l, (j, t), (u, k)] = sum_r F[i, (t, l), j, (u, r)] G[(i, u), l, (r, t), k]``.
    """
    if first.shape[0] > second.shape[0] or first.shape[1] < second.shape[1]:  # to the left
        return merged_values(_flip(second), _flip(first)).transpose(0, 1, 3, 2)
    a1, d1, b1, c1 = first.shape
    a2, d2, _, c2 = second.shape
    alpha, delta = a2 // a1, d1 // d2
    r = c1 // alpha
    F = first.reshape(a1, delta, d2, b1, alpha, r).transpose(0, 2, 1, 4, 3, 5)  # a1 d2 t u j r
    G = second.reshape(a1, alpha, d2, r, delta, c2).transpose(0, 2, 4, 1, 3, 5)  # a1 d2 t u r k
    P = F @ G  # a1 d2 t u j k
    return P.transpose(0, 1, 4, 2, 3, 5).reshape(a1, d2, b1 * delta, alpha * c2)


def _flip(values):
    return values.transpose(0, 1, 3, 2)
