"""Vectors of floats for numba, so that the kernels say which loop is vectorised instead of hoping.

`F32x16` is sixteen neighbouring channels at one step, `F32x64` the same channels for four states. Addresses are in
bytes; `+ - * /` work lane by lane, and LLVM fuses a * b + c. An `F32x16` becomes one AVX-512 register, two of AVX2 or
four of NEON; an `F32x64` is four times that, and its four independent chains hide the latency of each other.
The elementary functions below are polynomials, each within a few units in the last place of float32.
"""

# mypy: disable-error-code="call-arg"
# numba passes the typing context to an intrinsic by itself

import operator

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 16  # channels in a vector
BYTES = 4 * LANES
STATES = 4  # states in a wide vector
WIDE = STATES * BYTES  # bytes of a wide vector

_FLAGS = ("contract",)  # a * b + c may become one fused operation; nothing else is reordered


class F32Type(types.Type):
    """The numba type of a vector of float32."""

    def __init__(self, lanes: int) -> None:
        super().__init__(name=f"F32x{lanes}")
        self.lanes = lanes


f32x16, f32x64 = F32Type(LANES), F32Type(STATES * LANES)


@register_model(F32Type)
class _F32Model(models.PrimitiveModel):
    def __init__(self, dmm, fe_type) -> None:
        super().__init__(dmm, fe_type, _floats(fe_type))


def _floats(kind):
    return ir.VectorType(ir.FloatType(), kind.lanes)


def _ints(kind):
    return ir.VectorType(ir.IntType(32), kind.lanes)


def _int32s(values):
    return ir.Constant(ir.VectorType(ir.IntType(32), len(values)), values)


def _operator(op, method: str) -> None:
    @type_callable(op)
    def _type(context):
        return lambda a, b: a if isinstance(a, F32Type) and a == b else None

    @lower_builtin(op, F32Type, F32Type)
    def _lower(context, builder, sig, args):
        return getattr(builder, method)(*args, flags=_FLAGS)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")


def _pointer(builder, address, kind):
    return builder.inttoptr(address, ir.PointerType(kind))


def _load(builder, address, kind):
    return builder.load(_pointer(builder, address, kind), align=2, typ=kind)


def _join(builder, parts):
    """Four vectors of sixteen, one after another in a vector of sixty-four."""
    pairs = [builder.shuffle_vector(a, b, _int32s([*range(2 * LANES)])) for a, b in (parts[:2], parts[2:])]
    return builder.shuffle_vector(*pairs, _int32s([*range(4 * LANES)]))


def _part(builder, vector, start, lanes):
    return builder.shuffle_vector(vector, vector, _int32s([*range(start, start + lanes)]))


@intrinsic
def load(typing, address):
    """The sixteen float32 at an address."""

    def lower(context, builder, sig, args):
        return _load(builder, args[0], _floats(f32x16))

    return f32x16(types.int64), lower


@intrinsic
def _load_bfloat16(typing, address):
    """Sixteen bfloat16: the upper halves of sixteen float32."""

    def lower(context, builder, sig, args):
        halves = _load(builder, args[0], ir.VectorType(ir.IntType(16), LANES))
        bits = builder.shl(builder.zext(halves, _ints(f32x16)), ir.Constant(_ints(f32x16), [16] * LANES))
        return builder.bitcast(bits, _floats(f32x16))

    return f32x16(types.int64), lower


@intrinsic
def _store_bfloat16(typing, address, vector):
    """Write sixteen bfloat16, rounded to the nearest and to even when in doubt; a NaN stays one."""

    def lower(context, builder, sig, args):
        ints = _ints(f32x16)

        def every(value):
            return ir.Constant(ints, [value] * LANES)

        bits = builder.bitcast(args[1], ints)
        odd = builder.and_(builder.lshr(bits, every(16)), every(1))
        rounded = builder.add(bits, builder.add(odd, every(0x7FFF)))
        rounded = builder.select(builder.fcmp_unordered("uno", args[1], args[1]), every(0x7FC00000), rounded)
        kind = ir.VectorType(ir.IntType(16), LANES)
        halves = builder.trunc(builder.lshr(rounded, every(16)), kind)
        builder.store(halves, _pointer(builder, args[0], kind), align=2)
        return context.get_dummy_value()

    return types.void(types.int64, f32x16), lower


