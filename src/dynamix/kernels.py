"""The compiled engine: rollouts of :class:`dynamix.DynaMix` in microseconds a step.

Equal to :mod:`dynamix.rollout` by test, and the only place, with :mod:`dynamix.kernels_training`,
where speed beats readability. Letters as in :mod:`dynamix.model`. What makes it fast:

* *vectors of eight float32 by hand*: a small numba type, :data:`lanes`, whose operations become one
  machine instruction each (two where registers hold four), so nothing hangs on a compiler's guess;
* *the convolution after the attention*: it is linear and the attention sums to 1, so it is applied
  to the weighted pair ``(sum_k a_k c_k, sum_k a_k c_{k+1})`` and not to every context row;
* *an index over the context* (:func:`build`, :func:`look_up`): far steps are dropped, those beside
  the query summed up beforehand, so that a step hardly grows with the context;
* *two series at a time*, so that each of the experts' weights is loaded once for both.

Arrays are flat and padded: a matrix that maps ``n`` inputs to ``m`` outputs is stored as
``(blocks, n, 32)``, ``blocks = ceil(m / 32)``, the order in which :func:`product` reads it.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import math
import operator
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, njit, typeof, types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model
from numba.np.arrayobj import make_array
from torch import Tensor

from .config import ModelConfig
from .model import DynaMix, check_series
from .rollout import Rollout, gate_noise_stream

logger = logging.getLogger(__name__)

WIDTH = 8  # float32 in a vector
LOG2_E = 1.4426950408889634
BLOCK = 4 * WIDTH  # outputs that `product` computes at a time
FAR = np.float32(1e18)  # distance of padding: no weight, yet safe to multiply

SAFE = 15.0  # dropping steps beyond SAFE + ln(K), in units of tau, loses at most exp(-15) of weight
CUTOFF = 16.0  # a first try goes as far as each dropped box weighs exp(-16) at most ...
TOLERANCE = 3e-7  # ... and stands if all that it dropped provably weighs less than this
LOG_8 = math.log(8.0)
NOTICE = 2.0  # seconds of compiling after which the log says so
VERSION = np.zeros(
    0, [("k" + hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16], np.uint8)]
)  # its type names this file's contents: see `compiled`


def compiled(function: Callable[..., Any]) -> Any:
    """Compile with numba on the first call, keep the result on disk, run without the GIL.

    The cache on disk notices a change of the file that ``function`` is in, and of its arguments'
    types. A function elsewhere that uses the helpers below takes :data:`VERSION` as an argument, so
    that it notices theirs. ``unwrap``: the tests' import hook wraps every function.
    """
    function = inspect.unwrap(function)
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # nowhere to write
        return njit(nogil=True, error_model="numpy")(function)


# --- vectors ----------------------------------------------------------------------------------

intrinsic: Any = extending.intrinsic  # numba's own annotation misses the decorator's effect
_F32, _I32 = ir.FloatType(), ir.IntType(32)
_VECTOR, _INTEGERS = ir.VectorType(_F32, WIDTH), ir.VectorType(_I32, WIDTH)


class Lanes(types.Type):
    """numba's type of a vector of eight float32."""

    def __init__(self) -> None:
        super().__init__(name="float32x8")


lanes = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _emitted(arity: int, emit: Callable[..., Any], result: Any = lanes) -> Any:
    """A numba function of ``arity`` vectors; ``emit(builder, *vectors)`` writes its code."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *args)

    if arity == 1:
        return intrinsic(lambda typing, a: (result(lanes), codegen))
    if arity == 2:
        return intrinsic(lambda typing, a, b: (result(lanes, lanes), codegen))
    return intrinsic(lambda typing, a, b, c: (result(lanes, lanes, lanes), codegen))


def _call(builder: Any, name: str, result: Any, *args: Any, fastmath: tuple[str, ...] = ()) -> Any:
    """Call one of LLVM's own functions."""
    kind = ir.FunctionType(result, [a.type for a in args])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, args, fastmath=fastmath)


def _all(builder: Any, scalar: Any) -> Any:
    """A vector of equal entries."""
    empty = ir.Constant(ir.VectorType(scalar.type, WIDTH), ir.Undefined)
    one = builder.insert_element(empty, scalar, _I32(0))
    return builder.shuffle_vector(one, empty, ir.Constant(_INTEGERS, [0] * WIDTH))


def _const(value: float) -> Any:
    return ir.Constant(_VECTOR, [float(np.float32(value))] * WIDTH)


def _power(builder: Any, t: Any) -> Any:
    """``2^t`` to 1e-7 for ``t <= 127``; not below ``2^-126``, and that for NaN."""
    t = _larger(builder, t, _const(-126.0))
    whole = _call(builder, "llvm.rint.v8f32", _VECTOR, t)
    f = builder.fsub(t, whole)
    y = _const(0.0013266970386328625)  # minimax polynomial of 2^f on [-1/2, 1/2]
    for c in (0.009675459745517562, 0.05550742616002547, 0.24022121753561693,
              0.6931469491610631, 1.0000000710296983):  # fmt: skip
        y = _call(builder, "llvm.fmuladd.v8f32", _VECTOR, y, f, _const(c))
    exponent = builder.shl(builder.fptosi(whole, _INTEGERS), ir.Constant(_INTEGERS, [23] * WIDTH))
    return builder.bitcast(builder.add(builder.bitcast(y, _INTEGERS), exponent), _VECTOR)


