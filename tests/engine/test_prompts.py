"""How questions are put: by the chat template or a plain one, with solved examples before them."""

from __future__ import annotations

import pytest
from support import Said, write_rows

from reason_cli.api import Example
from reason_cli.engine.chat import Template, prompt_text
from reason_cli.engine.prompts import Prompting, check_asks, draw_shots, prompting
from reason_cli.engine.sources import Request, Source, Spec, make_source
from reason_cli.errors import ReasonError
from reason_cli.testing import Additions

SHOTS = (Example("1 + 1?", "1 + 1 = 2", "2"), Example("2 + 2?", "", "4"), Example("3 + 3?", "", "6"))
PLAIN = "Question: {question}\nAnswer:"


def test_without_shots_the_prompt_is_that_of_training(tokenizer):
    template = Template("hash", "Be brief.")
    assert Prompting(template).prompt(tokenizer, "1 + 2?") == prompt_text(tokenizer, "1 + 2?", template)


def test_shots_are_earlier_turns(tokenizer):
    put = Prompting(Template("hash", "Be brief."), "", SHOTS)
    assert put.prompt(tokenizer, "5 + 5?") == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n1 + 1 = 2\n#### 2<|im_end|>\n"
        "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n#### 4<|im_end|>\n"
        "<|im_start|>user\n5 + 5?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_plain_template_is_written_as_the_harness_does(tokenizer):
    put = prompting(Template("hash"), PLAIN, SHOTS)
    assert put.prompt(tokenizer, "5 + 5?") == (
        "Question: 1 + 1?\nAnswer: 1 + 1 = 2\n#### 2\n\nQuestion: 2 + 2?\nAnswer: #### 4\n\nQuestion: 5 + 5?\nAnswer:"
    )
    typed = prompting(Template("hash"), PLAIN.replace("\n", "\\n"), SHOTS)
    assert typed == put, "a newline may be typed as \\n"


def test_braces_in_a_question_are_only_text(tokenizer):
    assert prompting(Template(), "Q: {question}", ()).prompt(tokenizer, "{0} {question}?") == "Q: {0} {question}?"


def test_a_question_is_not_shown_its_own_solution(tokenizer):
    put = Prompting(Template("hash"), "{question}", SHOTS)
    assert "#### 2" not in put.prompt(tokenizer, "1 + 1?")
    assert put.prompt(tokenizer, "1 + 1?").count("####") == put.prompt(tokenizer, "9?").count("####") == 2


def test_the_token_that_begins_every_text_is_written_where_the_tokenizer_writes_it(tokenizer):
    class Begins:
        bos_token, bos_token_id = "<s>", 1

        def __call__(self, text):
            return {"input_ids": [1, 7]}

    assert prompting(Template(), PLAIN, ()).prompt(Begins(), "5?") == "<s>Question: 5?\nAnswer:"
    assert prompting(Template(), PLAIN, ()).prompt(tokenizer, "5?") == "Question: 5?\nAnswer:"


def test_a_template_needs_a_place_for_the_question():
    with pytest.raises(ReasonError, match=r"no \{question\} in it") as error:
        prompting(Template(), "Answer:", ())
    assert error.value.usage


def test_without_any_template_nothing_is_guessed(tokenizer):
    class Bare:
        chat_template = None

    with pytest.raises(ReasonError, match="the tokenizer of gpt2 has no chat template"):
        check_asks(Prompting(Template()), Bare(), "gpt2")
    check_asks(prompting(Template(), PLAIN, ()), Bare(), "gpt2")
    check_asks(Prompting(Template()), tokenizer, "mine")


def additions(split: str = "train") -> Source:
    return make_source(Request(Spec.parse("additions"), Additions(), None), split, None)


def test_shots_are_drawn_by_seed_one_more_than_are_shown():
    drawn = draw_shots(additions(), 3, 1, Said())
    assert len({shot.question for shot in drawn}) == 4
    assert draw_shots(additions(), 3, 1, Said()) == drawn != draw_shots(additions(), 3, 2, Said())
    assert draw_shots(additions(), 0, 1, Said()) == ()


def test_too_few_rows_to_draw_from(tmp_path):
    path = write_rows(tmp_path / "few.jsonl", [{"a": n, "b": 1} for n in (1, 1, 2)])
    source = Source(Spec.parse(str(path)), Additions(), None, "", path)
    with pytest.raises(ReasonError, match=r"2 shots were asked for, and .* has 2 questions"):
        draw_shots(source, 2, 0, Said())
