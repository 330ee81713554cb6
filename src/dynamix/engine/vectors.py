"""numba types of vectors of float32 and float64, and their operations.

numba and LLVM vectorise a loop when they see that they may. Here the kernels say it, so that
nothing depends on a compiler's guess. LLVM splits vectors that are wider than the registers.
"""

from __future__ import annotations

import inspect
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

from .runtime import BLOCK, WIDTH, inlined

LOG2_E = 1.4426950408889634
# minimax polynomials of 2^f on [-1/2, 1/2], highest power first; the bits of a mantissa
_POWER = (
    0.0013266970386328625, 0.009675459745517562, 0.05550742616002547, 0.24022121753561693,
    0.6931469491610631, 1.0000000710296983,
), 23  # fmt: skip
_POWER_WIDE = (
    1.5201922532617813e-05, 0.00015469291314235134, 0.0013333922560549282, 0.009618027253093478,
    0.055504103534498285, 0.24022651198162492, 0.6931471807284478, 0.9999999999616818,
), 52  # fmt: skip

intrinsic: Any = extending.intrinsic  # numba's own annotation misses the decorator's effect
_F32, _F64, _I32, _I64 = ir.FloatType(), ir.DoubleType(), ir.IntType(32), ir.IntType(64)
_INTEGERS = ir.VectorType(_I32, WIDTH)
_ELEMENTS = {types.float32: _F32, types.float64: _F64, types.uint32: _I32}


class Lanes(types.Type):
    """numba's type of a vector of ``count`` numbers."""

    def __init__(self, element: Any, count: int) -> None:
        super().__init__(name=f"{element}x{count}")
        self.element, self.count = element, count
        self.vector = ir.VectorType(_ELEMENTS[element], count)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.vector)


def _emitted(emit: Callable[..., Any], result: Callable[[Any], Any] = lambda kind: kind) -> Any:
    """A numba function of vectors of one kind; ``emit(builder, *vectors)`` writes it.

    The last argument is a vector. A number among the others stands for a vector of equal entries.
    ``result`` gives the type that the function returns.
    """

    def typed(typing: Any, *kinds: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            count = getattr(kinds[-1], "count", 0)
            full = (
                a if kind == kinds[-1] else _all(builder, a, count)
                for kind, a in zip(kinds, args, strict=True)
            )  # fmt: skip
            return emit(builder, *full)

        return result(kinds[-1])(*kinds), codegen

    typed.__signature__ = inspect.signature(emit)  # type: ignore[attr-defined]
    return intrinsic(typed)


def _call(builder: Any, name: str, result: Any, *args: Any, fastmath: tuple[str, ...] = ()) -> Any:
    """Call one of LLVM's own functions, of vectors like the last argument."""
    kind = args[-1].type
    name = f"llvm.{name}.v{kind.count}{'f64' if kind.element == _F64 else 'f32'}"
    signature = ir.FunctionType(result, [a.type for a in args])
    function = cgutils.get_or_insert_function(builder.module, signature, name)
    return builder.call(function, args, fastmath=fastmath)


def _all(builder: Any, scalar: Any, count: int = WIDTH) -> Any:
    """A vector of equal entries."""
    empty = ir.Constant(ir.VectorType(scalar.type, count), ir.Undefined)
    one = builder.insert_element(empty, scalar, _I32(0))
    zeros = ir.Constant(ir.VectorType(_I32, count), [0] * count)
    return builder.shuffle_vector(one, empty, zeros)


def _const(value: float, kind: Any) -> Any:
    return ir.Constant(kind, [float(np.float32(value)) if kind.element == _F32 else value] * WIDTH)


def _power(builder: Any, t: Any) -> Any:
    """``2^t`` for ``t <= 127`` to 1e-7, in float64 to 1e-10; at least ``2^-126``, also of NaN."""
    kind, single = t.type, t.type.element == _F32
    (first, *others), mantissa = _POWER if single else _POWER_WIDE
    integers = _INTEGERS if single else ir.VectorType(_I64, WIDTH)
    t = _larger(builder, t, _const(-126.0, kind))
    whole = _call(builder, "rint", kind, t)
    f, y = builder.fsub(t, whole), _const(first, kind)
    for c in others:
        y = _call(builder, "fmuladd", kind, y, f, _const(c, kind))
    # add the whole part to the exponent's bits, which are above those of the mantissa
    exponent = builder.sext(builder.fptosi(whole, _INTEGERS), integers)
    exponent = builder.shl(exponent, ir.Constant(integers, [mantissa] * WIDTH))
    return builder.bitcast(builder.add(builder.bitcast(y, integers), exponent), kind)


def _sign(builder: Any, x: Any) -> Any:
    zero, one, minus = (_const(value, x.type) for value in (0.0, 1.0, -1.0))
    negative = builder.select(builder.fcmp_ordered("<", x, zero), minus, zero)
    return builder.select(builder.fcmp_ordered(">", x, zero), one, negative)


def _picked(order: str) -> Callable[..., Any]:
    """``x`` where it compares so with ``y``, else ``y``, also where one is NaN."""
    return lambda b, x, y: b.select(b.fcmp_ordered(order, x, y), x, y)


def _mask(order: str) -> Any:
    """The comparison's outcome, a bit per entry; false where one is NaN."""
    bits = ir.IntType(WIDTH)
    return _emitted(
        lambda b, x, y: b.zext(b.bitcast(b.fcmp_ordered(order, x, y), bits), _I64),
        lambda kind: types.int64,
    )


def _reduced(pick: Callable[..., Any]) -> Any:
    """Compare halves, three times. LLVM's own reduction would look for NaN each time."""

    def emit(builder: Any, x: Any) -> Any:
        for n in (4, 2, 1):
            low, high = (ir.Constant(ir.VectorType(_I32, n), list(range(i, i + n))) for i in (0, n))
            x = pick(builder, *(builder.shuffle_vector(x, x, half) for half in (low, high)))
        return builder.extract_element(x, _I32(0))

    return _emitted(emit, lambda kind: kind.element)


def _total(builder: Any, x: Any) -> Any:
    kind = x.type.element
    return _call(builder, "vector.reduce.fadd", kind, kind(0.0), x, fastmath=("reassoc",))


_smaller, _larger = _picked("<"), _picked(">")
smaller, larger, lowest, highest = (
    _emitted(_smaller), _emitted(_larger), _reduced(_smaller), _reduced(_larger),
)  # fmt: skip
below, within = _mask("<"), _mask("<=")
fma = _emitted(lambda b, x, y, z: _call(b, "fmuladd", x.type, x, y, z))  # x y + z
fabs = _emitted(lambda b, x: _call(b, "fabs", x.type, x))
sign, power = _emitted(_sign), _emitted(_power)
exponential = _emitted(lambda b, x: _power(b, b.fmul(x, _const(LOG2_E, x.type))))  # of at most 87
where_at_least = _emitted(  # z where x >= y, else 0
    lambda b, x, y, z: b.select(b.fcmp_ordered(">=", x, y), z, _const(0.0, z.type))
)
total = _emitted(_total, lambda kind: kind.element)
widened = _emitted(
    lambda b, x: b.fpext(x, ir.VectorType(_F64, x.type.count)),
    lambda kind: Lanes(types.float64, kind.count),
)
narrowed = _emitted(
    lambda b, x: b.fptrunc(x, ir.VectorType(_F32, x.type.count)),
    lambda kind: Lanes(types.float32, kind.count),
)


splat = _emitted(lambda b, x: _all(b, x), lambda kind: Lanes(kind, WIDTH))  # eight times x
truncated = _emitted(lambda b, x: b.fptosi(x, _INTEGERS), lambda kind: Lanes(types.uint32, WIDTH))
first_bit = _emitted(  # index of the lowest bit set, 0 if none is
    lambda b, mask: b.and_(b.cttz(mask, ir.Constant(ir.IntType(1), 0)), _I64(WIDTH - 1))
)
bits_set = _emitted(lambda b, mask: b.ctpop(mask))
BITS = np.array(
    [sorted(range(WIDTH), key=lambda i: (not mask >> i & 1, i)) for mask in range(2**WIDTH)],
    dtype=np.uint32,
).ravel()


def _address(context: Any, builder: Any, sig: Any, args: Any, kind: Lanes) -> Any:
    data = make_array(sig.args[0])(context, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), kind.vector.as_pointer())