@njit(forceinline=True)
def load_row(row, index, half):
    """The vector of that index in a row of float32, or of bfloat16 where `half` is not 0."""
    return _load_bfloat16(row + index * BYTES // 2) if half != 0 else load(row + index * BYTES)


@njit(forceinline=True)
def store_row(row, index, half, vector):
    """Write the vector of that index in a row of float32, or of bfloat16 where `half` is not 0."""
    if half != 0:
        _store_bfloat16(row + index * BYTES // 2, vector)
    else:
        store(row + index * BYTES, vector)


@intrinsic
def load_wide(typing, address):
    """The sixty-four float32 at an address."""

    def lower(context, builder, sig, args):
        return _load(builder, args[0], _floats(f32x64))

    return f32x64(types.int64), lower


@intrinsic
def load_states(typing, address, stride):
    """Four vectors of sixteen that lie `stride` bytes apart."""

    def lower(context, builder, sig, args):
        at, parts = args[0], []
        for _ in range(STATES):
            parts.append(_load(builder, at, _floats(f32x16)))
            at = builder.add(at, args[1])
        return _join(builder, parts)

    return f32x64(types.int64, types.int64), lower


@intrinsic
def store_states(typing, address, stride, vector):
    """Write four vectors of sixteen that lie `stride` bytes apart."""

    def lower(context, builder, sig, args):
        at = args[0]
        for j in range(STATES):
            builder.store(_part(builder, args[2], j * LANES, LANES), _pointer(builder, at, _floats(f32x16)), align=4)
            at = builder.add(at, args[1])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, f32x64), lower


@intrinsic
def load_coefficients(typing, address):
    """Four neighbouring float32, each in all sixteen lanes of its state."""

    def lower(context, builder, sig, args):
        four = _load(builder, args[0], ir.VectorType(ir.FloatType(), STATES))
        return builder.shuffle_vector(four, four, _int32s([j for j in range(STATES) for _ in range(LANES)]))

    return f32x64(types.int64), lower


@intrinsic
def widen(typing, vector):
    """The same sixteen channels for each of four states."""

    def lower(context, builder, sig, args):
        return _join(builder, [args[0]] * STATES)

    return f32x64(f32x16), lower


@intrinsic
def narrow(typing, vector):
    """The sum over four states, channel by channel."""

    def lower(context, builder, sig, args):
        parts = [_part(builder, args[0], j * LANES, LANES) for j in range(STATES)]
        first, second = (builder.fadd(*pair, flags=_FLAGS) for pair in (parts[:2], parts[2:]))
        return builder.fadd(first, second, flags=_FLAGS)

    return f32x16(f32x64), lower


@intrinsic
def store(typing, address, vector):
    """Write a vector to an address."""

    def lower(context, builder, sig, args):
        builder.store(args[1], _pointer(builder, args[0], _floats(sig.args[1])), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, vector), lower


@intrinsic
def load_splat(typing, address):
    """The one float32 at an address, in all sixteen lanes."""

    def lower(context, builder, sig, args):
        return _splat(builder, _load(builder, args[0], ir.FloatType()), f32x16)

    return f32x16(types.int64), lower


@intrinsic
def store_scalar(typing, address, value):
    """Write one float32 to an address in bytes."""

    def lower(context, builder, sig, args):
        builder.store(args[1], _pointer(builder, args[0], ir.FloatType()), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.float32), lower


@intrinsic
def load_int(typing, address):
    """The one int64 at an address in bytes."""

    def lower(context, builder, sig, args):
        return builder.load(_pointer(builder, args[0], ir.IntType(64)), align=8, typ=ir.IntType(64))

    return types.int64(types.int64), lower


@intrinsic
def take(typing, address):
    """Fetch the int64 at an address and add one to it, as one step that no other thread can divide."""

    def lower(context, builder, sig, args):
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", _pointer(builder, args[0], ir.IntType(64)), one, "monotonic")

    return types.int64(types.int64), lower


def _splat(builder, value, kind):
    vector = _floats(kind)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, first, _int32s([0] * kind.lanes))


@intrinsic
def splat(typing, value):
    """One float in all sixteen lanes."""

    def lower(context, builder, sig, args):
        return _splat(builder, builder.fptrunc(args[0], ir.FloatType()), f32x16)

    return f32x16(types.float64), lower


