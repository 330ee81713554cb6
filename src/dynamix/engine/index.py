"""An index over the context, for up to three dimensions, so that a step hardly grows with it.

Context steps are put in the order of a k-d tree: eight neighbours make a leaf, eight leaves a
node, eight nodes the next, and each has a bounding box. A query then drops whatever lies too far.
What is near need not be visited point by point either: seen from a query that no axis of a box
straddles, |c - q|_1 is linear in c, so that
    sum_k exp(-|c_k - q|_1 / tau) = exp(-|corner - q|_1 / tau) sum_k exp(-|c_k - corner|_1 / tau)
exactly, with the box's corner nearest to q. The right sum, one per box and corner, and those with
c_k and the step on from it as factors, are computed once. Only boxes that an axis straddles are
opened.

What is wanted is ``sum_k a_k c_k`` and ``sum_k a_k (c_{k+1} - c_k)``: the model's convolution takes
little but the step on, and the difference of two sums of c would leave their rounding. For the same
reason c_k is summed up as its distance from a step near the query, and boxes' sums are in float64.
"""

import math
from collections import namedtuple
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from .runtime import FAR, inlined, piece
from .vectors import (
    LOG2_E,
    below,
    exponential,
    fabs,
    first_bit,
    fma,
    larger,
    load,
    lowest,
    power,
    push,
    smaller,
    splat,
    store,
    total,
    truncated,
    where_at_least,
    widened,
    within,
)  # fmt: skip

CUTOFF = 16.0  # a first try goes as far as each dropped box weighs exp(-16) at most ...
TOLERANCE = 3e-7  # ... and stands if all that it dropped provably weighs less than this
LOG_8 = math.log(8.0)
DIMS = 3  # dimensions of the index; fewer are padded with zeros
GROUP = 56  # floats of eight sibling boxes: three lower bounds, three upper, one flag
TINY = 24.0  # a box is summed up beforehand only below this width, in units of tau: no underflow


class Index(NamedTuple):
    """A context's tree."""

    points: ndarray  # per leaf, eight at a time: c_k, then c_{k+1} - c_k
    boxes: ndarray  # per group of eight siblings
    sums: ndarray  # per box and corner: mass, and of c_k and c_{k+1} - c_k
    starts: ndarray  # where each level's groups begin, leaves first
    levels: int


# What a query needs besides: room for the boxes to open on this level and the next; for those
# whose sums are taken, for their rows in the sums and for their weights; for a vector; and BITS
Room = namedtuple("Room", "lists near rows shares work bits")


@piece
def divide(order, key, low, high, pivot, equal):  # type: ignore[no-untyped-def]
    """Put entries with ``key < pivot`` (or ``<=``) first; returns where the others begin."""
    edge = low
    for i in range(low, high):  # no branch: a processor guesses every other one wrong here
        item = order[i]
        order[i] = order[edge]
        order[edge] = item
        edge += (key[item] <= pivot) if equal else (key[item] < pivot)
    return edge


@piece
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


@piece
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


@piece
def narrow(boxes, box, tau):  # type: ignore[no-untyped-def]
    """Whether a box is narrow enough to be summed up beforehand; the others get the flag."""
    width = np.float32(0.0)
    for i in range(box, box + 8 * DIMS, 8):
        width += boxes[i + 24] - boxes[i]
    if not width <= np.float32(TINY) * tau:
        boxes[box + 48] = np.float32(-1.0)
        return False
    return True


