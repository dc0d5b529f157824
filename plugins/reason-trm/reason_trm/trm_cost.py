"""What the recursive reasoner on a language model costs: the base by its census, the thinker by its options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reason_qlora.census import Census, census_of
from reason_qlora.census import estimate as base_estimate

from reason_cli import Estimate, Load

if TYPE_CHECKING:
    from reason_trm.trm_architecture import TRMOptions

FLOAT32, ROUNDED = 4, 2  # bytes of a float32, and of a number as autocast rounds it


def trm_estimate(options: TRMOptions, load: Load) -> Estimate:
    """Exact counts. Of a row half is read before the trigger, and half after it, with the latents, as often as told."""
    census = _tuned(options, census_of(options, load.vocab_size))
    if not options.use_trm:
        return base_estimate(census, options.held, load)
    width, half = census.width, load.length // 2
    times = 1 if options.draft and not options.halting else options.n_supervision_steps
    read = load.length - half + times * (options.num_latents + half)  # by the base, of each row
    base = base_estimate(census, options.held, replace(load, length=read))
    own = thinker_parameters(options, width)
    operations = load.micro_batch_size * _operations(options, width, load.length)
    return Estimate(
        parameters=base.parameters + own,
        trained_parameters=base.trained_parameters + own,
        flops_per_token=base.flops_per_token * read // load.length
        + operations // (load.micro_batch_size * load.length),
        weights=base.weights + FLOAT32 * own,
        gradients=base.gradients + FLOAT32 * own,
        activations=base.activations + _kept(options, load),
        working=base.working + _drafted(options, load),
        logits=base_estimate(census, options.held, load).logits,
    )


def _tuned(options: TRMOptions, census: Census) -> Census:
    """The census without its LoRA where there is none; all is trained where all is tuned."""
    base = census.parameters - census.adapter
    if options.tune == "lora":
        return census
    return replace(census, parameters=base, adapter=0) if options.tune == "frozen" else _whole(census, base)


def _whole(census: Census, base: int) -> Census:
    """All of the base counted as what is trained, none of it beside that."""
    return replace(census, parameters=base, adapter=base, linear=0)


def thinker_parameters(options: TRMOptions, width: int) -> int:
    """Exact: places, the compressor's projections, the network, the way back, draft and halting head."""
    d, f = options.d_latent, options.d_inner
    compressor = 2 * options.num_latents * d + width + options.n_head + 2 * d * d + 2 * width * d
    network = options.n_layer * (4 * d * d + 3 * d * f)
    said = d * width + width + (d * width if options.draft else 0) + (d + 1 if options.halting else 0)
    return compressor + network + said


def _operations(options: TRMOptions, width: int, length: int) -> int:
    """Of a row's forward pass. Recursions without gradients count a third: a training step is three forward passes."""
    d, f, k = options.d_latent, options.d_inner, options.num_latents
    layer = 2 * (4 * d * d + 3 * d * f) + 2 * 2 * k * d
    recursion = options.n_layer * layer * (options.n_latent_steps + 1) * k
    without = (options.n_deep_recursions - 1) * recursion // 3
    compressed = 2 * (2 * width * d * length + 2 * d * d * k + 2 * k * length * d)
    return compressed + options.n_supervision_steps * (recursion + without + 2 * d * width * k)


def _kept(options: TRMOptions, load: Load) -> int:
    """What the thinker's layers save, a supervision step after the other; with checkpointing their inputs alone."""
    d, f = options.d_latent, options.d_inner
    size = FLOAT32 if load.precision == "fp32" else ROUNDED
    tokens = load.micro_batch_size * options.num_latents
    passes = options.n_supervision_steps * (options.n_latent_steps + 1) * options.n_layer
    once = tokens * (FLOAT32 * d if load.gradient_checkpointing else size * (6 * d + 4 * f) + FLOAT32 * 2 * d)
    return passes * once


def _drafted(options: TRMOptions, load: Load) -> int:
    """The draft's logits and probabilities, for as long as the latents are put together."""
    return 2 * FLOAT32 * load.micro_batch_size * options.num_latents * load.vocab_size if options.draft else 0