@intrinsic
def like(typing, vector, value):
    """One float in all lanes of a vector like the one given."""

    def lower(context, builder, sig, args):
        return _splat(builder, builder.fptrunc(args[1], ir.FloatType()), sig.args[0])

    return vector(vector, types.float64), lower


@intrinsic
def total(typing, vector):
    """The sum of the sixteen lanes."""

    def lower(context, builder, sig, args):
        lanes, vector = LANES, args[0]
        while lanes > 1:
            lanes //= 2
            vector = builder.fadd(_part(builder, vector, 0, lanes), _part(builder, vector, lanes, lanes), flags=_FLAGS)
        return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    return types.float32(f32x16), lower


@intrinsic
def larger(typing, a, b):
    """Lane by lane the larger of the two; a NaN in `a` stays."""

    def lower(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[1], args[0])

    return a(a, b), lower


@intrinsic
def _round(typing, vector):
    def lower(context, builder, sig, args):
        kind = _floats(sig.args[0])
        name = f"llvm.rint.v{sig.args[0].lanes}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name), args)

    return vector(vector), lower


@intrinsic
def _times_power_of_two(typing, vector, whole):
    """vector * 2^whole, by adding to the exponent bits."""

    def lower(context, builder, sig, args):
        ints = _ints(sig.args[0])
        exponent = builder.shl(builder.fptosi(args[1], ints), ir.Constant(ints, [23] * sig.args[0].lanes))
        return builder.bitcast(builder.add(builder.bitcast(args[0], ints), exponent), _floats(sig.args[0]))

    return vector(vector, whole), lower


@intrinsic
def minus_magnitude(typing, vector):
    """-|x|, lane by lane."""

    def lower(context, builder, sig, args):
        ints = _ints(sig.args[0])
        sign = ir.Constant(ints, [-0x80000000] * sig.args[0].lanes)
        return builder.bitcast(builder.or_(builder.bitcast(args[0], ints), sign), _floats(sig.args[0]))

    return vector(vector), lower


@intrinsic
def where_negative(typing, x, if_negative, otherwise):
    """Lane by lane `if_negative` where x < 0, else `otherwise`."""

    def lower(context, builder, sig, args):
        zero = ir.Constant(_floats(sig.args[0]), [0.0] * sig.args[0].lanes)
        return builder.select(builder.fcmp_ordered("<", args[0], zero), args[1], args[2])

    return x(x, if_negative, otherwise), lower


@njit(forceinline=True)
def exp2(x):
    """2^x for x <= 127; below -126 it stays at 2^-126, which is nothing beside a float32 sum.

    2^round(x) is made of exponent bits; 2^(x - round(x)) is a minimax polynomial of degree 6, relative error 2e-9.
    """
    x = larger(x, like(x, -126.0))
    whole = _round(x)
    f = x - whole
    p = like(x, 0.000153458113)
    p = p * f + like(x, 0.00133999312)
    p = p * f + like(x, 0.00961848896)
    p = p * f + like(x, 0.0555032878)
    p = p * f + like(x, 0.240226469)
    p = p * f + like(x, 0.693147206)
    p = p * f + like(x, 1.0)
    return _times_power_of_two(p, whole)


@njit(forceinline=True)
def sigmoid(x):
    """1 / (1 + e^-x), computed from e^-|x| so that nothing overflows."""
    e = exp2(minus_magnitude(x) * like(x, 1.4426950408889634))
    s = like(x, 1.0) / (like(x, 1.0) + e)
    return where_negative(x, e * s, s)


@njit(forceinline=True)
def softplus(x):
    """log(1 + e^x) = max(x, 0) + log1p(e^-|x|), with log1p(e) = 2 atanh(e / (2 + e)) as a series."""
    e = exp2(minus_magnitude(x) * like(x, 1.4426950408889634))
    s = e / (like(x, 2.0) + e)
    q = s * s
    p = like(x, 0.0666666667)  # 1 / 15
    p = p * q + like(x, 0.0769230769)  # 1 / 13
    p = p * q + like(x, 0.0909090909)  # 1 / 11
    p = p * q + like(x, 0.111111111)  # 1 / 9
    p = p * q + like(x, 0.142857143)  # 1 / 7
    p = p * q + like(x, 0.2)
    p = p * q + like(x, 0.333333333)
    p = p * q + like(x, 1.0)
    return larger(x, like(x, 0.0)) + (s + s) * p