@piece
def boxes_over(values, K):  # type: ignore[no-untyped-def]
    """The tree over the steps ``0 .. K - 1`` of ``values (3, K + 1)``: their order, and boxes."""
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
    for g in range(groups):
        for i in range(24):
            boxes[g * GROUP + i] = np.float32(3e38)
            boxes[g * GROUP + 24 + i] = np.float32(-3e38)
    for leaf in range(leaves):
        p, box = leaf * 48, (leaf // 8) * GROUP + leaf % 8
        for i in range(8):
            k = order[8 * leaf + i] if 8 * leaf + i < K else -1
            for n in range(DIMS):
                x = values[n, k] if k >= 0 else FAR
                points[p + 8 * n + i] = x
                points[p + 24 + 8 * n + i] = values[n, k + 1] - x if k >= 0 else np.float32(0.0)
                if k >= 0:
                    boxes[box + 8 * n] = min(x, boxes[box + 8 * n])
                    boxes[box + 24 + 8 * n] = max(x, boxes[box + 24 + 8 * n])
    children = leaves
    for level in range(1, levels):
        for child in range(children):
            small = (starts[level - 1] + child // 8) * GROUP + child % 8
            box = (starts[level] + child // 64) * GROUP + child // 8 % 8
            for i in range(0, 8 * DIMS, 8):
                boxes[box + i] = min(boxes[small + i], boxes[box + i])
                boxes[box + 24 + i] = max(boxes[small + 24 + i], boxes[box + 24 + i])
        children = (children + 7) // 8
    return order, points, boxes, starts, levels


@piece
def build(values, K, tau):  # type: ignore[no-untyped-def]
    """The index over the steps ``0 .. K - 1`` of ``values (3, K + 1)``."""
    _, points, boxes, starts, levels = boxes_over(values, K)
    sums = np.zeros(starts[levels] * 8 * 64)
    rate, zero = splat(np.float32(-1.0) / tau), splat(np.float32(0.0))
    for leaf in range((K + 7) // 8):
        p, box = leaf * 48, (leaf // 8) * GROUP + leaf % 8
        if not narrow(boxes, box, tau):
            continue
        for corner in range(8):
            row = (leaf // 8 * 64 + corner * 8 + leaf % 8) * 8
            d = zero
            for n in range(DIMS):
                upper = corner >> n & 1
                d = d + fabs(load(points, p + 8 * n) - splat(boxes[box + 24 * upper + 8 * n]))
            e = exponential(d * rate)
            mass = np.float64(total(e))
            sums[row] = mass
            for n in range(DIMS):
                x = boxes[box + 24 * (corner >> n & 1) + 8 * n]
                off = total(e * (load(points, p + 8 * n) - splat(x)))
                sums[row + 1 + n] = mass * np.float64(x) + np.float64(off)
                sums[row + 1 + DIMS + n] = total(e * load(points, p + 24 + 8 * n))
    children = (K + 7) // 8
    for level in range(1, levels):
        for node in range((children + 7) // 8):
            group, box = starts[level - 1] + node, (starts[level] + node // 8) * GROUP + node % 8
            if not narrow(boxes, box, tau):
                continue
            for corner in range(8):
                row = ((starts[level] + node // 8) * 64 + corner * 8 + node % 8) * 8
                for child in range(min(8, children - 8 * node)):
                    d = np.float32(0.0)
                    for n in range(DIMS):
                        side = 24 * (corner >> n & 1) + 8 * n
                        d += abs(boxes[group * GROUP + child + side] - boxes[box + side])
                    e = widened(exponential(splat(d) * rate))
                    part = load(sums, (group * 64 + corner * 8 + child) * 8)
                    store(sums, row, fma(e, part, load(sums, row)))
        children = (children + 7) // 8
    return Index(points, boxes, sums, starts, levels)


@piece
def room_for(groups, bits):  # type: ignore[no-untyped-def]
    """The room for queries of indexes of up to so many groups."""
    n = 8 * groups + 16
    return Room(
        np.zeros(2 * n, np.uint32), np.zeros(n, np.uint32), np.zeros(n, np.uint32),
        np.zeros(8 * n, np.float32), np.zeros(8), bits,
    )  # fmt: skip


@inlined
def look_up(index, q, q0, tau, cutoff, room, out, o0):  # type: ignore[no-untyped-def]
    """Attention by the index: ``sum_k a_k c_k``, ``sum_k a_k (c_{k+1} - c_k)`` to ``out[o0:]``.

    ``out`` is float64.
    """
    points, boxes, sums, starts, levels = index
    lists, near, rows, shares, work, bits = room
    zero, none = splat(np.float32(0.0)), splat(0.0)
    eight, sixteen, thirty_two = splat(np.float32(8)), splat(np.float32(16)), splat(np.float32(32))
    for i in range(8):
        shares[i] = i
    numbers = load(shares, 0)
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
    rx, ry, rz = points[p], points[p + 8], points[p + 16]  # a step near the query
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
                store(rows, groups, truncated(corner) + splat(np.uint32(group * 64)))
                store(shares, groups, e)
                closed += push(near, closed, reached ^ opened, groups, bits)
                groups += 8
            dropped = fma(pruned, steps, dropped)
            here, there, count = there, here, after
        far, far1, far2, far3 = none, none, none, none  # mass and sums of closed boxes
        for i in range(0, closed - closed % 4, 4):
            k, k1, k2, k3 = near[i], near[i + 1], near[i + 2], near[i + 3]
            far = fma(splat(np.float64(shares[k])), load(sums, 8 * rows[k]), far)
            far1 = fma(splat(np.float64(shares[k1])), load(sums, 8 * rows[k1]), far1)
            far2 = fma(splat(np.float64(shares[k2])), load(sums, 8 * rows[k2]), far2)
            far3 = fma(splat(np.float64(shares[k3])), load(sums, 8 * rows[k3]), far3)
        for i in range(closed - closed % 4, closed):
            far = fma(splat(np.float64(shares[near[i]])), load(sums, 8 * rows[near[i]]), far)
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
        x, y, z = splat(rx), splat(ry), splat(rz)
        for f in range(count):
            p = lists[here + f] * 48
            e = load(shares, 8 * f)
            ax, bx = fma(e, load(points, p) - x, ax), fma(e, load(points, p + 24), bx)
            ay, by = fma(e, load(points, p + 8) - y, ay), fma(e, load(points, p + 32), by)
            az, bz = fma(e, load(points, p + 16) - z, az), fma(e, load(points, p + 40), bz)
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
    share = 1.0 / whole
    out[o0] = rx + (total(ax) + (work[1] - rx * work[0])) * share
    out[o0 + 1] = ry + (total(ay) + (work[2] - ry * work[0])) * share
    out[o0 + 2] = rz + (total(az) + (work[3] - rz * work[0])) * share
    out[o0 + 3], out[o0 + 4] = (total(bx) + work[4]) * share, (total(by) + work[5]) * share
    out[o0 + 5] = (total(bz) + work[6]) * share
