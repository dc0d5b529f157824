"""The config of the recursive model on puzzles."""

from __future__ import annotations

from transformers import AutoConfig, PretrainedConfig

MODEL_TYPE = "reason_trm_puzzle"


class PuzzleConfig(PretrainedConfig):
    """The shape, and:

    max_positions          longest question in tokens, its end token included
    n_latent_steps         updates of z before one of y
    n_deep_recursions      of those together, all but the last without gradients
    n_supervision_steps    of these together, each with its loss, what is carried on without gradients
    n_carry_steps          in training, at most so many steps ahead of those, without gradients and loss
    steps_at_test          supervision steps outside of training; 0: as many as in training
    halting                whether a head learns to tell if the answer is right
    halt_at_test           whether an answer that it holds to be right is kept outside of training
    newline                id of the token that ends a line of a grid; None: a question is one line
    header, footer         token ids right before and right after the question, as the chat template writes them
    """

    model_type = MODEL_TYPE

    vocab_size: int = 261
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 512
    max_positions: int = 256
    n_latent_steps: int = 3
    n_deep_recursions: int = 2
    n_supervision_steps: int = 4
    n_carry_steps: int = 0
    steps_at_test: int = 0
    halting: bool = True
    halt_at_test: bool = False
    newline: int | None = None
    header: list[int] | None = None
    footer: list[int] | None = None
    rms_norm_eps: float = 1e-5


AutoConfig.register(MODEL_TYPE, PuzzleConfig)
