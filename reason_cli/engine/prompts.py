"""What a model is asked: a question in the chat template or in a plain one, solved examples before it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reason_cli.api import Example
from reason_cli.engine.chat import Template, assistant_turn, conversation_prompt, has_chat_template
from reason_cli.engine.reading import load
from reason_cli.engine.report import Reporter
from reason_cli.engine.sources import Source
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

QUESTION = "{question}"
BETWEEN_SHOTS = "\n\n"
DRAWN_FROM = 1_000  # rows of an endless dataset that shots are drawn from


@dataclass(frozen=True)
class Prompting:
    """How questions are put. `plain` is the text around a question in place of the chat template, empty: none.

    `shots` are one more than are shown, so that a question is never shown its own solution.
    """

    template: Template = field(default_factory=Template)
    plain: str = ""
    shots: tuple[Example, ...] = ()

    def shown(self, question: str) -> Sequence[Example]:
        """The solved examples before a question."""
        return [shot for shot in self.shots if shot.question != question][: max(0, len(self.shots) - 1)]

    def prompt(self, tokenizer: PreTrainedTokenizerBase, question: str) -> str:
        """The text up to where the model starts to speak."""
        if not self.plain:
            return conversation_prompt(tokenizer, self.shown(question), question, self.template)
        system = [self.template.system_prompt] if self.template.system_prompt else []
        shown = [self._solved(shot) for shot in self.shown(question)]
        text = BETWEEN_SHOTS.join([*system, *shown, self.plain.replace(QUESTION, question)])
        return _beginning(tokenizer) + text + self.template.prefill

    def _solved(self, shot: Example) -> str:
        asked = self.plain.replace(QUESTION, shot.question)
        space = "" if asked[-1:].isspace() else " "
        begun = self.template.prefill
        return asked + space + begun + assistant_turn(shot, self.template).removeprefix(begun)


def prompting(template: Template, plain: str, shots: tuple[Example, ...]) -> Prompting:
    """How questions are put. Raises `ReasonError` when the plain template has no place for the question."""
    plain = plain.replace("\\n", "\n")  # as typed on a command line
    if plain and QUESTION not in plain:
        raise ReasonError(f"eval.template has no {QUESTION} in it", "write it where the question goes", usage=True)
    return Prompting(template, plain, shots)


def check_asks(prompting: Prompting, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Refuse to guess how a model without a chat template wants to be asked."""
    if not prompting.plain and not has_chat_template(tokenizer):
        raise ReasonError(
            f"the tokenizer of {name} has no chat template",
            "say how to ask: --template 'Question: {question}\\nAnswer:' --stop Question:",
        )


def draw_shots(source: Source, count: int, seed: int, report: Reporter) -> tuple[Example, ...]:
    """`count` solved examples and one to spare, the same for the same seed; none when `count` is 0.

    Raises `ReasonError` when the source has too few.
    """
    if not count:
        return ()
    loaded = load(source, take=DRAWN_FROM if source.endless else 0, seed=seed, refuse_bad=False, report=report)
    by_question = {item.question: item for item in loaded.items if isinstance(item, Example)}
    if len(by_question) <= count:
        raise ReasonError(
            f"{count} shots were asked for, and '{source.label}' has {len(by_question)} questions", "ask for fewer"
        )
    return tuple(random.Random(seed).sample(list(by_question.values()), count + 1))


def _beginning(tokenizer: PreTrainedTokenizerBase) -> str:
    """The token that this tokenizer puts before every text, which a chat template would have written."""
    first = tokenizer("x")["input_ids"][:1]
    return str(tokenizer.bos_token) if tokenizer.bos_token_id is not None and first == [tokenizer.bos_token_id] else ""
