"""Example -> messages -> text -> token ids and labels: the one path for training, evaluation and chat.

The text is always the tokenizer's own chat template's. Prompt and completion are tokenised apart and their
ids joined, so the border between what is given and what is learned is exact. Labels follow position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reason_cli.api import Example, Text
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# ChatML, with the markers that let transformers mask the assistant's turn. The end token is inside the turn.
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Encoded:
    """Token ids, of which those from `trained_from` on are learned."""

    input_ids: list[int]
    trained_from: int


def assistant_turn(example: Example) -> str:
    """What the assistant says: the reasoning in a think block, then the marked answer."""
    return f"<think>\n{example.reasoning}\n</think>\n\n**Final Answer:** {example.answer}"


def messages(question: str, system_prompt: str) -> list[dict[str, str]]:
    """The turns before the assistant's."""
    system = [{"role": "system", "content": system_prompt}] if system_prompt else []
    return [*system, {"role": "user", "content": question}]


def prompt_text(tokenizer: PreTrainedTokenizerBase, question: str, system_prompt: str) -> str:
    """The text up to where the assistant starts to speak."""
    turns = messages(question, system_prompt)
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def completion_text(tokenizer: PreTrainedTokenizerBase, example: Example, system_prompt: str, prompt: str) -> str:
    """The assistant's turn as the template writes it after `prompt`, its end token last.

    Raises `ReasonError` when the template does not continue its own generation prompt.
    """
    turns = messages(example.question, system_prompt)
    turns.append({"role": "assistant", "content": assistant_turn(example)})
    whole = str(tokenizer.apply_chat_template(turns, tokenize=False))
    if not whole.startswith(prompt):
        raise ReasonError(
            "the tokenizer's chat template writes the assistant's turn otherwise than its own generation prompt",
            "mend chat_template.jinja so that the prompt is a prefix of the whole conversation",
        )
    completion = whole[len(prompt) :].rstrip()
    end = str(tokenizer.eos_token)
    return completion if completion.endswith(end) else completion + end


def plain_texts(items: list[Example | Text], system_prompt: str) -> list[str]:
    """What the items say, each turn after its role's name as in ChatML: the words a tokenizer is trained on."""
    texts: list[str] = []
    for item in items:
        if isinstance(item, Text):
            texts.append(item.text)
            continue
        turns = messages(item.question, system_prompt)
        turns.append({"role": "assistant", "content": assistant_turn(item)})
        texts += [f"{turn['role']}\n{turn['content']}" for turn in turns]
    return texts


def token_ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """Ids of texts in which the template already wrote every special token (so no second BOS is added)."""
    return tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []


def encode(tokenizer: PreTrainedTokenizerBase, items: list[Example | Text], system_prompt: str) -> list[Encoded]:
    """Ids and the trained border of each item; a `Text` is trained on whole, its end token included."""
    heads, tails = [], []
    for item in items:
        if isinstance(item, Text):
            heads.append("")
            tails.append(item.text + tokenizer.eos_token)
        else:
            heads.append(prompt_text(tokenizer, item.question, system_prompt))
            tails.append(completion_text(tokenizer, item, system_prompt, heads[-1]))
    pairs = zip(token_ids(tokenizer, heads), token_ids(tokenizer, tails), strict=True)
    return [Encoded(head + tail, len(head)) for head, tail in pairs]
