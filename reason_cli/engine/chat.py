"""Item -> messages -> text -> token ids and labels: the one path for training, evaluation and chat.

The text is always the tokenizer's own chat template's. What is given and what is learned are tokenised apart and
their ids joined, so the border between them is exact. Labels follow position.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from reason_cli.api import Chat, Example, Item, Text, Turn
from reason_cli.errors import ReasonError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from reason_cli.config import Settings

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
class Template:
    """What is put around an example: the style of the assistant's turn, and the system message (empty: none).

    `prefill` begins every turn of the assistant's; it is given, in training as in evaluation. Without `reasoning` the
    answer stands alone.
    """

    style: str = "think"
    system_prompt: str = ""
    prefill: str = ""
    reasoning: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Template:
        """What `[data]` says of it."""
        return cls(*(settings[f"data.{field.name}"].value for field in fields(cls)))


@dataclass(frozen=True)
class Encoded:
    """Token ids, and how many of them in turn are given, learned, given, learned, and so on."""

    input_ids: list[int]
    borders: tuple[int, ...]


def assistant_turn(example: Example, template: Template) -> str:
    """What the assistant says of an example: how it is solved, if that is known, and the marked answer.

    Styles: `think` (the reasoning in a think block, then the answer), `hash` (`#### N`, as in GSM8K), `boxed`
    (LaTeX's box, as in MATH), `plain` (the answer alone in the last line).
    """
    reasoning, answer = example.reasoning if template.reasoning else "", example.answer
    if template.style == "think":
        thought = f"<think>\n{reasoning}\n</think>\n\n" if reasoning else ""
        return f"{thought}**Final Answer:** {answer}"
    marked = {"hash": f"#### {answer}", "boxed": f"\\boxed{{{answer}}}", "plain": answer}[template.style]
    return f"{reasoning}\n{marked}" if reasoning else marked


def turns_of(item: Example | Chat, template: Template) -> list[Turn]:
    """The whole conversation that an item is, the system message first."""
    if isinstance(item, Chat):
        turns = list(item.turns)
        own = any(turn.role == "system" for turn in turns)
    else:
        turns, own = [Turn("user", item.question), Turn("assistant", assistant_turn(item, template))], False
    turns = [_begun(turn, template.prefill) for turn in turns]
    system = [Turn("system", template.system_prompt)] if template.system_prompt and not own else []
    return [*system, *turns]


def _begun(turn: Turn, prefill: str) -> Turn:
    """A turn of the assistant's with what it is to begin with."""
    if turn.role != "assistant" or turn.text.startswith(prefill):
        return turn
    return replace(turn, text=prefill + turn.text)


def has_chat_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer says how a conversation is written."""
    return bool(tokenizer.chat_template)


def prompt_text(tokenizer: PreTrainedTokenizerBase, question: str, template: Template) -> str:
    """The text up to where the assistant goes on by itself."""
    return conversation_prompt(tokenizer, (), question, template)


def conversation_prompt(
    tokenizer: PreTrainedTokenizerBase, shown: Sequence[Example], question: str, template: Template
) -> str:
    """The same, with solved examples as earlier turns of the conversation."""
    asked = [*shown, Example(question, "", "")]
    turns = [turn for example in asked for turn in turns_of(example, replace(template, system_prompt=""))]
    return prompt_after(tokenizer, turns[:-1], template)


def prompt_after(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], template: Template) -> str:
    """The text up to where the assistant goes on after these turns, the user's last; the system message comes first."""
    system = [Turn("system", template.system_prompt)] if template.system_prompt else []
    return _render(tokenizer, [*system, *turns], prompt=True) + template.prefill


def segments(tokenizer: PreTrainedTokenizerBase, item: Item, template: Template) -> Iterator[str]:
    """The text of an item in pieces that are in turn given and learned; each learned one has its end token last.

    What the assistant says before anybody asked it anything is given. Raises `ReasonError` when the chat template does
    not continue its own generation prompt.
    """
    if isinstance(item, Text):
        yield from ("", item.text + str(tokenizer.eos_token))
        return
    turns, said = turns_of(item, template), ""
    for n, turn in enumerate(turns):
        if turn.role == "assistant" and asked_before(turns, n):
            given = _render(tokenizer, turns[:n], prompt=True) + template.prefill
            whole = _render(tokenizer, turns[: n + 1], prompt=False)
            if not (given.startswith(said) and whole.startswith(given)):
                if template.prefill:
                    raise ReasonError(
                        f"the tokenizer's chat template does not keep data.prefill {template.prefill!r} at the "
                        "beginning of a turn",
                        "leave spaces and line breaks at its ends out",
                    )
                raise ReasonError(
                    "the tokenizer's chat template writes an assistant's turn otherwise than its own generation prompt",
                    "mend chat_template.jinja so that the prompt is a prefix of the whole conversation",
                )
            more = _render(tokenizer, turns[: n + 2], prompt=True) if n + 2 < len(turns) else ""
            if more and not more.startswith(whole):
                # Some templates end every conversation with the end token, and go on without it.
                whole = whole.rstrip().removesuffix(str(tokenizer.eos_token))
                learned = whole[len(given) :].rstrip()
            else:
                learned = _ended(whole[len(given) :].rstrip(), str(tokenizer.eos_token))
            yield given[len(said) :]
            yield learned
            said = given + learned if whole.startswith(given + learned) else whole


def asked_before(turns: Sequence[Turn], n: int) -> bool:
    """Whether anybody but the assistant has spoken before turn n."""
    return any(turn.role != "assistant" for turn in turns[:n])


def answers_somebody(chat: Chat) -> bool:
    """Whether a conversation has a turn to learn."""
    return any(turn.role == "assistant" and asked_before(chat.turns, n) for n, turn in enumerate(chat.turns))


def _render(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], *, prompt: bool) -> str:
    """A conversation as the template writes it. Raises `ReasonError` where that refuses it, as some do system turns."""
    from jinja2 import TemplateError

    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt))
    except TemplateError as error:
        system = any(turn.role == "system" for turn in turns)
        hint = "leave data.system_prompt empty" if system else "mend chat_template.jinja"
        raise ReasonError(f"the tokenizer's chat template refuses a conversation: {first_line(error)}", hint) from None


def _ended(text: str, end: str) -> str:
    return text if text.endswith(end) else text + end


def plain_texts(items: Sequence[Item], template: Template) -> list[str]:
    """What the items say, each turn after its role's name as in ChatML: the words a tokenizer is trained on."""
    texts: list[str] = []
    for item in items:
        if isinstance(item, Text):
            texts.append(item.text)
        else:
            texts += [f"{turn.role}\n{turn.text}" for turn in turns_of(item, template)]
    return texts


def token_ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """Ids of texts in which the template already wrote every special token (so no second BOS is added)."""
    if not texts:
        return []
    if not tokenizer.is_fast:
        return tokenizer(texts, add_special_tokens=False)["input_ids"]
    # The same ids without the masks and offsets around them, in half the time, on every core.
    backend = tokenizer.backend_tokenizer  # type: ignore[attr-defined]
    return [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=False)]


def encode(tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], template: Template) -> list[Encoded]:
    """Ids and borders of each item; a `Text` is trained on whole, its end token included."""
    pieces = [list(segments(tokenizer, item, template)) for item in items]
    ids = iter(token_ids(tokenizer, [text for texts in pieces for text in texts]))
    encoded = []
    for texts in pieces:
        parts = [next(ids) for _ in texts]
        encoded.append(Encoded([i for part in parts for i in part], tuple(map(len, parts))))
    return encoded
