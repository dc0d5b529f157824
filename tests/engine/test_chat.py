"""What is trained and what is not, id by id."""

from __future__ import annotations

import copy

import pytest

from reason_cli.api import Chat, Example, Text, Turn
from reason_cli.engine.chat import Template, answers_somebody, assistant_turn, encode, prompt_text, segments
from reason_cli.engine.tokens import IGNORED, TokenDataset
from reason_cli.errors import ReasonError

PLAIN, BRIEF = Template(), Template(system_prompt="Be brief.")


def labels(row):
    """The labels that the Trainer gets for an encoded row."""
    return TokenDataset.of([row])[0]["labels"].tolist()


EXAMPLE = Example("What is 2 + 2?", "2 + 2 = 4", "4")


def test_the_assistants_turn_is_the_agreed_one():
    assert assistant_turn(EXAMPLE, PLAIN) == "<think>\n2 + 2 = 4\n</think>\n\n**Final Answer:** 4"


def test_prompt_and_completion_are_exactly_these_ids(tokenizer):
    (row,) = encode(tokenizer, [EXAMPLE], PLAIN)
    prompt = "<|im_start|>user\nWhat is 2 + 2?<|im_end|>\n<|im_start|>assistant\n"
    answer = "<think>\n2 + 2 = 4\n</think>\n\n**Final Answer:** 4<|im_end|>"
    head = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    tail = tokenizer(answer, add_special_tokens=False)["input_ids"]
    assert row.input_ids == head + tail
    assert row.borders == (len(head), len(tail))
    assert tokenizer.decode(row.input_ids) == prompt + answer


def test_the_system_prompt_comes_first_and_is_not_trained(tokenizer):
    (row,) = encode(tokenizer, [EXAMPLE], BRIEF)
    text = tokenizer.decode(row.input_ids[: row.borders[0]])
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")
    assert text == prompt_text(tokenizer, EXAMPLE.question, BRIEF)


def test_labels_follow_position_and_the_end_token_is_trained_once(tokenizer):
    (row,) = encode(tokenizer, [EXAMPLE], PLAIN)
    border = row.borders[0]
    assert labels(row) == [IGNORED] * border + row.input_ids[border:]
    assert labels(row)[-1] == tokenizer.eos_token_id
    assert labels(row).count(tokenizer.eos_token_id) == 1
    assert row.input_ids.count(tokenizer.eos_token_id) == 2, "the user's turn ends with the same token, untrained"


def test_end_tokens_inside_the_reasoning_are_trained_by_position(tokenizer):
    odd = Example("q", "a<|im_end|>b", "1")
    (row,) = encode(tokenizer, [odd], PLAIN)
    assert labels(row).count(tokenizer.eos_token_id) == 2


def test_what_is_trained_is_what_is_asked_at_evaluation(tokenizer):
    """The ids before the border are those of the prompt that generation starts from."""
    rows = encode(tokenizer, [EXAMPLE], BRIEF)
    prompt = prompt_text(tokenizer, EXAMPLE.question, BRIEF)
    assert rows[0].input_ids[: rows[0].borders[0]] == tokenizer(prompt, add_special_tokens=False)["input_ids"]


def test_a_text_is_trained_on_whole(tokenizer):
    (row,) = encode(tokenizer, [Text("def f(): pass")], BRIEF)
    assert row.borders[0] == 0 and labels(row) == row.input_ids
    assert tokenizer.decode(row.input_ids) == "def f(): pass<|im_end|>"


def test_mixed_items_keep_their_order(tokenizer):
    rows = encode(tokenizer, [Text("a"), EXAMPLE, Text("b")], PLAIN)
    assert [row.borders[0] == 0 for row in rows] == [True, False, True]


@pytest.mark.parametrize("text", ["", " ", "é漢🎉", "a\r\nb\0", "<|im_start|>user\n", "<think></think>"])
def test_any_text_survives_its_tokens(tokenizer, text):
    example = Example(f"q{text}", text, f"{text}1")
    (row,) = encode(tokenizer, [example], Template(system_prompt=text))
    assert tokenizer.decode(row.input_ids[row.borders[0] :]).endswith(f"{text}1<|im_end|>")


def with_template(tokenizer, template):
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


def test_a_template_that_does_not_continue_its_own_prompt_is_refused(tokenizer):
    template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    with pytest.raises(ReasonError, match="otherwise than its own generation prompt"):
        encode(with_template(tokenizer, template), [EXAMPLE], PLAIN)


def test_a_template_without_an_end_token_gets_one(tokenizer):
    template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    other = with_template(tokenizer, template)
    assert list(segments(other, EXAMPLE, PLAIN))[-1].endswith("**Final Answer:** 4<|im_end|>")
    (row,) = encode(other, [EXAMPLE], PLAIN)
    assert labels(row)[-1] == other.eos_token_id


def test_no_second_beginning_is_put_before_the_templates_own(tokenizer):
    other = with_template(tokenizer, "{{ bos_token }}" + tokenizer.chat_template)
    other.bos_token = "<|endoftext|>"
    (row,) = encode(other, [EXAMPLE], PLAIN)
    assert row.input_ids.count(other.bos_token_id) == 1 and row.input_ids[0] == other.bos_token_id


