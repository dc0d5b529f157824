"""What is trained and what is not, id by id."""

from __future__ import annotations

import copy

import pytest

from reason_cli.api import Example, Text
from reason_cli.engine.chat import assistant_turn, completion_text, encode, prompt_text
from reason_cli.engine.data import IGNORED, TokenDataset
from reason_cli.errors import ReasonError


def labels(row):
    """The labels that the Trainer gets for an encoded row."""
    return TokenDataset([row])[0]["labels"].tolist()


EXAMPLE = Example("What is 2 + 2?", "2 + 2 = 4", "4")


def test_the_assistants_turn_is_the_agreed_one():
    assert assistant_turn(EXAMPLE) == "<think>\n2 + 2 = 4\n</think>\n\n**Final Answer:** 4"


def test_prompt_and_completion_are_exactly_these_ids(tokenizer):
    (row,) = encode(tokenizer, [EXAMPLE], "")
    prompt = "<|im_start|>user\nWhat is 2 + 2?<|im_end|>\n<|im_start|>assistant\n"
    answer = "<think>\n2 + 2 = 4\n</think>\n\n**Final Answer:** 4<|im_end|>"
    head = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    tail = tokenizer(answer, add_special_tokens=False)["input_ids"]
    assert row.input_ids == head + tail
    assert row.trained_from == len(head)
    assert tokenizer.decode(row.input_ids) == prompt + answer


def test_the_system_prompt_comes_first_and_is_not_trained(tokenizer):
    (row,) = encode(tokenizer, [EXAMPLE], "Be brief.")
    text = tokenizer.decode(row.input_ids[: row.trained_from])
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")
    assert text == prompt_text(tokenizer, EXAMPLE.question, "Be brief.")


def test_labels_follow_position_and_the_end_token_is_trained_once(tokenizer):
    (row,) = encode(tokenizer, [EXAMPLE], "")
    border = row.trained_from
    assert labels(row) == [IGNORED] * border + row.input_ids[border:]
    assert labels(row)[-1] == tokenizer.eos_token_id
    assert labels(row).count(tokenizer.eos_token_id) == 1
    assert row.input_ids.count(tokenizer.eos_token_id) == 2, "the user's turn ends with the same token, untrained"


def test_end_tokens_inside_the_reasoning_are_trained_by_position(tokenizer):
    odd = Example("q", "a<|im_end|>b", "1")
    (row,) = encode(tokenizer, [odd], "")
    assert labels(row).count(tokenizer.eos_token_id) == 2


def test_what_is_trained_is_what_is_asked_at_evaluation(tokenizer):
    """The ids before the border are those of the prompt that generation starts from."""
    rows = encode(tokenizer, [EXAMPLE], "Be brief.")
    prompt = prompt_text(tokenizer, EXAMPLE.question, "Be brief.")
    assert rows[0].input_ids[: rows[0].trained_from] == tokenizer(prompt, add_special_tokens=False)["input_ids"]


def test_a_text_is_trained_on_whole(tokenizer):
    (row,) = encode(tokenizer, [Text("def f(): pass")], "Be brief.")
    assert row.trained_from == 0 and labels(row) == row.input_ids
    assert tokenizer.decode(row.input_ids) == "def f(): pass<|im_end|>"


def test_mixed_items_keep_their_order(tokenizer):
    rows = encode(tokenizer, [Text("a"), EXAMPLE, Text("b")], "")
    assert [row.trained_from == 0 for row in rows] == [True, False, True]


@pytest.mark.parametrize("text", ["", " ", "é漢🎉", "a\r\nb\0", "<|im_start|>user\n", "<think></think>"])
def test_any_text_survives_its_tokens(tokenizer, text):
    example = Example(f"q{text}", text, f"{text}1")
    (row,) = encode(tokenizer, [example], text)
    assert tokenizer.decode(row.input_ids[row.trained_from :]).endswith(f"{text}1<|im_end|>")


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
        encode(with_template(tokenizer, template), [EXAMPLE], "")


def test_a_template_without_an_end_token_gets_one(tokenizer):
    template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    other = with_template(tokenizer, template)
    prompt = prompt_text(other, EXAMPLE.question, "")
    assert completion_text(other, EXAMPLE, "", prompt).endswith("**Final Answer:** 4<|im_end|>")
    (row,) = encode(other, [EXAMPLE], "")
    assert labels(row)[-1] == other.eos_token_id


def test_no_second_beginning_is_put_before_the_templates_own(tokenizer):
    other = with_template(tokenizer, "{{ bos_token }}" + tokenizer.chat_template)
    other.bos_token = "<|endoftext|>"
    (row,) = encode(other, [EXAMPLE], "")
    assert row.input_ids.count(other.bos_token_id) == 1 and row.input_ids[0] == other.bos_token_id
