"""Where a question is: in training as in generation, under padding, and whatever the template writes around it."""

import pytest
import torch
from reason_trm.puzzle_architecture import around_question
from reason_trm.puzzle_model import grid_places
from reason_trm.puzzle_rows import questions, targets

from reason_cli import ReasonError


@pytest.fixture
def around(tokenizer):
    return [torch.tensor(side) for side in around_question(tokenizer)]


def test_the_template_is_asked_what_it_writes_around_a_question(tokenizer):
    header, footer = around_question(tokenizer)
    assert tokenizer.decode(header) == "<|im_start|>user\n"
    assert tokenizer.decode(footer) == "<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("system", ["", "Solve it."])
@pytest.mark.parametrize("learned", [True, False], ids=["training", "generation"])
def test_the_question_is_found(tokenizer, conversation, around, system, learned):
    ids, labels = conversation("10\n02", "12\n22", system)
    if not learned:
        ids = ids[labels == -100][None]
    asked = questions(ids, None, labels if learned else None, *around)
    assert tokenizer.decode(asked.tokens(ids, tokenizer.eos_token_id)[0]) == "10\n02<|im_end|>"


def test_rows_of_different_length_are_found_under_padding_on_either_side(tokenizer, conversation, around):
    rows = [conversation(question, "1") for question in ("123", "1\n2", "12345678")]
    longest = max(ids.shape[1] for ids, _ in rows)
    for side in (0, 1):

        def pad(row, value, side=side):
            missing = longest - row.shape[1]
            return torch.nn.functional.pad(row, (0, missing) if side else (missing, 0), value=value)

        ids = torch.cat([pad(ids, tokenizer.pad_token_id) for ids, _ in rows])
        labels = torch.cat([pad(labels, -100) for _, labels in rows])
        mask = (ids != tokenizer.pad_token_id).long()
        asked = questions(ids, mask, labels, *around)
        said = [
            text.split("<|im_end|>")[0] for text in tokenizer.batch_decode(asked.tokens(ids, tokenizer.eos_token_id))
        ]
        assert said == ["123", "1\n2", "12345678"]
        assert tokenizer.batch_decode([row[row != -100] for row in targets(labels, asked)]) == ["1<|im_end|>"] * 3


def test_without_a_header_the_whole_prompt_is_the_question(around):
    asked = questions(torch.tensor([[7, 8, 9]]), None, None, *around)
    assert (asked.begin.item(), asked.length.item()) == (0, 3)


def test_the_last_question_counts_where_solved_ones_are_shown_before(tokenizer, around):
    turns = [("user", "11"), ("assistant", "12"), ("user", "33")]
    messages = [{"role": role, "content": text} for role, text in turns]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    asked = questions(ids, None, None, *around)
    assert tokenizer.decode(asked.tokens(ids, tokenizer.eos_token_id)[0]) == "33<|im_end|>"


def test_an_answer_that_is_longer_than_its_question_is_refused(conversation, around):
    ids, labels = conversation("12", "12")
    targets(labels, questions(ids, None, labels, *around))
    ids, labels = conversation("12", "123")
    with pytest.raises(ReasonError, match="an answer of 3 tokens is longer than its question of 2"):
        targets(labels, questions(ids, None, labels, *around))


def test_several_answers_in_a_row_are_refused(conversation, around):
    ids, labels = conversation("12345", "123")
    labels[0, -2] = -100
    with pytest.raises(ReasonError, match="a row has several answers"):
        targets(labels, questions(ids, None, labels, *around))


def test_a_place_is_a_line_and_a_column():
    lines, columns = grid_places(torch.tensor([[5, 5, 1, 5, 1, 1, 5]]), 1)
    assert lines.tolist() == [[0, 0, 0, 1, 1, 2, 3]] and columns.tolist() == [[0, 1, 2, 0, 1, 0, 0]]
    lines, columns = grid_places(torch.tensor([[5, 1, 5]]), None)
    assert lines.tolist() == [[0, 0, 0]] and columns.tolist() == [[0, 1, 2]]
