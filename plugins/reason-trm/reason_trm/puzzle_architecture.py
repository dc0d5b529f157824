"""The architecture `trm-puzzle`: options, presets, counts. Torch comes in only when a model is built or loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import Architecture, ArchitectureOptions, Estimate, Load, ReasonError, option
from reason_trm.puzzle_cost import puzzle_estimate

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

QUESTION = "QUESTION"  # stands for one where the chat template is asked what it writes around it


@dataclass(frozen=True)
class PuzzleOptions(ArchitectureOptions):
    """The shape of the network, and how often it is applied."""

    max_seq_len: int = option(256, "longest example in tokens, prompt and answer together", minimum=8)
    d_model: int = option(128, "width of the network and its states", minimum=1)
    n_layer: int = option(2, "layers of the network", minimum=1)
    n_head: int = option(4, "heads of its attention", minimum=1)
    mlp_expand: float = option(4.0, "inner width of its gated MLP over d_model", minimum=0.01)
    n_latent_steps: int = option(3, "updates of the latent state z before one of the answer y", minimum=1)
    n_deep_recursions: int = option(2, "of those together in a supervision step; the last has gradients", minimum=1)
    n_supervision_steps: int = option(4, "answers in a row, each with its loss", minimum=1)
    n_carry_steps: int = option(
        0,
        "in training, at most so many steps without gradients ahead of those; more at test then do well",
        minimum=0,
    )
    steps_at_test: int = option(0, "supervision steps outside of training; 0: as many as in training", minimum=0)
    halting: bool = option(True, "a head learns whether the answer is right")
    halt_at_test: bool = option(
        False, "outside of training, keep an answer that the head holds to be right: faster, less exact"
    )

    def __post_init__(self) -> None:
        """Raises `ReasonError` for heads that do not fit."""
        if self.d_model % self.n_head:
            problem = f"d_model {self.d_model} is no multiple of n_head {self.n_head}"
            raise ReasonError(problem, "set one to fit", usage=True)

    @property
    def d_inner(self) -> int:
        """Inner width of the MLP."""
        return max(1, round(self.mlp_expand * self.d_model))


PRESETS = {
    "trm-puzzle-paper": PuzzleOptions(
        max_seq_len=1024, d_model=512, n_head=8, n_latent_steps=6, n_deep_recursions=3, n_supervision_steps=16
    ),
}


class TRMPuzzle(Architecture):
    """The tiny recursive model on grid puzzles."""

    name = "trm-puzzle"
    help = "a tiny network that refines its answer to a grid puzzle again and again (arXiv 2510.04871); not causal"
    model_type = "reason_trm_puzzle"
    causal = False
    Options = PuzzleOptions
    presets = PRESETS

    def tokenizer(self, options: PuzzleOptions) -> str:
        """A token for each character of a grid."""
        return "bytes"

    def build(self, options: PuzzleOptions, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        """A new model in float32."""
        from reason_trm.puzzle_config import PuzzleConfig
        from reason_trm.puzzle_model import PuzzleForCausalLM

        header, footer = around_question(tokenizer)
        make: Any = PuzzleConfig
        config = make(
            vocab_size=len(tokenizer),
            hidden_size=options.d_model,
            num_hidden_layers=options.n_layer,
            num_attention_heads=options.n_head,
            intermediate_size=options.d_inner,
            max_positions=options.max_seq_len,
            n_latent_steps=options.n_latent_steps,
            n_deep_recursions=options.n_deep_recursions,
            n_supervision_steps=options.n_supervision_steps,
            n_carry_steps=options.n_carry_steps,
            steps_at_test=options.steps_at_test,
            halting=options.halting,
            halt_at_test=options.halt_at_test,
            newline=end_of_line(tokenizer),
            header=header,
            footer=footer,
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        return PuzzleForCausalLM(config)

    def load(self, path: Path, options: PuzzleOptions) -> PreTrainedModel:
        """The model of a folder, outside of training run as the options say."""
        from reason_trm.puzzle_model import PuzzleForCausalLM

        model = PuzzleForCausalLM.from_pretrained(path)
        model.config.steps_at_test = options.steps_at_test
        model.config.halt_at_test = options.halt_at_test
        return model

    def estimate(self, options: Any, load: Load) -> Estimate:
        """The exact parameter count, the operations of products, and memory by what autograd saves."""
        return puzzle_estimate(options, load)


def around_question(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The token ids that the chat template writes right before a question, from the last special token on, and right
    after it; nothing where there is no chat template.
    """
    if not tokenizer.chat_template:
        return [], []
    asked = [{"role": "user", "content": QUESTION}]
    text = str(tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True))
    before, after = (list(tokenizer(side, add_special_tokens=False)["input_ids"]) for side in text.split(QUESTION, 1))
    special = [place for place, token in enumerate(before) if token in tokenizer.all_special_ids]
    return before[special[-1] if special else 0 :], after


def end_of_line(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token that ends a line; None where it is not one."""
    ids = tokenizer("\n", add_special_tokens=False)["input_ids"]
    return int(ids[0]) if len(ids) == 1 else None
