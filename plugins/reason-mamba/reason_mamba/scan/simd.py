"""A vector of sixteen floats for numba, so that the kernels say which loop is vectorised instead of hoping.

`load(address)` and `store(address, v)` move sixteen neighbouring float32; `+ - * /` work on vectors.
LLVM turns one `F32x16` into one AVX-512 register, two of AVX2 or four of NEON, and fuses a * b + c.
The elementary functions below are polynomials, each within a few units in the last place of float32.
"""



import operator

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 16
BYTES = 4 * LANES

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_FLAGS = ("contract",)  # a * b + c may become one fused operation; nothing else is reordered


class F32x16Type(types.Type):
    """The numba type of a vector of sixteen float32."""

    def __init__(self) -> None:
        super().__init__(name="F32x16")


f32x16 = F32x16Type()


@register_model(F32x16Type)
class _F32x16Model(models.PrimitiveModel):
    def __init__(self, dmm, fe_type) -> None:
        super().__init__(dmm, fe_type, _FLOATS)


def _operator(op, method: str) -> None:
    @type_callable(op)
    def _type(context):
        return lambda a, b: f32x16 if a == f32x16 and b == f32x16 else None

    @lower_builtin(op, f32x16, f32x16)
    def _lower(context, builder, sig, args):
        return getattr(builder, method)(*args, flags=_FLAGS)


for _op, _method in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _operator(_op, _method)


def _pointer(builder, address, kind):
    return builder.inttoptr(address, ir.PointerType(kind))


@intrinsic
def load(typing, address):
    """The sixteen float32 at an address in bytes."""

    def lower(context, builder, sig, args):
        return builder.load(_pointer(builder, args[0], _FLOATS), align=4, typ=_FLOATS)

    return f32x16(types.int64), lower


@intrinsic
def store(typing, address, vector):
    """Write sixteen float32 to an address in bytes."""

    def lower(context, builder, sig, args):
        builder.store(args[1], _pointer(builder, args[0], _FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, f32x16), lower


@intrinsic
def load_scalar(typing, address):
    """The one float32 at an address in bytes."""

    def lower(context, builder, sig, args):
        return builder.load(_pointer(builder, args[0], ir.FloatType()), align=4, typ=ir.FloatType())

    return types.float32(types.int64), lower


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


@intrinsic
def splat(typing, value):
    """One float in all sixteen lanes."""

    def lower(context, builder, sig, args):
        first = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), args[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, ir.Constant(_FLOATS, ir.Undefined), ir.Constant(_INTS, [0] * LANES))

    return f32x16(types.float32), lower


@intrinsic
def total(typing, vector):
    """The sum of the sixteen lanes."""

    def lower(context, builder, sig, args):
        lanes = LANES
        vector = args[0]
        while lanes > 1:
            lanes //= 2
            halves = [
                builder.shuffle_vector(
                    vector, vector, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [*range(at, at + lanes)])
                )
                for at in (0, lanes)
            ]
            vector = builder.fadd(*halves, flags=_FLAGS)
        return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    return types.float32(f32x16), lower


@intrinsic
def larger(typing, a, b):
    """Lane by lane the larger of the two; a NaN in `a` stays."""

    def lower(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[1], args[0])

    return f32x16(f32x16, f32x16), lower


@intrinsic
def _round(typing, vector):
    def lower(context, builder, sig, args):
        kind = ir.FunctionType(_FLOATS, [_FLOATS])
        rint = cgutils.get_or_insert_function(builder.module, kind, f"llvm.rint.v{LANES}f32")
        return builder.call(rint, args)

    return f32x16(f32x16), lower


@intrinsic
def _times_power_of_two(typing, vector, whole):
    """vector * 2^whole, by adding to the exponent bits."""

    def lower(context, builder, sig, args):
        shift = ir.Constant(_INTS, [23] * LANES)
        exponent = builder.shl(builder.fptosi(args[1], _INTS), shift)
        return builder.bitcast(builder.add(builder.bitcast(args[0], _INTS), exponent), _FLOATS)

    return f32x16(f32x16, f32x16), lower


@intrinsic
def magnitude(typing, vector):
    """The absolute value of each lane."""

    def lower(context, builder, sig, args):
        keep = ir.Constant(_INTS, [0x7FFFFFFF] * LANES)
        return builder.bitcast(builder.and_(builder.bitcast(args[0], _INTS), keep), _FLOATS)

    return f32x16(f32x16), lower


@njit(forceinline=True)
def lit(value):
    """A constant in all lanes."""
    return splat(types.float32(value))


# Minimax coefficients of 2^f on [-1/2, 1/2], relative error 2e-9 before rounding.
C0, C1, C2, C3 = 1.0, 0.693147206, 0.240226469, 0.0555032878
C4, C5, C6 = 0.00961848896, 0.00133999312, 0.000153458113


@njit(forceinline=True)
def exp2(x):
    """2^x for x <= 127; below -126 it stays at 2^-126, which is nothing beside a float32 sum."""
    x = larger(x, lit(-126.0))
    whole = _round(x)
    f = x - whole
    p = lit(C6)
    p = p * f + lit(C5)
    p = p * f + lit(C4)
    p = p * f + lit(C3)
    p = p * f + lit(C2)
    p = p * f + lit(C1)
    p = p * f + lit(C0)
    return _times_power_of_two(p, whole)


@njit(forceinline=True)
def exp_negative(x):
    """e^x for x <= 0."""
    return exp2(x * lit(1.4426950408889634))


@njit(forceinline=True)
def sigmoid(x):
    """1 / (1 + e^-x), computed from e^-|x| so that nothing overflows."""
    e = exp_negative(lit(0.0) - magnitude(x))
    # s = 1 / (1 + e) is right for x >= 0; for x < 0 it is 1 - s = e * s.
    s = lit(1.0) / (lit(1.0) + e)
    return choose_positive(x, s, e * s)


@intrinsic
def choose_positive(typing, x, if_positive, otherwise):
    """Lane by lane: `if_positive` where x >= 0 (or NaN), `otherwise` elsewhere."""

    def lower(context, builder, sig, args):
        zero = ir.Constant(_FLOATS, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered("<", args[0], zero), args[2], args[1])

    return f32x16(f32x16, f32x16, f32x16), lower


@njit(forceinline=True)
def softplus(x):
    """log(1 + e^x) = max(x, 0) + log1p(e^-|x|), with log1p(e) = 2 atanh(e / (2 + e))."""
    e = exp_negative(lit(0.0) - magnitude(x))
    s = e / (lit(2.0) + e)
    q = s * s
    p = lit(1.0 / 15)
    p = p * q + lit(1.0 / 13)
    p = p * q + lit(1.0 / 11)
    p = p * q + lit(1.0 / 9)
    p = p * q + lit(1.0 / 7)
    p = p * q + lit(1.0 / 5)
    p = p * q + lit(1.0 / 3)
    p = p * q + lit(1.0)
    return larger(x, lit(0.0)) + (s + s) * p
