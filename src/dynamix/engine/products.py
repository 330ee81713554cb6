"""Products of two vectors with one matrix, and the gate's two layers.

A matrix that maps ``n`` inputs to ``m`` outputs is stored as ``(blocks, n, 32)``,
``blocks = ceil(m / 32)``, flat and zero-padded (:func:`.runtime.packed`). Two series go through a
product together, so that every entry of the matrix is loaded once for both.
"""

from collections import namedtuple
from typing import Any

import numpy as np
from numpy import ndarray

from .runtime import BLOCK, WIDTH, inlined, padded, piece, rows_of
from .vectors import at, exponential, fma, highest, larger, load, load_block, splat, store, total

# The gate's two layers: U_s; -V^T / |tau_gate|; 0, and -1e30 for the columns that are padding. Both
# matrices have their inputs first and J' columns
Mixing = namedtuple("Mixing", "U V floor")


@piece
def product(x, x0, x1, n, W, w0, y, y0, y1, blocks, stride):  # type: ignore[no-untyped-def]
    """``y += x W`` for two inputs ``x[x0:]`` and ``x[x1:]``, of ``n`` entries, at once.

    ``W[w0:]`` is ``(blocks, n, 32)``. Block ``b`` of the outputs begins at ``y0 + b stride`` and
    ``y1 + b stride``.
    """
    for b in range(blocks):
        o, p, r = y0 + b * stride, y1 + b * stride, w0 + b * n * BLOCK
        u, v = load_block(y, o), load_block(y, p)
        for k in range(n):
            w = load_block(W, r + k * BLOCK)
            u, v = fma(at(x, x0 + k), w, u), fma(at(x, x1 + k), w, v)
        store(y, o, u), store(y, p, v)


@piece
def affine(x, x0, x1, both, n, W, bias, y, y0, y1):  # type: ignore[no-untyped-def]
    """``y = x W + bias`` for one input or ``both``; in float64 blocks have 16 outputs."""
    width = 4 * BLOCK // W.itemsize
    for b in range(bias.size // width):
        c, r = b * width, b * n * width
        u = v = load_block(bias, c)
        for k in range(n if both else 0):
            w = load_block(W, r + k * width)
            u, v = fma(at(x, x0 + k), w, u), fma(at(x, x1 + k), w, v)
        for k in range(0 if both else n):
            u = fma(at(x, x0 + k), load_block(W, r + k * width), u)
        store(y, y0 + c, u), store(y, y1 + c, v)


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
            r = fma(splat(at(s, s0 + c)), load(U, c * Jp + j), r)
        store(hidden, h0 + j, larger(r, splat(number(0.0))))
    # w = softmax(-V r / |tau_gate|)
    top = splat(number(-3e38))
    for j in range(0, Jp, 8):
        logit = load(floor, j)
        for h in range(J):
            logit = fma(splat(at(hidden, h0 + h)), load(V, h * Jp + j), logit)
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


def gate_matrices(value: dict[str, ndarray]) -> tuple[ndarray, Any]:
    """``[D; U_z]``, inputs first, and the two layers that :func:`mix` needs."""
    U, V, D = value["gate.U"], value["gate.V"], value["gate.D"]
    N, M, J = len(D), D.shape[1], len(V)
    from_state = np.concatenate([D.T, rows_of(U[:, N:].T).reshape(M, -1)], axis=1)
    floor = np.zeros(padded(J, WIDTH), U.dtype)
    floor[J:] = -1e30
    V = rows_of(-V.T / abs(value["gate.tau_gate"][0]))
    return from_state, Mixing(rows_of(U[:, :N].T), V, floor)
