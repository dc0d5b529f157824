"""The chat templates of real models, rebuilt after their formats: learned are the assistant's words and their end.

Each brings its quirk: an end token that is none of the turn's, one put after the last turn alone, no generation prompt,
a system message of its own, none allowed, or a pad token that is the end token.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from reason_cli.api import Chat, Example, Turn
from reason_cli.engine import tokenizers
from reason_cli.engine.chat import Template, encode, prompt_text, token_ids
from reason_cli.errors import ReasonError
from reason_cli.testing import byte_tokenizer


@dataclass(frozen=True)
class Model:
    """A template, its special tokens, what ends a turn, and whether a system message may stand first."""

    template: str
    special: tuple[str, ...]
    eos: str
    ends: str
    bos: str = ""
    pad: str = ""
    system: bool = True


LOOP, END = "{% for m in messages %}", "{% endfor %}"
CHATML = (
    LOOP + "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}" + END
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)  # fmt: skip
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system message here') }}{% endif %}"
MODELS = {
    "qwen2.5": Model(
        "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}" + CHATML,
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), "<|im_end|>", "<|im_end|>", pad="<|endoftext|>",
    ),
    "smollm3": Model(
        "{{ '<|im_start|>system\n## Metadata\nReasoning Mode: /think\n' }}"
        "{% if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}{{ '<|im_end|>\n' }}"
        "{% for m in messages if m.role != 'system' %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
        + END + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        ("<|im_start|>", "<|im_end|>"), "<|im_end|>", "<|im_end|>", pad="<|im_end|>",
    ),
    "llama-3": Model(
        "{{ bos_token }}" + LOOP
        + "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}"
        + END + "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        ("<|start_header_id|>", "<|end_header_id|>", "<|finetune_right_pad_id|>"), "<|eot_id|>", "<|eot_id|>",
        bos="<|begin_of_text|>",
    ),
    "mistral": Model(
        NO_SYSTEM + "{{ bos_token }}" + LOOP
        + "{{ '[INST] ' + m.content + ' [/INST]' if m.role == 'user' else ' ' + m.content + eos_token }}" + END,
        ("[INST]", "[/INST]", "<unk>"), "</s>", "</s>", bos="<s>", system=False,
    ),
    "gemma": Model(
        NO_SYSTEM + "{{ bos_token }}" + LOOP
        + "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}"
        + "{{ m.content + '<end_of_turn>\n' }}"
        + END + "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        ("<start_of_turn>", "<end_of_turn>", "<pad>"), "<eos>", "<end_of_turn><eos>", bos="<bos>", pad="<pad>",
        system=False,
    ),
    "phi-3": Model(
        LOOP + "{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}" + END
        + "{{ '<|assistant|>\n' if add_generation_prompt else eos_token }}",
        ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<unk>"), "<|endoftext|>", "<|end|>\n<|endoftext|>",
        pad="<|endoftext|>",
    ),
    "zephyr": Model(
        LOOP + "{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}" + END
        + "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        ("<unk>",), "</s>", "</s>", bos="<s>", pad="</s>",
    ),
}  # fmt: skip

SUM = Example("What is 2 + 3? </s> <|end|>", "2 + 3 = 5", "5")
TURN = "<think>\n2 + 3 = 5\n</think>\n\n**Final Answer:** 5"
TALK = Chat((Turn("user", "first"), Turn("assistant", "one"), Turn("user", "second"), Turn("assistant", "two")))


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


@pytest.fixture
def tokenizer(model, tmp_path):
    """As it is built from a folder, where a model of the hub has it."""
    made = byte_tokenizer()
    made.add_special_tokens({"eos_token": model.eos, "additional_special_tokens": list(model.special)})
    made.add_special_tokens({"bos_token": model.bos} if model.bos else {})
    made.pad_token = model.pad or None
    made.unk_token = "<unk>" if "<unk>" in model.special else None
    made.chat_template = model.template
    made.save_pretrained(tmp_path)
    return tokenizers.build(str(tmp_path), ())


def parts(tokenizer, item, template=None):
    """(given, learned) texts of an item in turn, as its tokens decode."""
    (row,) = encode(tokenizer, [item], template or Template())
    texts, begin = [], 0
    for length in row.borders:
        texts.append(tokenizer.decode(row.input_ids[begin : begin + length]))
        begin += length
    return texts[::2], texts[1::2], row


def test_the_turn_and_its_end_are_learned_and_nothing_else(tokenizer, model):
    (given,), (learned,), row = parts(tokenizer, SUM)
    assert learned.lstrip(" ") == TURN + model.ends
    assert given == prompt_text(tokenizer, SUM.question, Template()), "what is asked at evaluation"
    messages = [{"role": "user", "content": SUM.question}, {"role": "assistant", "content": TURN}]
    whole = tokenizer.apply_chat_template(messages, tokenize=False).rstrip()
    assert tokenizer.decode(row.input_ids).startswith(whole)
    assert row.input_ids == token_ids(tokenizer, [given])[0] + token_ids(tokenizer, [learned])[0]


def test_the_end_token_is_learned_and_the_pad_token_never(tokenizer):
    _, _, row = parts(tokenizer, SUM)
    learned = row.input_ids[row.borders[0] :]
    assert learned[-1] == tokenizer.eos_token_id
    assert tokenizer.pad_token_id is not None and tokenizer.pad_token_id not in learned


def test_no_model_must_grow_for_a_pad_token(tokenizer, model):
    before = byte_tokenizer().get_vocab().keys() | {*model.special, model.eos, model.bos} - {""}
    assert set(tokenizer.get_vocab()) == before


def test_every_turn_of_a_conversation_is_learned(tokenizer, model):
    given, learned, _ = parts(tokenizer, TALK)
    assert [text.lstrip(" ").split("<")[0].strip() for text in learned] == ["one", "two"]
    assert learned[-1].endswith(model.ends) and model.ends.startswith(learned[0].lstrip(" ")[len("one") :])
    assert "first" in given[0] and "second" in given[1] and not any(w in "".join(given) for w in ("one", "two"))


def test_a_system_message_is_given_or_refused_in_one_line(tokenizer, model):
    template = Template(system_prompt="be brief")
    if model.system:
        (given,), _, _ = parts(tokenizer, SUM, template)
        assert "be brief" in given
    else:
        with pytest.raises(ReasonError, match="refuses a conversation: no system message") as error:
            parts(tokenizer, SUM, template)
        assert error.value.hint == "leave data.system_prompt empty"