def _loading(count: Callable[[Any], int]) -> Any:
    def load(typing: Any, array: Any, i: Any) -> Any:
        kind = Lanes(array.dtype, count(array.dtype))

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.load(_address(context, builder, sig, args, kind), align=4)

        return kind(array, types.intp), codegen

    return intrinsic(load)


@intrinsic
def at(typing: Any, array: Any, i: Any) -> Any:
    """``array[i]`` for ``i >= 0``. Numba's own index asks for the sign, which costs time."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = make_array(sig.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.intp), codegen


load = _loading(lambda element: WIDTH)  # array[i : i + 8] of a flat array
load_block = _loading(lambda element: 32 * BLOCK // element.bitwidth)  # 32, of float64 half as many


@intrinsic
def store(typing: Any, array: Any, i: Any, x: Any) -> Any:
    """``array[i : i + n] = x``, for a vector of ``n`` numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, sig, args, x), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, x), codegen


@inlined
def push(items, i, mask, base, table):  # type: ignore[no-untyped-def]
    """``items[i:] = base +`` the indices of the bits set in ``mask``; returns how many are set.

    Eight numbers are always written. ``table`` is :data:`BITS`. A branch for each bit would be
    slow, since processors often predict it wrongly.
    """
    store(items, i, load(table, 8 * mask) + splat(np.uint32(base)))
    return bits_set(mask)


for _operator, _float, _integer in (
    (operator.add, "fadd", "add"), (operator.sub, "fsub", "sub"), (operator.mul, "fmul", "mul"),
):  # fmt: skip
    _kinds = {Lanes(types.float32, WIDTH): _float, Lanes(types.float64, WIDTH): _float,
              Lanes(types.uint32, WIDTH): _integer}  # fmt: skip

    @infer_global(_operator)
    class _Template(ConcreteTemplate):
        cases = [signature(kind, kind, kind) for kind in _kinds]  # noqa: RUF012

    for _kind, _name in _kinds.items():

        def _lower(context: Any, builder: Any, sig: Any, args: Any, _name: str = _name) -> Any:
            return getattr(builder, _name)(*args)

        lower_builtin(_operator, _kind, _kind)(_lower)
