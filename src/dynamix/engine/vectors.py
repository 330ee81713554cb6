"""numba types of eight float32 and eight float64, and their operations.

numba and LLVM vectorise a loop when they see that they may; here they are told, so that nothing
hangs on a compiler's guess. An operation on float32 is one machine instruction; where registers
hold less, and on float64, LLVM splits it in two or four.
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

from .runtime import WIDTH

LOG2_E = 1.4426950408889634
# minimax polynomials of 2^f on [-1/2, 1/2], highest power first
_POLYNOMIAL = (
    0.0013266970386328625, 0.009675459745517562, 0.05550742616002547, 0.24022121753561693,
    0.6931469491610631, 1.0000000710296983,
)  # fmt: skip
_POLYNOMIAL_WIDE = (
    1.5201922532617813e-05, 0.00015469291314235134, 0.0013333922560549282, 0.009618027253093478,
    0.055504103534498285, 0.24022651198162492, 0.6931471807284478, 0.9999999999616818,
)  # fmt: skip

intrinsic: Any = extending.intrinsic  # numba's own annotation misses the decorator's effect
_F32, _F64, _I32, _I64 = ir.FloatType(), ir.DoubleType(), ir.IntType(32), ir.IntType(64)
_VECTOR, _WIDE = ir.VectorType(_F32, WIDTH), ir.VectorType(_F64, WIDTH)
_INTEGERS, _LONG_INTEGERS = ir.VectorType(_I32, WIDTH), ir.VectorType(_I64, WIDTH)


class Lanes(types.Type):
    """numba's type of a vector of eight numbers."""

    def __init__(self, element: types.Float) -> None:
        super().__init__(name=f"{element}x{WIDTH}")
        self.element = element


lanes, wide = Lanes(types.float32), Lanes(types.float64)
_VECTORS = {lanes: _VECTOR, wide: _WIDE}


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTORS[kind])


def _emitted(
    arity: int, emit: Callable[..., Any], result: Callable[[Any], Any] | None = None
) -> Any:
    """A numba function of ``arity`` vectors of one kind; ``emit(builder, *vectors)`` writes it.

    ``result`` says what it returns, given the vectors' kind; None: the same.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *args)

    def typed(kind: Any) -> Any:
        returned = kind if result is None else result(kind)
        return returned(*[kind] * arity), codegen

    signatures = (
        lambda typing, a: typed(a), lambda typing, a, b: typed(a), lambda typing, a, b, c: typed(a),
    )  # fmt: skip
    return intrinsic(signatures[arity - 1])


def _call(builder: Any, name: str, result: Any, *args: Any, fastmath: tuple[str, ...] = ()) -> Any:
    """Call one of LLVM's own functions, of vectors like the last argument."""
    precision = "f64" if args[-1].type.element == _F64 else "f32"
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(result, [a.type for a in args]),
        f"llvm.{name}.v{WIDTH}{precision}",
    )
    return builder.call(function, args, fastmath=fastmath)


def _all(builder: Any, scalar: Any) -> Any:
    """A vector of equal entries."""
    empty = ir.Constant(ir.VectorType(scalar.type, WIDTH), ir.Undefined)
    one = builder.insert_element(empty, scalar, _I32(0))
    return builder.shuffle_vector(one, empty, ir.Constant(_INTEGERS, [0] * WIDTH))


def _const(value: float, kind: Any = _VECTOR) -> Any:
    return ir.Constant(kind, [float(np.float32(value)) if kind is _VECTOR else value] * WIDTH)


def _power(builder: Any, t: Any) -> Any:
    """``2^t`` for ``t <= 127`` to 1e-7, in float64 to 1e-10; at least ``2^-126``, also of NaN."""
    kind, single = t.type, t.type.element == _F32
    t = _larger(builder, t, _const(-126.0, kind))
    whole = _call(builder, "rint", kind, t)
    f = builder.fsub(t, whole)
    first, *others = _POLYNOMIAL if single else _POLYNOMIAL_WIDE
    y = _const(first, kind)
    for c in others:
        y = _call(builder, "fmuladd", kind, y, f, _const(c, kind))
    # add the whole part to the exponent's bits, which are above those of the mantissa
    integers, mantissa = (_INTEGERS, 23) if single else (_LONG_INTEGERS, 52)
    exponent = builder.fptosi(whole, _INTEGERS)
    if not single:
        exponent = builder.sext(exponent, integers)
    exponent = builder.shl(exponent, ir.Constant(integers, [mantissa] * WIDTH))
    return builder.bitcast(builder.add(builder.bitcast(y, integers), exponent), kind)


def _sign(builder: Any, x: Any) -> Any:
    negative = builder.select(builder.fcmp_ordered("<", x, _const(0.0)), _const(-1.0), _const(0.0))
    return builder.select(builder.fcmp_ordered(">", x, _const(0.0)), _const(1.0), negative)