def _exponential(builder: Any, x: Any) -> Any:
    return _power(builder, builder.fmul(x, _const(LOG2_E)))


def _where_at_least(builder: Any, a: Any, b: Any, x: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">=", a, b), x, _const(0.0))


def _sign(builder: Any, x: Any) -> Any:
    negative = builder.select(builder.fcmp_ordered("<", x, _const(0.0)), _const(-1.0), _const(0.0))
    return builder.select(builder.fcmp_ordered(">", x, _const(0.0)), _const(1.0), negative)


def _smaller(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


def _larger(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _mask(order: str) -> Callable[..., Any]:
    """The comparison's outcome, a bit per entry; false where one is NaN."""

    def emit(builder: Any, a: Any, b: Any) -> Any:
        bits = builder.bitcast(builder.fcmp_ordered(order, a, b), ir.IntType(WIDTH))
        return builder.zext(bits, ir.IntType(64))

    return emit


def _reduced(name: str) -> Callable[..., Any]:
    return lambda b, x: _call(b, f"llvm.vector.reduce.{name}.v8f32", _F32, x)


fma = _emitted(3, lambda b, x, y, z: _call(b, "llvm.fmuladd.v8f32", _VECTOR, x, y, z))
fabs = _emitted(1, lambda b, x: _call(b, "llvm.fabs.v8f32", _VECTOR, x))
exponential = _emitted(1, _exponential)  # of at most 87
power = _emitted(1, _power)
sign = _emitted(1, _sign)
where_at_least = _emitted(3, _where_at_least)  # x where a >= b, else 0
smaller = _emitted(2, _smaller)
larger = _emitted(2, _larger)
below = _emitted(2, _mask("<"), types.int64)
within = _emitted(2, _mask("<="), types.int64)
lowest = _emitted(1, _reduced("fmin"), types.float32)
highest = _emitted(1, _reduced("fmax"), types.float32)
total = _emitted(
    1,
    lambda b, x: _call(
        b, "llvm.vector.reduce.fadd.v8f32", _F32, _F32(0.0), x, fastmath=("reassoc",)
    ),
    types.float32,
)


@intrinsic
def first_bit(typing: Any, mask: Any) -> Any:
    """Index of the lowest bit set, 0 if none is."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        index = builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))
        return builder.and_(index, ir.Constant(ir.IntType(64), WIDTH - 1))

    return types.int64(types.int64), codegen


@intrinsic
def push(typing: Any, items: Any, i: Any, mask: Any, base: Any, table: Any) -> Any:
    """``items[i:] = base +`` the indices of the bits set in ``mask``; returns how many are set.

    Eight int32 are written whatever the number; ``table`` is :data:`BITS`. No branch, so no guess
    of the processor's goes wrong.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        row = builder.mul(args[2], ir.Constant(ir.IntType(64), WIDTH))
        source = _address(context, builder, (sig.args[4],), (args[4], row), _INTEGERS)
        found = builder.load(source, align=4)
        found = builder.add(found, _all(builder, builder.trunc(args[3], _I32)))
        target = _address(context, builder, sig.args, args, _INTEGERS)
        builder.store(found, target, align=4)
        return builder.ctpop(args[2])

    return types.int64(items, types.intp, types.int64, types.int64, table), codegen


@intrinsic
def store_integers(typing: Any, items: Any, i: Any, x: Any, base: Any) -> Any:
    """``items[i : i + 8] = base + x``, in int32."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        base = _all(builder, builder.trunc(args[3], _I32))
        value = builder.add(builder.fptosi(args[2], _INTEGERS), base)
        builder.store(value, _address(context, builder, sig.args, args, _INTEGERS), align=4)
        return context.get_dummy_value()

    return types.void(items, types.intp, lanes, types.int64), codegen


BITS = np.array(
    [sorted(range(WIDTH), key=lambda i: (not mask >> i & 1, i)) for mask in range(2**WIDTH)],
    dtype=np.uint32,
).ravel()


@intrinsic
def splat(typing: Any, x: Any) -> Any:
    """A vector of eight times ``x``."""
    return lanes(types.float32), lambda context, builder, sig, args: _all(builder, args[0])


def _address(context: Any, builder: Any, kinds: Any, args: Any, vector: Any = _VECTOR) -> Any:
    data = make_array(kinds[0])(context, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())


@intrinsic
def load(typing: Any, array: Any, i: Any) -> Any:
    """``array[i : i + 8]`` of a flat float32 array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig.args, args), align=4)

    return lanes(array, types.intp), codegen


