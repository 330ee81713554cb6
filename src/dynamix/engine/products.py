"""Products of two vectors with one matrix, and the gate's two layers.

A matrix that maps ``n`` inputs to ``m`` outputs is stored as ``(blocks, n, 32)``,
``blocks = ceil(m / 32)``, flat and zero-padded (:func:`.runtime.packed`). Two series go through a
product together, so that every entry of the matrix is loaded once for both.
"""

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from .runtime import WIDTH, inlined, padded, piece, rows_of
from .vectors import exponential, fma, highest, larger, load, splat, store, total


class Mixing(NamedTuple):
    """The gate's two layers; both matrices have their inputs first and ``J'`` columns."""

    U: ndarray  # U_s, from the summary
    V: ndarray  # -V^T / |tau_gate|
    floor: ndarray  # 0, and -1e30 for the columns that are padding


@piece
def product(x, x0, x1, n, W, w0, y, y0, y1, blocks, stride):  # type: ignore[no-untyped-def]
    """``y += x W`` for two inputs ``x[x0:]`` and ``x[x1:]``, of ``n`` entries, at once.

    ``W[w0:]`` is ``(blocks, n, 32)``; block ``b`` of the outputs begins at ``y0 + b stride`` and
    ``y1 + b stride``. Two at once, because then each entry of ``W`` is loaded once for both.
    """
    r = w0
    for b in range(blocks):
        o, p = y0 + b * stride, y1 + b * stride
        a0, a1, a2, a3 = load(y, o), load(y, o + 8), load(y, o + 16), load(y, o + 24)
        b0, b1, b2, b3 = load(y, p), load(y, p + 8), load(y, p + 16), load(y, p + 24)
        for k in range(n):
            u, v = splat(x[x0 + k]), splat(x[x1 + k])
            w = load(W, r)
            a0, b0 = fma(u, w, a0), fma(v, w, b0)
            w = load(W, r + 8)
            a1, b1 = fma(u, w, a1), fma(v, w, b1)
            w = load(W, r + 16)
            a2, b2 = fma(u, w, a2), fma(v, w, b2)
            w = load(W, r + 24)
            a3, b3 = fma(u, w, a3), fma(v, w, b3)
            r += 32
        store(y, o, a0), store(y, o + 8, a1), store(y, o + 16, a2), store(y, o + 24, a3)
        store(y, p, b0), store(y, p + 8, b1), store(y, p + 16, b2), store(y, p + 24, b3)


@piece
def affine(x, x0, x1, both, n, W, bias, y, y0, y1, blocks):  # type: ignore[no-untyped-def]
    """``y = x W + bias`` for one input or ``both``, laid out as for :func:`product`."""
    r = 0
    for b in range(blocks):
        o, p, c = y0 + b * 32, y1 + b * 32, b * 32
        a0, a1, a2, a3 = load(bias, c), load(bias, c + 8), load(bias, c + 16), load(bias, c + 24)
        b0, b1, b2, b3 = a0, a1, a2, a3
        for k in range(n if both else 0):
            u, v = splat(x[x0 + k]), splat(x[x1 + k])
            w = load(W, r)
            a0, b0 = fma(u, w, a0), fma(v, w, b0)
            w = load(W, r + 8)
            a1, b1 = fma(u, w, a1), fma(v, w, b1)
            w = load(W, r + 16)
            a2, b2 = fma(u, w, a2), fma(v, w, b2)
            w = load(W, r + 24)
            a3, b3 = fma(u, w, a3), fma(v, w, b3)
            r += 32
        for k in range(0 if both else n):
            u = splat(x[x0 + k])
            a0, a1 = fma(u, load(W, r), a0), fma(u, load(W, r + 8), a1)
            a2, a3 = fma(u, load(W, r + 16), a2), fma(u, load(W, r + 24), a3)
            r += 32
        store(y, o, a0), store(y, o + 8, a1), store(y, o + 16, a2), store(y, o + 24, a3)
        store(y, p, b0), store(y, p + 8, b1), store(y, p + 16, b2), store(y, p + 24, b3)


@piece
def wide_affine(x, x0, x1, both, n, W, bias, y, y0, y1, blocks):  # type: ignore[no-untyped-def]
    """:func:`affine` in float64, with a ``W`` of ``(blocks, n, 16)``."""
    r = 0
    for b in range(blocks):
        o, p, c = y0 + b * 16, y1 + b * 16, b * 16
        a0, a1 = load(bias, c), load(bias, c + 8)
        b0, b1 = a0, a1
        for k in range(n if both else 0):
            u, v = splat(x[x0 + k]), splat(x[x1 + k])
            w = load(W, r)
            a0, b0 = fma(u, w, a0), fma(v, w, b0)
            w = load(W, r + 8)
            a1, b1 = fma(u, w, a1), fma(v, w, b1)
            r += 16
        for k in range(0 if both else n):
            u = splat(x[x0 + k])
            a0, a1 = fma(u, load(W, r), a0), fma(u, load(W, r + 8), a1)
            r += 16
        store(y, o, a0), store(y, o + 8, a1), store(y, p, b0), store(y, p + 8, b1)


@inlined
def mix(u, u0, s, s0, n, mixing, hidden, h0, logits, weights, l0):  # type: ignore[no-untyped-def]
    """Expert weights from ``u = U_z z`` and the summary ``s`` of ``n`` entries.

    In the precision of the weights: float64 in rollouts, float32 in training.
    """
    U, V, floor = mixing
    Jp = floor.size
    J, number = V.size // Jp, floor.dtype.type
    # r = relu(U [s; z])
    for j in range(0, Jp, 8):
        r = load(u, u0 + j)
        for c in range(n):
            r = fma(splat(s[s0 + c]), load(U, c * Jp + j), r)
        store(hidden, h0 + j, larger(r, splat(number(0.0))))
    # w = softmax(-V r / |tau_gate|)
    top = splat(number(-3e38))
    for j in range(0, Jp, 8):
        logit = load(floor, j)
        for h in range(J):
            logit = fma(splat(hidden[h0 + h]), load(V, h * Jp + j), logit)
        store(logits, l0 + j, logit)
        top = larger(logit, top)
    top, mass = splat(highest(top)), splat(number(0.0))
    for j in range(0, Jp, 8):
        e = exponential(load(logits, l0 + j) - top)
        store(weights, l0 + j, e)
        mass = mass + e
    scale = splat(number(1.0) / total(mass))
    for j in range(0, Jp, 8):
        store(weights, l0 + j, load(weights, l0 + j) * scale)


def gate_matrices(value: dict[str, ndarray]) -> tuple[ndarray, Mixing]:
    """``[D; U_z]``, inputs first, and the two layers that :func:`mix` needs."""
    U, V, D = value["gate.U"], value["gate.V"], value["gate.D"]
    N, M, J = len(D), D.shape[1], len(V)
    from_state = np.concatenate([D.T, rows_of(U[:, N:].T).reshape(M, -1)], axis=1)
    floor = np.zeros(padded(J, WIDTH), U.dtype)
    floor[J:] = -1e30
    V = rows_of(-V.T / abs(value["gate.tau_gate"][0]))
    return from_state, Mixing(rows_of(U[:, :N].T), V, floor)
