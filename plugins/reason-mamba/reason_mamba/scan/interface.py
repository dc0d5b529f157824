"""`selective_scan` as mamba-ssm spells it: channels before time."""

from torch import Tensor

from .engines import ScanEngine, resolve_engine


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    *,
    mask: Tensor | None = None,
    positions: Tensor | None = None,
    initial_state: Tensor | None = None,
    engine: str | ScanEngine | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The selective state space recurrence (arXiv 2312.00752, algorithm 2), discretised as mamba-ssm does.

        dt = softplus(delta + delta_bias)             (softplus only if `delta_softplus`)
        h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t      per channel a state of d_state numbers
        out_t = (C_t . h_t + D u_t) silu(z_t)         (D and z are optional)

    Shapes: `u`, `delta`, `z` (batch, d_inner, length); `A` (d_inner, d_state); `B`, `C` (batch, d_state, length);
    `D`, `delta_bias` (d_inner,). Three additions to mamba-ssm's arguments: `mask` (batch, length) is 1 at real steps
    and 0 at padding, where dt is 0, so that the state passes through unchanged; `positions` (batch, length), integers,
    is how many steps ago the step's document began, and where it is 0 h_{t-1} counts as zero, at the first step too;
    `initial_state` (batch, d_inner, d_state), default zero, is the state before the first step.

    Returns out (batch, d_inner, length) in the dtype of `u`, and with `return_last_state` also the float32 state after
    the last step (batch, d_inner, d_state). Every tensor but mask and positions may need a gradient. float16 and
    bfloat16 are computed in float32. Arguments that are transposed views of time-major tensors are not copied by the
    `cpu` engine.

    `engine` is an engine, its name, or None for the best one on the device of `u`.
    Raises `ReasonError` when the named engine does not exist or cannot run.
    """
    chosen = engine if isinstance(engine, ScanEngine) else resolve_engine(engine or "auto", u.device)
    out, last_state = chosen.scan(
        u.transpose(1, 2),
        delta.transpose(1, 2),
        A,
        B.transpose(1, 2),
        C.transpose(1, 2),
        D=D,
        z=None if z is None else z.transpose(1, 2),
        delta_bias=delta_bias,
        delta_softplus=delta_softplus,
        mask=mask,
        positions=positions,
        initial_state=initial_state,
    )
    out = out.transpose(1, 2)
    return (out, last_state) if return_last_state else out