@intrinsic
def store(typing: Any, array: Any, i: Any, x: Any) -> Any:
    """``array[i : i + 8] = x``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, sig.args, args), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), codegen


for _operator, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):

    @infer_global(_operator)
    class _Template(ConcreteTemplate):
        cases = [signature(lanes, lanes, lanes)]  # noqa: RUF012

    def _lower(context: Any, builder: Any, sig: Any, args: Any, _name: str = _name) -> Any:
        return getattr(builder, _name)(*args)

    lower_builtin(_operator, lanes, lanes)(_lower)


# --- pieces of a step -------------------------------------------------------------------------


@compiled
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


@compiled
def attend(C, c0, L, vectors, N, q, q0, tau, cutoff, distance, weight, w0, seen, n0, out, o0):  # type: ignore[no-untyped-def]
    """Attention of one query to one context, and the pair it selects.

    ``C[c0:]`` is ``(N + 1, L)``, a row per dimension and one of 0, or FAR where there is no context
    step. Vectors of eight steps all of which weigh less than ``exp(-cutoff)`` of the nearest are
    passed over. Writes the indices of the others to ``seen[n0:]``, their weights to ``weight[w0:]``
    before the division by the weights' sum, ``sum_k a_k c_k`` and ``sum_k a_k c_{k+1}`` to
    ``out[o0:]``. Returns the number of vectors seen, the reciprocal of the weights' sum and the
    nearest step's distance.
    """
    nearest = splat(np.float32(3e38))
    if N == 3:
        qx, qy, qz = splat(q[q0]), splat(q[q0 + 1]), splat(q[q0 + 2])
        for v in range(vectors):
            k = c0 + 8 * v
            d = fabs(load(C, k) - qx) + fabs(load(C, k + L) - qy)
            d = d + fabs(load(C, k + 2 * L) - qz) + load(C, k + 3 * L)
            store(distance, 8 * v, d)
            nearest = smaller(d, nearest)
    else:
        for v in range(vectors):
            k = c0 + 8 * v
            d = load(C, k + N * L)
            for n in range(N):
                d = d + fabs(load(C, k + n * L) - splat(q[q0 + n]))
            store(distance, 8 * v, d)
            nearest = smaller(d, nearest)
    least = lowest(nearest)
    first, limit, rate = splat(least), splat(least + cutoff * tau), splat(np.float32(1.0) / tau)
    zero = splat(np.float32(0.0))
    mass, count = zero, 0
    for v in range(vectors):
        d = load(distance, 8 * v)
        if within(d, limit):
            e = exponential((first - d) * rate)
            store(weight, w0 + 8 * count, e)
            seen[n0 + count] = v
            count += 1
            mass = mass + e
    share = np.float32(1.0) / total(mass)
    if N == 3:
        ax, ay, az, bx, by, bz = zero, zero, zero, zero, zero, zero
        for i in range(count):
            k = c0 + 8 * seen[n0 + i]
            e = load(weight, w0 + 8 * i)
            ax, bx = fma(e, load(C, k), ax), fma(e, load(C, k + 1), bx)
            ay, by = fma(e, load(C, k + L), ay), fma(e, load(C, k + L + 1), by)
            az, bz = fma(e, load(C, k + 2 * L), az), fma(e, load(C, k + 2 * L + 1), bz)
        out[o0], out[o0 + 1], out[o0 + 2] = total(ax) * share, total(ay) * share, total(az) * share
        out[o0 + 3], out[o0 + 4] = total(bx) * share, total(by) * share
        out[o0 + 5] = total(bz) * share
    else:
        for n in range(N):
            here, after = zero, zero
            for i in range(count):
                k = c0 + n * L + 8 * seen[n0 + i]
                e = load(weight, w0 + 8 * i)
                here, after = fma(e, load(C, k), here), fma(e, load(C, k + 1), after)
            out[o0 + n], out[o0 + N + n] = total(here) * share, total(after) * share
    return count, share, least


# --- an index over the context, for N <= 3 ----------------------------------------------------
#
# Context steps are put in the order of a k-d tree: eight neighbours make a leaf, eight leaves a
# node, eight nodes the next, and each has a bounding box. A query then drops whatever lies too far.
# What is near need not be visited point by point either: seen from a query that no axis of a box
# straddles, |c - q|_1 is linear in c, so that
#     sum_k exp(-|c_k - q|_1 / tau) = exp(-|corner - q|_1 / tau) sum_k exp(-|c_k - corner|_1 / tau)
# exactly, with the box's corner nearest to q. The right sum, one per box and corner, and those with
# c_k and c_{k+1} as factors, are computed once. Only boxes that an axis straddles are opened.

DIMS = 3  # dimensions of the index; fewer are padded with zeros
GROUP = 56  # floats of eight sibling boxes: three lower bounds, three upper, one flag
TINY = 24.0  # a box is summed up beforehand only below this width, in units of tau: no underflow


@compiled
def divide(order, key, low, high, pivot, equal):  # type: ignore[no-untyped-def]
    """Put entries with ``key < pivot`` (or ``<=``) first; returns where the others begin."""
    edge = low
    for i in range(low, high):  # no branch: a processor guesses every other one wrong here
        item = order[i]
        order[i] = order[edge]
        order[edge] = item
        edge += (key[item] <= pivot) if equal else (key[item] < pivot)
    return edge


@compiled
def select(order, key, low, high, k):  # type: ignore[no-untyped-def]
    """Reorder ``order[low:high]`` so that no key before position ``k`` exceeds one after it."""
    while high - low > 1:
        a, b, c = key[order[low]], key[order[(low + high) // 2]], key[order[high - 1]]
        pivot = max(min(a, b), min(max(a, b), c))
        edge = divide(order, key, low, high, pivot, False)
        if edge == low:
            edge = divide(order, key, low, high, pivot, True)
            if k <= edge or edge == low:
                return
            low = edge
        elif k < edge:
            high = edge
        else:
            low = edge


@compiled
def arrange(values, K):  # type: ignore[no-untyped-def]
    """Order of the steps ``0 .. K - 1`` of ``values (3, K + 1)`` in which eight make a leaf."""
    order = np.arange(K)
    stack = np.empty((64, 2), np.int64)
    stack[0, 0], stack[0, 1], depth = 0, (K + 7) // 8, 1
    while depth > 0:
        depth -= 1
        a, b = stack[depth, 0], stack[depth, 1]
        if b - a <= 1:
            continue
        unit = 1  # leaves of the largest node that fits; cut between nodes
        while unit * 8 < b - a:
            unit *= 8
        middle = a + max(unit, (b - a) // 2 // unit * unit)
        low, high = 8 * a, min(8 * b, K)
        widest, width = 0, np.float32(-1.0)
        for n in range(DIMS):
            least = most = values[n, order[low]]
            for i in range(low, high, max(1, (high - low) // 32)):  # a sample is good enough
                x = values[n, order[i]]
                least, most = min(x, least), max(x, most)
            if most - least > width:
                widest, width = n, most - least
        select(order, values[widest], low, high, 8 * middle)
        stack[depth, 0], stack[depth, 1] = a, middle
        stack[depth + 1, 0], stack[depth + 1, 1] = middle, b
        depth += 2
    return order


@compiled
def build(values, K, tau):  # type: ignore[no-untyped-def]
    """The index over the steps ``0 .. K - 1`` of ``values (3, K + 1)``.

    Returns ``points`` (per leaf, eight at a time: c_k, then c_{k+1}), ``boxes`` (per group of eight
    siblings), ``sums`` (per box and corner: mass, c_k, c_{k+1}), and where each level's groups
    begin, leaves first.
    """
    order = arrange(values, K)
    leaves = (K + 7) // 8
    starts = np.zeros(24, np.int64)
    levels, count, groups = 0, leaves, 0
    while True:
        starts[levels] = groups
        groups += (count + 7) // 8
        levels += 1
        if count <= 8:
            break
        count = (count + 7) // 8
    starts[levels] = groups
    points = np.zeros(leaves * 48, np.float32)
    boxes = np.zeros(groups * GROUP, np.float32)
    sums = np.zeros(groups * 8 * 64, np.float32)
    for g in range(groups):
        for i in range(24):
            boxes[g * GROUP + i] = np.float32(3e38)
            boxes[g * GROUP + 24 + i] = np.float32(-3e38)
    rate, zero = splat(np.float32(-1.0) / tau), splat(np.float32(0.0))
    for leaf in range(leaves):
        p, box = leaf * 48, (leaf // 8) * GROUP + leaf % 8
        for i in range(8):
            k = order[8 * leaf + i] if 8 * leaf + i < K else -1
            for n in range(DIMS):
                x = values[n, k] if k >= 0 else FAR
                points[p + 8 * n + i] = x
                points[p + 24 + 8 * n + i] = values[n, k + 1] if k >= 0 else np.float32(0.0)
                if k >= 0:
                    boxes[box + 8 * n] = min(x, boxes[box + 8 * n])
                    boxes[box + 24 + 8 * n] = max(x, boxes[box + 24 + 8 * n])
        width = np.float32(0.0)
        for n in range(DIMS):
            width += boxes[box + 24 + 8 * n] - boxes[box + 8 * n]
        if not width <= np.float32(TINY) * tau:
            boxes[box + 48] = np.float32(-1.0)
            continue
        for corner in range(8):
            row = (leaf // 8 * 64 + corner * 8 + leaf % 8) * 8
            d = zero
            for n in range(DIMS):
                upper = corner >> n & 1
                d = d + fabs(load(points, p + 8 * n) - splat(boxes[box + 24 * upper + 8 * n]))
            e = exponential(d * rate)
            sums[row] = total(e)
            for c in range(2 * DIMS):
                sums[row + 1 + c] = total(e * load(points, p + 8 * c))
    for level in range(1, levels):
        children = leaves
        for _ in range(level - 1):
            children = (children + 7) // 8
        for child in range(children):
            node = child // 8
            small = (starts[level - 1] + child // 8) * GROUP + child % 8
            box = (starts[level] + node // 8) * GROUP + node % 8
            for n in range(DIMS):
                boxes[box + 8 * n] = min(boxes[small + 8 * n], boxes[box + 8 * n])
                boxes[box + 24 + 8 * n] = max(boxes[small + 24 + 8 * n], boxes[box + 24 + 8 * n])
        for child in range(children):
            node = child // 8
            small = (starts[level - 1] + child // 8) * GROUP + child % 8
            box = (starts[level] + node // 8) * GROUP + node % 8
            width = np.float32(0.0)
            for n in range(DIMS):
                width += boxes[box + 24 + 8 * n] - boxes[box + 8 * n]
            if not width <= np.float32(TINY) * tau:
                boxes[box + 48] = np.float32(-1.0)
                continue
            for corner in range(8):
                d = np.float32(0.0)
                for n in range(DIMS):
                    side = 24 * (corner >> n & 1) + 8 * n
                    d += abs(boxes[small + side] - boxes[box + side])
                row = ((starts[level] + node // 8) * 64 + corner * 8 + node % 8) * 8
                part = ((starts[level - 1] + child // 8) * 64 + corner * 8 + child % 8) * 8
                e = exponential(splat(d) * rate)
                store(sums, row, fma(e, load(sums, part), load(sums, row)))
    return points, boxes, sums, starts, levels


@compiled
def look_up(  # type: ignore[no-untyped-def]
    points, boxes, sums, starts, levels, q, q0, tau, cutoff, lists, near, rows, shares, work, bits,
    out, o0,
):  # fmt: skip
    """:func:`attend` by the index: ``sum_k a_k c_k`` and ``sum_k a_k c_{k+1}`` to ``out[o0:]``.

    ``lists`` is room for the boxes to open, ``near``, ``rows`` and ``shares`` for those whose sums
    are taken, ``work`` for a vector or two; ``bits`` is :data:`BITS`.
    """
    zero = splat(np.float32(0.0))
    eight, sixteen, thirty_two = splat(np.float32(8)), splat(np.float32(16)), splat(np.float32(32))
    for i in range(8):
        work[i] = i
    numbers = load(work, 0)
    most = splat(np.float32(115.0))  # 2^115 = exp(80)
    large = np.float32(1e15)  # beyond it, distances to padding would overflow
    qx = splat(max(-large, min(large, q[q0])))
    qy = splat(max(-large, min(large, q[q0 + 1])))
    qz = splat(max(-large, min(large, q[q0 + 2])))
    rate = splat(np.float32(LOG2_E) / tau)
    # down to the nearest leaf, box by box: its nearest point bounds the distance of the nearest
    node = 0
    for level in range(levels - 1, -1, -1):
        p = (starts[level] + node) * GROUP
        d = larger(larger(load(boxes, p) - qx, qx - load(boxes, p + 24)), zero)
        d = d + larger(larger(load(boxes, p + 8) - qy, qy - load(boxes, p + 32)), zero)
        d = d + larger(larger(load(boxes, p + 16) - qz, qz - load(boxes, p + 40)), zero)
        node = 8 * node + first_bit(within(d, splat(lowest(d))))
        if level > 0:
            node = min(node, starts[level] - starts[level - 1] - 1)
    p = min(node, points.size // 48 - 1) * 48
    d = fabs(load(points, p) - qx) + fabs(load(points, p + 8) - qy)
    bound = lowest(d + fabs(load(points, p + 16) - qz))
    reach, full = np.float32(CUTOFF + LOG_8), False
    for _ in range(3):  # the second and third only where the first was not enough
        base, dropped = splat(bound), zero
        here, there, count, closed, groups = 0, lists.size // 2, 1, 0, 0
        lists[0] = 0
        for level in range(levels - 1, -1, -1):
            far_off = cutoff if full else reach + np.float32(level) * np.float32(LOG_8)
            limit = splat(bound + far_off * tau)
            steps = splat(np.float32(8 << 3 * level))
            after, pruned = 0, zero
            for f in range(count):
                group = starts[level] + lists[here + f]
                p = group * GROUP
                ux, uy, uz = load(boxes, p + 24), load(boxes, p + 32), load(boxes, p + 40)
                x = larger(load(boxes, p) - qx, qx - ux)
                y = larger(load(boxes, p + 8) - qy, qy - uy)
                z = larger(load(boxes, p + 16) - qz, qz - uz)
                d = larger(x, zero) + larger(y, zero) + larger(z, zero)
                inside = smaller(smaller(x, y), smaller(z, load(boxes, p + 48)))
                e = power(smaller((base - d) * rate, most))
                pruned = pruned + where_at_least(d, limit, e)
                reached = below(d, limit)
                opened = reached & below(inside, zero)
                after += push(lists, there + after, opened, 8 * lists[here + f], bits)
                corner = where_at_least(qx, ux, eight) + where_at_least(qy, uy, sixteen)
                corner = corner + (where_at_least(qz, uz, thirty_two) + numbers)
                store_integers(rows, groups, corner, group * 64)
                store(shares, groups, e)
                closed += push(near, closed, reached ^ opened, groups, bits)
                groups += 8
            dropped = fma(pruned, steps, dropped)
            here, there, count = there, here, after
        far, far1, far2, far3 = zero, zero, zero, zero  # mass and sums of closed boxes
        for i in range(0, closed - closed % 4, 4):
            k, k1, k2, k3 = near[i], near[i + 1], near[i + 2], near[i + 3]
            far = fma(splat(shares[k]), load(sums, 8 * rows[k]), far)
            far1 = fma(splat(shares[k1]), load(sums, 8 * rows[k1]), far1)
            far2 = fma(splat(shares[k2]), load(sums, 8 * rows[k2]), far2)
            far3 = fma(splat(shares[k3]), load(sums, 8 * rows[k3]), far3)
        for i in range(closed - closed % 4, closed):
            far = fma(splat(shares[near[i]]), load(sums, 8 * rows[near[i]]), far)
        far = (far + far1) + (far2 + far3)
        # in two passes: together they need more registers than there are
        mass, ax, ay, az, bx, by, bz = zero, zero, zero, zero, zero, zero, zero
        for f in range(count):
            p = lists[here + f] * 48
            d = fabs(load(points, p) - qx) + fabs(load(points, p + 8) - qy)
            d = d + fabs(load(points, p + 16) - qz)
            e = power(smaller((base - d) * rate, most))
            store(shares, 8 * f, e)
            mass = mass + e
        for f in range(count):
            p = lists[here + f] * 48
            e = load(shares, 8 * f)
            ax, bx = fma(e, load(points, p), ax), fma(e, load(points, p + 24), bx)
            ay, by = fma(e, load(points, p + 8), ay), fma(e, load(points, p + 32), by)
            az, bz = fma(e, load(points, p + 16), az), fma(e, load(points, p + 40), bz)
        store(work, 0, far)
        whole = total(mass) + work[0]
        if not whole > np.float32(1e17):  # exp(40)
            if full or not total(dropped) > np.float32(TOLERANCE) * whole:
                break
            full = True
            continue
        # the bound was far too high, so nearer points overflowed: take the true distance
        nearest = splat(np.float32(3e38))
        for p in range(0, points.size, 48):
            d = fabs(load(points, p) - qx) + fabs(load(points, p + 8) - qy)
            nearest = smaller(d + fabs(load(points, p + 16) - qz), nearest)
        bound = lowest(nearest)
    share = np.float32(1.0) / whole
    out[o0], out[o0 + 1] = (total(ax) + work[1]) * share, (total(ay) + work[2]) * share
    out[o0 + 2], out[o0 + 3] = (total(az) + work[3]) * share, (total(bx) + work[4]) * share
    out[o0 + 4], out[o0 + 5] = (total(by) + work[5]) * share, (total(bz) + work[6]) * share


# --- rollout ----------------------------------------------------------------------------------


@compiled
def run(  # type: ignore[no-untyped-def]
    first, last, sizes, inward, outward, diagonal, offset, threshold, query_hidden, U_summary, V,
    floor, conv, sigma, L_map, tau_att, cutoff, context, start, noise, bits, observations, gates,
):  # fmt: skip
    """Roll out the series ``first .. last - 1``, at most two, beside each other."""
    N, M, J, P, H, T = sizes
    K = context.shape[0] - 1
    zero, none = np.float32(0.0), splat(np.float32(0.0))
    Mp, Jp, Z = (M + 7) // 8 * 8, (J + 7) // 8 * 8, (M + 31) // 32 * 32
    Hp = Mp if H == 0 else (H + 7) // 8 * 8
    O = (J * Hp + 31) // 32 * 32  # noqa: E741
    G = (N + Jp + 31) // 32 * 32
    D = max(N, DIMS)
    indexed = N <= DIMS
    live = last - first
    state, phi = np.zeros(2 * Z, np.float32), np.zeros(2 * Z, np.float32)
    experts, mixed = np.zeros(2 * O, np.float32), np.zeros(2 * G, np.float32)
    query, pair = np.zeros(2 * D, np.float32), np.zeros(2 * D, np.float32)
    hidden, weight = np.zeros(Jp, np.float32), np.zeros(2 * Jp, np.float32)
    work = np.zeros(16, np.float32)
    # the two series' contexts: an index each, or the plain rows
    values = np.zeros((2, D, K + 1), np.float32)
    for m in range(live):
        for n in range(N):
            for k in range(K + 1):
                values[m, n, k] = context[k, first + m, n]
            state[m * Z + n] = start[first + m, n]
        for i in range(M - N):
            x = zero
            for n in range(N):
                x += L_map[i, n] * state[m * Z + n]
            state[m * Z + N + i] = x
    vectors = (K + 7) // 8
    Lc = 8 * vectors + 8
    rows = np.zeros((1 if indexed else 2) * (N + 1) * Lc, np.float32)
    seen = np.zeros(1 if indexed else vectors, np.int32)
    distance = np.zeros(8 if indexed else 8 * vectors, np.float32)
    share = np.zeros(8 if indexed else 8 * vectors, np.float32)
    if not indexed:
        for m in range(live):
            for n in range(N):
                for k in range(K + 1):
                    rows[(m * (N + 1) + n) * Lc + k] = values[m, n, k]
            for k in range(K, Lc):
                rows[(m * (N + 1) + N) * Lc + k] = FAR
    few = K if indexed else 1
    points, boxes, sums, starts, levels = build(values[0, :DIMS], few, tau_att)
    points1, boxes1, sums1, starts1, levels1 = points, boxes, sums, starts, levels
    if live > 1:
        points1, boxes1, sums1, starts1, levels1 = build(values[1, :DIMS], few, tau_att)
    room = 8 * max(starts[levels], starts1[levels1]) + 16
    lists, near = np.zeros(2 * room, np.uint32), np.zeros(room, np.uint32)
    box_rows, shares = np.zeros(room, np.uint32), np.zeros(8 * room, np.float32)
    for t in range(T):
        for i in range(0, 2 * G, 8):
            store(mixed, i, none)
        product(state, 0, Z, M, query_hidden, 0, mixed, 0, G, G // 32, 32)
        for m in range(live):
            for n in range(N):
                query[m * D + n] = mixed[m * G + n] + sigma[n] * noise[t, n]
            if not indexed:
                attend(rows, m * (N + 1) * Lc, Lc, vectors, N, query, m * D, tau_att, cutoff,
                       distance, share, 0, seen, 0, pair, 0)  # fmt: skip
            elif m == 0:
                look_up(points, boxes, sums, starts, levels, query, 0, tau_att, cutoff, lists, near,
                        box_rows, shares, work, bits, pair, 0)  # fmt: skip
            else:
                look_up(points1, boxes1, sums1, starts1, levels1, query, D, tau_att, cutoff, lists,
                        near, box_rows, shares, work, bits, pair, 0)  # fmt: skip
            # summary s, hidden relu(U [s; z]), weights softmax(-V hidden / tau_gate)
            for n in range(N):
                x = conv[n, 2 * D]
                for c in range(2 * D):
                    x += conv[n, c] * pair[c]
                for j in range(0, Jp, 8):
                    i = m * G + N + j
                    store(mixed, i, fma(splat(x), load(U_summary, n * Jp + j), load(mixed, i)))
            top = splat(np.float32(-3e38))
            for j in range(0, Jp, 8):
                store(hidden, j, larger(load(mixed, m * G + N + j), none))
            for j in range(0, Jp, 8):
                u = load(floor, j)
                for h in range(J):
                    u = fma(splat(hidden[h]), load(V, h * Jp + j), u)
                store(weight, m * Jp + j, u)
                top = larger(u, top)
            top, mass = splat(highest(top)), none
            for j in range(0, Jp, 8):
                e = exponential(load(weight, m * Jp + j) - top)
                store(weight, m * Jp + j, e)
                mass = mass + e
            scale = splat(np.float32(1.0) / total(mass))
            for j in range(0, Jp, 8):
                store(weight, m * Jp + j, load(weight, m * Jp + j) * scale)
            for j in range(J if gates.shape[0] > 0 else 0):
                gates[t, first + m, j] = weight[m * Jp + j]
            # what each expert adds beside its matrix
            for i in range(M):
                phi[m * Z + i] = state[m * Z + i]
            for i in range(M - P if H == 0 else M, M):
                if state[m * Z + i] < zero:
                    phi[m * Z + i] = zero
            for i in range(0, O, 8):
                store(experts, m * O + i, none)
        product(phi, 0, Z, M, inward, 0, experts, 0, O, O // 32, 32)
        for m in range(live):
            if H > 0:  # relu(W2 z + h2) - relu(W2 z), weighted: the inputs of [W1_1 .. W1_J]
                for j in range(J):
                    w = splat(weight[m * Jp + j])
                    for i in range(j * Hp, j * Hp + Hp, 8):
                        x = load(experts, m * O + i)
                        x = larger(x + load(threshold, i), none) - larger(x, none)
                        store(experts, m * O + i, w * x)
            for c in range(0, Mp, 8):
                x, z = none, load(state, m * Z + c)
                for j in range(J):
                    o = j * Mp + c
                    y = fma(load(diagonal, o), z, load(offset, o))
                    if H == 0:
                        y = y + load(experts, m * O + o)
                    x = fma(splat(weight[m * Jp + j]), y, x)
                store(state, m * Z + c, x)
        if H > 0:
            product(experts, 0, O, O, outward, 0, state, 0, Z, Z // 32, 32)
        for m in range(live):
            for n in range(N):
                observations[t, first + m, n] = state[m * Z + n]


def padded(n: int, multiple: int) -> int:
    """``n`` rounded up."""
    return -(-n // multiple) * multiple


def packed(matrix: np.ndarray) -> np.ndarray:
    """An ``(n, m)`` matrix as :func:`product` reads it: ``(blocks, n, 32)``, flat, zero-padded."""
    n, m = matrix.shape
    full = np.zeros((n, padded(m, BLOCK)), np.float32)
    full[:, :m] = matrix
    return np.ascontiguousarray(full.reshape(n, -1, BLOCK).transpose(1, 0, 2)).ravel()


# --- called from Python -----------------------------------------------------------------------


class EngineUnavailable(RuntimeError):  # noqa: N818
    """The kernels do not compile here; the torch engine does the same, more slowly."""


_compiling = threading.Lock()
_usable: set[Any] = set()


def call(kernel: Any, *arguments: Any) -> None:
    """Call a compiled function; says so when it has to be compiled first and that takes long.

    Raises
    ------
    EngineUnavailable
        If compiling fails.
    """
    if kernel not in _usable:
        with _compiling:
            text = "compiling %s; this happens once, the result is kept on disk"
            notice = threading.Timer(NOTICE, logger.warning, [text, kernel.__name__])
            notice.start()
            try:
                kernel.compile(tuple(typeof(argument) for argument in arguments))
            except Exception as error:  # numba, LLVM and the operating system each have their own
                raise EngineUnavailable(f"{kernel.__name__} does not compile: {error}") from error
            finally:
                notice.cancel()
            _usable.add(kernel)
    kernel(*arguments)


def pool(threads: int) -> ThreadPoolExecutor:
    """Threads, kept. The kernels do not hold the GIL, so these run side by side."""
    return _pool(threads, os.getpid())


@lru_cache(maxsize=8)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """By process: threads do not survive a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix="dynamix")


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def supports(config: ModelConfig) -> bool:
    """Whether :func:`rollout` handles this model; the torch engine handles every one."""
    return not config.probabilistic


