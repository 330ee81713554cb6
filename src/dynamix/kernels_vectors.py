"""A numba type of eight float32 and its operations, one machine instruction each.

numba and LLVM vectorise a loop when they see that they may; here they are told, so that nothing
hangs on a compiler's guess. Where registers hold four floats, LLVM splits each operation in two.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model
from numba.np.arrayobj import make_array

from .kernels_runtime import WIDTH

LOG2_E = 1.4426950408889634

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
