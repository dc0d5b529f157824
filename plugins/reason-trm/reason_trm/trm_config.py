"""The config of the recursive reasoner on a language model."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PretrainedConfig

MODEL_TYPE = "reason_trm"


class TRMConfig(PretrainedConfig):
    """The shape of what is put beside the base, and:

    base                   the base's name: a folder, or an id of the hub
    base_config            the base's own config
    whole                  whether the base's weights are saved too
    adapter                peft's settings of the LoRA on the base; None: there is none
    trigger                id of the token before which a text is thought about
    hidden_size            width of the latents and their network, not of the base
    n_latent_steps         updates of z before one of y
    n_deep_recursions      of those together, all but the last without gradients
    n_supervision_steps    of these together, each with its loss, what is carried on without gradients
    steps_at_test          supervision steps outside of training; 0: as many as in training
    halting                whether a head learns to tell if what follows will be right
    halt_at_test           whether latents that it holds to be right are kept outside of training
    draft                  weight of the loss of what y says by itself of what follows the trigger; 0: none
    hints                  share of rows in whose question, in training, a random part of the answer is shown
    header, footer         token ids right before and right after the question, as the chat template writes them
    newline                id of the token that ends a line of the question; None: it is one line
    use_trm                without it there is the base alone
    """

    model_type = MODEL_TYPE

    base: str = ""
    base_config: dict[str, Any] | None = None
    whole: bool = False
    adapter: dict[str, Any] | None = None
    trigger: int = 0
    num_latents: int = 256
    hidden_size: int = 512
    num_hidden_layers: int = 2
    num_attention_heads: int = 8
    intermediate_size: int = 2048
    n_latent_steps: int = 4
    n_deep_recursions: int = 2
    n_supervision_steps: int = 4
    steps_at_test: int = 0
    halting: bool = False
    halt_at_test: bool = False
    draft: float = 1.0
    hints: float = 0.0
    header: list[int] | None = None
    footer: list[int] | None = None
    newline: int | None = None
    use_trm: bool = True
    rms_norm_eps: float = 1e-5

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> PretrainedConfig:
        """The base's, whose vocabulary and cache these are; the library asks for it by this name."""
        if not self.base_config:
            return self
        values = dict(self.base_config)
        return AutoConfig.for_model(values.pop("model_type"), **values).get_text_config()


AutoConfig.register(MODEL_TYPE, TRMConfig)