@torch.no_grad()
def rollout(
    model: DynaMix,
    context: Float[Tensor, "T_C S N"],
    *,
    horizon: int,
    initial_x: Float[Tensor, "S N"] | None = None,
    gate_noise: bool = True,
    seed: int = 0,
    return_gates: bool = False,
    threads: int | None = None,
) -> Rollout:
    """What :func:`dynamix.rollout.rollout` computes, in float32 on the CPU.

    Bit for bit independent of ``threads`` (None: all cores) and of the series beside a series.

    Raises
    ------
    InputError
        If the context's shape does not fit the model.
    EngineUnavailable
        If the kernels do not compile on this machine.
    """
    check_series(context, model.config)
    c = model.config
    N, M, J = c.observed_dims, c.latent_dims, c.experts
    H = 0 if c.expert_kind == "alrnn" else c.hidden_units
    T_C, S, _ = context.shape
    D = max(N, DIMS)
    value = {name: as_array(p) for name, p in model.named_parameters()}
    diagonal = rows_of(value["experts.A"]).ravel()
    if H:
        inward, offset = rows_of(value["experts.W2"].transpose(2, 0, 1)), value["experts.h1"]
        outward = np.zeros((padded(inward.shape[1], BLOCK), M), np.float32)
        outward[: inward.shape[1]] = rows_of(value["experts.W1"].transpose(1, 0, 2)).T
        threshold = rows_of(value["experts.h2"]).ravel()
    else:
        inward, offset = rows_of(value["experts.W"].transpose(2, 0, 1)), value["experts.h"]
        outward, threshold = np.zeros((1, 1), np.float32), np.zeros(8, np.float32)
    V, floor, query_hidden, U_summary = gate_matrices(value, N, J)
    kernel = value["gate.conv.weight"]
    conv = np.zeros((N, 2 * D + 1), np.float32)
    conv[:, :N], conv[:, D : D + N] = kernel[:, :, 0], kernel[:, :, 1]
    conv[:, 2 * D] = value["gate.conv.bias"]
    noise = (
        gate_noise_stream(horizon, N, seed=seed)
        if gate_noise
        else np.zeros((horizon, N), np.float32)
    )
    observations = np.empty((horizon, S, N), np.float32)
    gates = np.empty((horizon if return_gates else 0, S, J), np.float32)
    points = as_array(context)
    arguments = (
        (N, M, J, c.relu_units, H, horizon), packed(inward), packed(outward), diagonal,
        rows_of(offset).ravel(), threshold, packed(query_hidden), U_summary.ravel(), V.ravel(),
        floor, conv, value["gate.sigma"], value["L"], abs(value["gate.tau_att"][0]),
        np.float32(SAFE + math.log(T_C - 1)), points,
        points[-1] if initial_x is None else as_array(initial_x), noise, BITS, observations, gates,
    )  # fmt: skip
    threads = available_cores() if threads is None else threads
    together = 1 if threads > S // 2 else 2  # two share the experts' weights in the cache
    starts = range(0, S, together)

    def work(first: int) -> None:
        call(run, first, min(first + together, S), *arguments)

    if threads == 1 or len(starts) == 1:
        for first in starts:
            work(first)
    else:
        list(pool(threads).map(work, starts))
    return Rollout(
        torch.from_numpy(observations), torch.from_numpy(gates) if return_gates else None
    )


