"""The recursive reasoner in a folder: what is saved of it, and how it is put together again.

A frozen base is not saved: `config.json` names it. What is: the thinker, the LoRA, and the tables of embeddings where
tokens were added to them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_qlora.adapter import add_adapter
from reason_qlora.architecture import QLoraOptions
from reason_qlora.base import load_base

from reason_cli import ReasonError, same_model

from .puzzle_architecture import around_question, end_of_line
from .trm_architecture import TRMOptions, adapter_of
from .trm_config import TRMConfig
from .trm_model import TRMForCausalLM

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS = "model.safetensors"


def config_for(
    options: TRMOptions, base: PreTrainedModel, trigger: int, tokenizer: PreTrainedTokenizerBase
) -> TRMConfig:
    """The config of a new model on a base as it was loaded."""
    header, footer = around_question(tokenizer)
    make: Any = TRMConfig
    own: Any = base.config
    return make(
        base=options.base,
        base_config={name: value for name, value in own.to_dict().items() if name != "quantization_config"},
        whole=options.tune == "full",
        adapter=adapter_of(options),
        trigger=trigger,
        header=header,
        footer=footer[: footer.index(trigger)] if trigger in footer else footer,
        newline=end_of_line(tokenizer),
        num_latents=options.num_latents,
        hidden_size=options.d_latent,
        num_hidden_layers=options.n_layer,
        num_attention_heads=options.n_head,
        intermediate_size=options.d_inner,
        n_latent_steps=options.n_latent_steps,
        n_deep_recursions=options.n_deep_recursions,
        n_supervision_steps=options.n_supervision_steps,
        steps_at_test=options.steps_at_test,
        draft=options.draft,
        hints=options.hints,
        halting=options.halting,
        halt_at_test=options.halt_at_test,
        use_trm=options.use_trm,
        tie_word_embeddings=own.tie_word_embeddings,
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
    )


def tuned(base: PreTrainedModel, tune: str, adapter: dict[str, Any] | None) -> PreTrainedModel:
    """The base with what is trained of it: all of it, a LoRA, or nothing."""
    if adapter is not None:
        values = {**adapter, "target_modules": tuple(adapter["target_modules"])}
        add_adapter(base, QLoraOptions(**values))
    return base.requires_grad_(True) if tune == "full" else base


def put_together(config: TRMConfig, base: PreTrainedModel) -> PreTrainedModel:
    """The model, whose frozen parts are not saved."""
    model = TRMForCausalLM(config, base)
    model.generation_config = base.generation_config
    if not config.whole:
        model._keys_to_ignore_on_save = unsaved(model)  # type: ignore[assignment]
    return model


def unsaved(model: TRMForCausalLM) -> list[str]:
    """The names of a model's tensors that its base's own files have."""
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    names = [name for name in model.state_dict() if name.startswith("base.") and name not in trained]
    if not getattr(model.base, "reason_grown", False):
        return names
    tables = {id(m.weight) for m in (model.get_input_embeddings(), model.get_output_embeddings())}
    shared = {name for name, parameter in model.named_parameters(remove_duplicate=False) if id(parameter) in tables}
    return [name for name in names if name not in shared]


def load(path: Path, options: TRMOptions) -> PreTrainedModel:
    """The model of a folder; see `TRM.load`."""
    from safetensors.torch import load_file

    config = TRMConfig.from_pretrained(path)
    config.steps_at_test, config.halt_at_test = options.steps_at_test, options.halt_at_test and config.halting
    if options.base and not same_model(options.base, config.base):
        problem = f"{path} was trained on {config.base}, not on {options.base}"
        raise ReasonError(problem, "leave model.base out", usage=True)
    model: Any = put_together(config, _base(config, options))
    weights = load_file(path / WEIGHTS)
    told = model.load_state_dict(weights, strict=False)
    left = {*(model._keys_to_ignore_on_save or ()), *_tied(model)}
    wrong = [*told.unexpected_keys, *(name for name in told.missing_keys if name not in left)]
    if wrong:
        problem = f"the weights in {path} do not fit {config.base}, such as {wrong[0]}"
        raise ReasonError(problem, "pass another checkpoint")
    return model


def _base(config: TRMConfig, options: TRMOptions) -> PreTrainedModel:
    """The base of a checkpoint, its LoRA on it."""
    from transformers import AutoModelForCausalLM

    own: Any = config.get_text_config()
    if config.whole:
        return AutoModelForCausalLM.from_config(own)
    held = replace(options.held, base=options.base or config.base)
    return tuned(load_base(held, own.vocab_size), "lora" if config.adapter else "frozen", config.adapter)


def _tied(model: Any) -> list[str]:
    """The other names of tensors that are saved under one."""
    first: dict[int, str] = {}
    return [
        name
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if first.setdefault(id(parameter), name) != name
    ]
