"""The local forecaster of :mod:`dynamix.local`, compiled.

A run fits one candidate. In up to three dimensions the neighbours of a step come from the boxes of
:mod:`.index`, in more from :mod:`.local_wide`. The last neighbours' successors bound the search,
since most of them are neighbours again.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..io.shapes import Float, Int
from ..local.settings import FLOOR, TINY
from ..model.runs import Saved, check_series, gate_noise_stream
from .index import DIMS, GROUP, boxes_over
from .local_wide import run_wide
from .machine import available_cores
from .runtime import (
    VERSION,
    as_array,
    call,
    entry,
    inlined,
    signals_for,
    watched,
)  # fmt: skip
from .vectors import BITS, fma, larger, load, push, splat, store, within

SLACK = np.float32(1.0001)  # of a bound on squared distances, against rounding
EDGE = np.float32(1e15)  # no query lies further out ...
WHOLE = np.float32(1e36)  # ... so that this bound has all steps, and no padding, which is no step


class Runs(NamedTuple):
    """One entry for each run."""

    series: ndarray  # which context it follows
    counts: ndarray  # neighbours
    pulls: ndarray
    start: ndarray  # first observation


# The boxes to open on this level and the next; distances from the steps of the leaves reached,
# which of them are near enough, and BITS
Room = namedtuple("Room", "lists distances near bits")
# Constants of the fits
Fit = namedtuple("Fit", "ridge floor tiny")
# A trajectory: its state, and the squared distances and steps of its neighbours
Path = namedtuple("Path", "x distance step")


@inlined
def search(tree, q, count, limit, room, distance, step):  # type: ignore[no-untyped-def]
    """The ``count`` context steps nearest to a query, nearest first, of equal ones the earlier.

    Writes squared distances and steps. Returns how many lie within ``limit``, at most ``count``.
    """
    order, points, boxes, starts, levels = tree
    lists, distances, near, bits = room
    zero, furthest = splat(np.float32(0.0)), splat(limit)
    qx, qy, qz = splat(q[0]), splat(q[1]), splat(q[2])
    here, there, opened = 0, lists.size // 2, 1
    lists[0] = 0
    for level in range(levels - 1, -1, -1):
        after = 0
        for f in range(opened):
            p = (starts[level] + lists[here + f]) * GROUP
            x = larger(larger(load(boxes, p) - qx, qx - load(boxes, p + 24)), zero)
            y = larger(larger(load(boxes, p + 8) - qy, qy - load(boxes, p + 32)), zero)
            z = larger(larger(load(boxes, p + 16) - qz, qz - load(boxes, p + 40)), zero)
            reached = within(fma(z, z, fma(y, y, x * x)), furthest)
            after += push(lists, there + after, reached, 8 * lists[here + f], bits)
        here, there, opened = there, here, after
    candidates = 0
    for f in range(opened):
        p = 48 * lists[here + f]
        x, y, z = load(points, p) - qx, load(points, p + 8) - qy, load(points, p + 16) - qz
        d = fma(z, z, fma(y, y, x * x))
        store(distances, 8 * f, d)
        candidates += push(near, candidates, within(d, furthest), 8 * f, bits)
    found = 0
    for i in range(candidates):  # insert it where it belongs
        at = np.int64(near[i])
        d, k = distances[at], order[8 * np.int64(lists[here + at // 8]) + at % 8]
        j = found
        if found == count:
            j -= 1
            if d > distance[j] or (d == distance[j] and k > step[j]):
                continue
        else:
            found += 1
        while j > 0 and (distance[j - 1] > d or (distance[j - 1] == d and step[j - 1] > k)):
            distance[j], step[j] = distance[j - 1], step[j - 1]
            j -= 1
        distance[j], step[j] = d, k
    return found


@inlined
def solved(l11, l21, l22, l31, l32, l33, g1, g2, g3):  # type: ignore[no-untyped-def]
    """``(L L^T)^-1 g``."""
    g1 = g1 / l11
    g2 = (g2 - l21 * g1) / l22
    g3 = (g3 - l31 * g1 - l32 * g2) / l33
    g3 = g3 / l33
    g2 = (g2 - l32 * g3) / l22
    return (g1 - l21 * g2 - l31 * g3) / l11, g2, g3


@inlined
def fitted(steps, path, exact, count, pull, fit):  # type: ignore[no-untyped-def]
    """``x' = x + v - B^T u``; NaN where nothing can be fitted.

    ``u_k = c_k - x``, ``v_k = c_{k+1} - x - a u_k``, ``w_k ~ (1 - |c_k - q|^2 / r^2)^2``, and
    ``B = (cov(u, u) + ridge r^2 I)^-1 cov(u, v)``.
    """
    x, _, step = path
    x1, x2, x3 = x[0], x[1], x[2]
    q1, q2, q3 = exact[0], exact[1], exact[2]
    u1 = u2 = u3 = v1 = v2 = v3 = mass = reach = span = 0.0
    m11 = m12 = m13 = m22 = m23 = m33 = 0.0
    p11 = p12 = p13 = p21 = p22 = p23 = p31 = p32 = p33 = 0.0
    for i in range(-1, count):  # first r^2, from the furthest
        k = step[i] if i >= 0 else step[count - 1]
        c1, c2, c3 = steps[k, 0], steps[k, 1], steps[k, 2]
        # eight at a time distances are rough, these are not
        d = (c1 - q1) * (c1 - q1) + (c2 - q2) * (c2 - q2) + (c3 - q3) * (c3 - q3)
        if i < 0:
            reach = d
            span = 1.0 / max(reach, fit.tiny)
            continue
        w = 1.0 - d * span
        w = w * w + fit.floor
        a1, a2, a3 = c1 - x1, c2 - x2, c3 - x3
        b1 = steps[k + 1, 0] - x1 - pull * a1
        b2 = steps[k + 1, 1] - x2 - pull * a2
        b3 = steps[k + 1, 2] - x3 - pull * a3
        mass += w
        w1, w2, w3 = w * a1, w * a2, w * a3
        u1, u2, u3 = u1 + w1, u2 + w2, u3 + w3
        v1, v2, v3 = v1 + w * b1, v2 + w * b2, v3 + w * b3
        m11, m12, m13 = m11 + w1 * a1, m12 + w1 * a2, m13 + w1 * a3
        m22, m23, m33 = m22 + w2 * a2, m23 + w2 * a3, m33 + w3 * a3
        p11, p12, p13 = p11 + w1 * b1, p12 + w1 * b2, p13 + w1 * b3
        p21, p22, p23 = p21 + w2 * b1, p22 + w2 * b2, p23 + w2 * b3
        p31, p32, p33 = p31 + w3 * b1, p32 + w3 * b2, p33 + w3 * b3
    # from means of products to covariances; in float64 little is lost
    u1, u2, u3, v1, v2, v3 = u1 / mass, u2 / mass, u3 / mass, v1 / mass, v2 / mass, v3 / mass
    extra = fit.ridge * reach + fit.tiny
    l11 = math.sqrt(m11 / mass - u1 * u1 + extra)
    l21, l31 = (m12 / mass - u2 * u1) / l11, (m13 / mass - u3 * u1) / l11
    l22 = math.sqrt(m22 / mass - u2 * u2 + extra - l21 * l21)
    l32 = (m23 / mass - u3 * u2 - l31 * l21) / l22
    l33 = math.sqrt(m33 / mass - u3 * u3 + extra - l31 * l31 - l32 * l32)
    b11, b21, b31 = solved(l11, l21, l22, l31, l32, l33, p11 / mass - u1 * v1,
                           p21 / mass - u2 * v1, p31 / mass - u3 * v1)  # fmt: skip
    b12, b22, b32 = solved(l11, l21, l22, l31, l32, l33, p12 / mass - u1 * v2,
                           p22 / mass - u2 * v2, p32 / mass - u3 * v2)  # fmt: skip
    b13, b23, b33 = solved(l11, l21, l22, l31, l32, l33, p13 / mass - u1 * v3,
                           p23 / mass - u2 * v3, p33 / mass - u3 * v3)  # fmt: skip
    x[0] = x1 + v1 - u1 * b11 - u2 * b21 - u3 * b31
    x[1] = x2 + v2 - u1 * b12 - u2 * b22 - u3 * b32
    x[2] = x3 + v3 - u1 * b13 - u2 * b23 - u3 * b33


@inlined
def local_step(steps, tree, room, kick, count, pull, fit, path, q, exact):  # type: ignore[no-untyped-def]
    """The state of ``path`` gets its successor; ``q`` and ``exact`` are room for the query."""
    x, distance, step = path
    for n in range(len(kick)):
        exact[n] = kick[n] + x[n]
        q[n] = max(-EDGE, min(EDGE, np.float32(exact[n])))
    limit = np.float32(0.0)
    for i in range(count):
        k = min(step[i] + 1, len(steps) - 2)
        d1, d2, d3 = steps[k, 0] - q[0], steps[k, 1] - q[1], steps[k, 2] - q[2]
        limit = max(limit, d1 * d1 + d2 * d2 + d3 * d3)
    if search(tree, q, count, min(SLACK * limit, WHOLE), room, distance, step) < count:
        search(tree, q, count, WHOLE, room, distance, step)
    fitted(steps, path, exact, count, pull, fit)


@entry
def run_local(first, last, context, runs, fit, kicks, signals, bits, observations, version):  # type: ignore[no-untyped-def]
    """Do the runs ``first .. last - 1``, with ``kicks (T, N)`` of the query."""
    (T_C, _, N), T, most = context.shape, len(kicks), runs.counts.max()
    leaves = (T_C + 6) // 8
    room = Room(
        np.zeros(2 * leaves + 64, np.uint32), np.zeros(8 * leaves, np.float32),
        np.zeros(8 * leaves + 8, np.uint32), bits,
    )  # fmt: skip
    # in fours, so that a step and the next share a line of the cache
    steps, values = np.zeros((T_C, 4), np.float32), np.zeros((DIMS, T_C), np.float32)
    q, exact = np.zeros(DIMS, np.float32), np.zeros(DIMS)
    path = Path(np.zeros(DIMS), np.zeros(most, np.float32), np.zeros(most, np.int64))
    shown, tree = -1, boxes_over(values, 1)
    for r in range(first, last):
        count, pull = runs.counts[r], runs.pulls[r]
        if runs.series[r] != shown:
            shown = runs.series[r]
            for n in range(N):
                for k in range(T_C):
                    steps[k, n] = values[n, k] = context[k, shown, n]
            tree = boxes_over(values, T_C - 1)
        for n in range(N):
            path.x[n] = runs.start[r, n]
        for i in range(most):
            path.step[i] = i
        for t in range(T):
            if signals[0] != 0:
                return
            signals[1 + r] = t + 1
            local_step(steps, tree, room, kicks[t], count, pull, fit, path, q, exact)
            for n in range(N):
                observations[t, r, n] = path.x[n]


def rollouts(
    model: Saved,
    context: Float[ndarray, "T_C S N"],
    series: Int[ndarray, " R"],
    candidates: Int[ndarray, " R"],
    *,
    horizon: int,
    initial_x: Float[ndarray, "S N"] | None = None,
    gate_noise: bool = True,
    seed: int = 0,
    quiet_steps: int = 0,
    threads: int | None = None,
) -> Float[ndarray, "T R N"]:
    """What :func:`dynamix.local.forecaster.rollouts` computes."""
    noise = np.zeros((horizon, context.shape[2]), np.float32)
    if gate_noise:
        noise = gate_noise_stream(*noise.shape, seed=seed, quiet_steps=quiet_steps)
    config, points, R = model.config, as_array(context), len(series)
    check_series(context, config.observed_dims)
    if not max(points.max(), -points.min()) < EDGE:
        raise InputError(
            f"a local forecast without standardize takes values up to {EDGE:.0e}, found "
            f"{np.abs(points).max():g}. Use other units, or standardize=True."
        )
    start = points[-1] if initial_x is None else as_array(initial_x)
    counts = np.minimum(config.neighbours, len(points) - 1)[candidates]
    runs = Runs(series, counts, np.array(config.pulls)[candidates], start[series])
    observations = np.empty((len(noise), R, points.shape[2]), np.float32)
    kicks = noise.astype(np.float64) * model.values["sigma"].astype(np.float32)
    signals, fit = signals_for(R), Fit(config.ridge, FLOOR, TINY)
    arguments = points, runs, fit, kicks, signals, BITS, observations, VERSION
    threads = available_cores() if threads is None else threads
    kernel, parts = run_local if points.shape[2] <= DIMS else run_wide, min(threads, R)

    def work(i: int) -> None:
        call(kernel, R * i // parts, R * (i + 1) // parts, *arguments)

    watched(work, parts, threads, signals=signals, steps=R * horizon)
    return observations