def as_array(tensor: Tensor) -> np.ndarray:
    """A contiguous float32 array."""
    return np.ascontiguousarray(tensor.detach().to("cpu", torch.float32).numpy())


def rows_of(values: np.ndarray) -> np.ndarray:
    """``(..., J, m)`` to ``(..., J m')``, each expert's part padded to whole vectors."""
    *rest, J, m = values.shape
    full = np.zeros((*rest, J, padded(m, WIDTH)), np.float32)
    full[..., :m] = values
    return full.reshape(*rest, -1)


def gate_matrices(value: dict[str, np.ndarray], N: int, J: int) -> tuple[np.ndarray, ...]:
    """The gate's weights, padded: ``-V^T / tau_gate``, what pads it, ``[D; U_z]``, ``U_s``."""
    Jp = padded(J, WIDTH)
    U = value["gate.U"]
    V = np.zeros((J, Jp), np.float32)
    V[:, :J] = -value["gate.V"].T / abs(value["gate.tau_gate"][0])
    floor = np.zeros(Jp, np.float32)
    floor[J:] = -1e30
    query_hidden = np.zeros((U.shape[1] - N, N + Jp), np.float32)
    query_hidden[:, :N] = value["gate.D"].T
    query_hidden[:, N : N + J] = U[:, N:].T
    U_summary = np.zeros((N, Jp), np.float32)
    U_summary[:, :J] = U[:, :N].T
    return V, floor, query_hidden, U_summary