def _picked(order: str) -> Callable[..., Any]:
    """``a`` where it compares so with ``b``, else ``b``, also where one is NaN."""
    return lambda builder, a, b: builder.select(builder.fcmp_ordered(order, a, b), a, b)


def _mask(order: str) -> Callable[..., Any]:
    """The comparison's outcome, a bit per entry; false where one is NaN."""

    def emit(builder: Any, a: Any, b: Any) -> Any:
        bits = builder.bitcast(builder.fcmp_ordered(order, a, b), ir.IntType(WIDTH))
        return builder.zext(bits, _I64)

    return emit


def _reduced(pick: Callable[..., Any]) -> Callable[..., Any]:
    """Halves against each other, thrice; LLVM's own reduction looks for NaN at every one."""

    def emit(builder: Any, x: Any) -> Any:
        n = WIDTH
        while n > 1:
            n //= 2
            low, high = (ir.Constant(ir.VectorType(_I32, n), list(range(i, i + n))) for i in (0, n))
            x = pick(builder, *(builder.shuffle_vector(x, x, half) for half in (low, high)))
        return builder.extract_element(x, _I32(0))

    return emit


def _total(builder: Any, x: Any) -> Any:
    kind = x.type.element
    return _call(builder, "vector.reduce.fadd", kind, kind(0.0), x, fastmath=("reassoc",))


_smaller, _larger = _picked("<"), _picked(">")
_ELEMENT, _BITS = (lambda kind: kind.element), (lambda kind: types.int64)
fma = _emitted(3, lambda b, x, y, z: _call(b, "fmuladd", x.type, x, y, z))
fabs = _emitted(1, lambda b, x: _call(b, "fabs", x.type, x))
exponential = _emitted(  # of at most 87
    1, lambda b, x: _power(b, b.fmul(x, _const(LOG2_E, x.type)))
)
power = _emitted(1, _power)
sign = _emitted(1, _sign)
where_at_least = _emitted(  # x where a >= c, else 0
    3, lambda b, a, c, x: b.select(b.fcmp_ordered(">=", a, c), x, _const(0.0))
)
smaller, larger = _emitted(2, _smaller), _emitted(2, _larger)
below, within = _emitted(2, _mask("<"), _BITS), _emitted(2, _mask("<="), _BITS)
lowest, highest = (_emitted(1, _reduced(pick), _ELEMENT) for pick in (_smaller, _larger))
total = _emitted(1, _total, _ELEMENT)
widened = _emitted(1, lambda b, x: b.fpext(x, _WIDE), lambda kind: wide)
narrowed = _emitted(1, lambda b, x: b.fptrunc(x, _VECTOR), lambda kind: lanes)
first_bit = _emitted(  # index of the lowest bit set, 0 if none is
    1, lambda b, mask: b.and_(b.cttz(mask, ir.Constant(ir.IntType(1), 0)), _I64(WIDTH - 1))
)
splat = _emitted(1, _all, lambda kind: lanes if kind == types.float32 else wide)  # eight times x


@intrinsic
def push(typing: Any, items: Any, i: Any, mask: Any, base: Any, table: Any) -> Any:
    """``items[i:] = base +`` the indices of the bits set in ``mask``; returns how many are set.

    Eight int32 are written whatever the number; ``table`` is :data:`BITS`. No branch, so no guess
    of the processor's goes wrong.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        row = builder.mul(args[2], _I64(WIDTH))
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


def _address(context: Any, builder: Any, kinds: Any, args: Any, vector: Any = _VECTOR) -> Any:
    data = make_array(kinds[0])(context, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())


def _kind(array: Any) -> Any:
    return wide if array.dtype == types.float64 else lanes


@intrinsic
def load(typing: Any, array: Any, i: Any) -> Any:
    """``array[i : i + 8]`` of a flat array."""
    kind = _kind(array)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig.args, args, _VECTORS[kind]), align=4)

    return kind(array, types.intp), codegen


@intrinsic
def store(typing: Any, array: Any, i: Any, x: Any) -> Any:
    """``array[i : i + 8] = x``."""
    kind = _kind(array)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _address(context, builder, sig.args, args, _VECTORS[kind])
        builder.store(args[2], address, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, kind), codegen


for _operator, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):

    @infer_global(_operator)
    class _Template(ConcreteTemplate):
        cases = [signature(kind, kind, kind) for kind in (lanes, wide)]  # noqa: RUF012

    def _lower(context: Any, builder: Any, sig: Any, args: Any, _name: str = _name) -> Any:
        return getattr(builder, _name)(*args)

    lower_builtin(_operator, lanes, lanes)(_lower)
    lower_builtin(_operator, wide, wide)(_lower)