# --- styles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "with_reasoning", "without"),
    [
        ("think", "<think>\nr\n</think>\n\n**Final Answer:** 4", "**Final Answer:** 4"),
        ("hash", "r\n#### 4", "#### 4"),
        ("boxed", "r\n\\boxed{4}", "\\boxed{4}"),
        ("plain", "r\n4", "4"),
    ],
)
def test_each_style_writes_reasoning_and_answer(tokenizer, style, with_reasoning, without):
    for reasoning, turn in (("r", with_reasoning), ("", without)):
        example = Example("q", reasoning, "4")
        assert assistant_turn(example, Template(style)) == turn
        (row,) = encode(tokenizer, [example], Template(style))
        assert tokenizer.decode(row.input_ids[row.borders[0] :]) == turn + "<|im_end|>"


def test_without_reasoning_the_answer_alone_is_learned(tokenizer):
    (row,) = encode(tokenizer, [EXAMPLE], Template("plain", reasoning=False))
    assert tokenizer.decode(row.input_ids[row.borders[0] :]) == "4<|im_end|>"


@pytest.mark.parametrize("prefill", ["<think>", "<think>\n", "So: "])
def test_what_a_reply_is_begun_with_is_given_and_not_learned(tokenizer, prefill):
    template = Template(prefill=prefill)
    (row,) = encode(tokenizer, [EXAMPLE], template)
    given, learned = row.input_ids[: row.borders[0]], row.input_ids[row.borders[0] :]
    turn = "<think>\n2 + 2 = 4\n</think>\n\n**Final Answer:** 4<|im_end|>"
    assert tokenizer.decode(given) == prompt_text(tokenizer, EXAMPLE.question, template)
    assert tokenizer.decode(given).endswith("assistant\n" + prefill)
    assert tokenizer.decode(learned) == turn.removeprefix(prefill), "no turn is begun twice"


def test_every_reply_of_a_conversation_is_begun(tokenizer):
    turns = (Turn("user", "a?"), Turn("assistant", "b"), Turn("user", "c?"), Turn("assistant", "d"))
    (row,) = encode(tokenizer, [Chat(turns)], Template(prefill="Well: "))
    assert tokenizer.decode([i for i in labels(row) if i != IGNORED]) == "b<|im_end|>d<|im_end|>"
    assert tokenizer.decode(row.input_ids).count("assistant\nWell: ") == 2


def test_a_template_that_does_not_keep_the_beginning_is_refused(tokenizer):
    trimming = copy.deepcopy(tokenizer)
    trimming.chat_template = tokenizer.chat_template.replace("message['content']", "message['content'] | trim")
    with pytest.raises(ReasonError, match=r"does not keep data\.prefill ' So: '"):
        list(segments(trimming, EXAMPLE, Template(prefill=" So: ")))


# --- conversations -----------------------------------------------------------------------------------------------

TALK = Chat((Turn("user", "Hi"), Turn("assistant", "Hello."), Turn("user", "2 + 2?"), Turn("assistant", "4")))


def learned(tokenizer, row):
    """The texts of the learned pieces."""
    texts, at = [], 0
    for place, length in enumerate(row.borders):
        if place % 2:
            texts.append(tokenizer.decode(row.input_ids[at : at + length]))
        at += length
    assert at == len(row.input_ids)
    return texts


def test_every_assistant_turn_of_a_conversation_is_learned_and_nothing_else(tokenizer):
    (row,) = encode(tokenizer, [TALK], BRIEF)
    assert learned(tokenizer, row) == ["Hello.<|im_end|>", "4<|im_end|>"]
    assert tokenizer.decode(row.input_ids) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello.<|im_end|>\n"
        "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>"
    )
    assert sum(label != IGNORED for label in labels(row)) == sum(row.borders[1::2])


def test_a_conversations_own_system_message_stands_alone(tokenizer):
    (row,) = encode(tokenizer, [Chat((Turn("system", "Rhyme."), *TALK.turns))], BRIEF)
    text = tokenizer.decode(row.input_ids)
    assert "Rhyme." in text and "Be brief." not in text


def test_what_a_user_says_last_is_left_off(tokenizer):
    (row,) = encode(tokenizer, [Chat((*TALK.turns, Turn("user", "Thanks")))], PLAIN)
    assert row == encode(tokenizer, [TALK], PLAIN)[0]


def test_a_conversation_without_an_assistant_has_nothing_to_learn(tokenizer):
    (row,) = encode(tokenizer, [Chat((Turn("user", "Hi"),))], PLAIN)
    assert row.borders == ()


def test_what_the_assistant_says_unasked_is_given(tokenizer):
    greeted = Chat((Turn("assistant", "Hello."), Turn("user", "2 + 2?"), Turn("assistant", "4")))
    given, learned = segments(tokenizer, greeted, PLAIN)
    assert "Hello." in given and given.endswith("assistant\n") and learned == "4<|im_end|>"
    assert answers_somebody(greeted) and not answers_somebody(Chat((Turn("assistant", "Hello."),)))
