"""GRPO: answers are drawn, graded as `reason eval` grades them, and those better than their group made likelier.

Through TRL's GRPOTrainer (arXiv 2402.03300); this module alone imports it, and is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from reason_cli.config import GrpoOptions
from reason_cli.engine.chat import token_ids
from reason_cli.engine.initial import reference
from reason_cli.engine.job import TrainJob
from reason_cli.engine.prepare import Ready
from reason_cli.engine.questions import Questions
from reason_cli.engine.rewards import Rewards
from reason_cli.engine.trainer import ACCURACY, Clock, Loop, argument_values
from reason_cli.runs import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Of `[grpo]`, what TRL takes by the same name.
SAME = (
    *("num_generations", "max_completion_length", "temperature", "top_p"),
    *("epsilon", "num_iterations", "loss_type"),
)


class Grpo(Loop, GRPOTrainer):
    """TRL's trainer with this project's prompts and checkpoints; a validation answers and grades held-out questions.

    `reference` is the model that answers should stay near, where `beta` is over 0. TRL would load it by its name.
    """

    def __init__(
        self, *, reference: PreTrainedModel | None, beta: float, accuracy: Callable[[], float] | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.accuracy = accuracy
        if reference is not None:
            add_fused_lm_head(reference, temperature=self.temperature)
            self.ref_model = self.accelerator.prepare_model(reference, evaluation_mode=True)
            self.beta = beta

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """The ids that evaluation asks with: the chat template has written every special token."""
        return token_ids(self.processing_class, list(prompts)), None, {}  # type: ignore[arg-type]

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The share of held-out questions answered right, greedily, where that is asked for."""
        self.model.eval()  # type: ignore[union-attr]
        metrics = {} if self.accuracy is None else {ACCURACY: self.accuracy()}
        if metrics:
            self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def tokens_seen(self) -> int:
        """Tokens of prompts and answers so far."""
        return int(self.state.num_input_tokens_seen)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None: a checkpoint holds what is needed to load it."""


def grpo_trainer(job: TrainJob, run: Run, ready: Ready, clock: Clock, accuracy: Callable[[], float] | None) -> Grpo:
    """The trainer of a job's questions."""
    options = job.settings.make(GrpoOptions, "grpo")
    rows: Questions = ready.data.rows
    rewards = Rewards(rows.examples, job.extractor, options)
    evaluates = bool(ready.data.held_out)
    values = argument_values(job.train, ready.precision, ready.device.type, run, evaluates=evaluates)
    same = {name: getattr(options, name) for name in SAME}
    values |= {
        "per_device_train_batch_size": job.train.micro_batch_size,
        "gradient_accumulation_steps": job.train.gradient_accumulation_steps,
        "gradient_checkpointing": job.train.gradient_checkpointing,
        "disable_dropout": True,  # answers are drawn in training mode, and are to be the model's own
        "reward_weights": rewards.weights,
        "num_generations_eval": 2,  # of TRL's own validation, which is not used
        "per_device_eval_batch_size": 2,
        "shuffle_dataset": True,
    }
    dataset = Dataset.from_dict({"prompt": list(rows.prompts), "row": list(range(len(rows)))})
    return Grpo(
        clock=clock,
        options=job.train,
        reference=reference(job, ready.data.tokenizer, ready.device) if options.beta else None,
        beta=options.beta,
        accuracy=accuracy,
        model=ready.model,
        args=GRPOConfig(**values, **same, beta=0.0),
        reward_funcs=list(rewards.parts),
        train_dataset=dataset,
        eval_dataset=dataset if evaluates else None,
        processing_class=ready.data.tokenizer,
    )
