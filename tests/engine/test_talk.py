"""A conversation: the answers that evaluation gives, heard as they are said, with what was said before or without."""

from types import SimpleNamespace

import pytest

from reason_cli import ReasonError
from reason_cli.api import Turn
from reason_cli.engine import talk
from reason_cli.engine.chat import Template
from reason_cli.engine.generate import Answer, Decoding, answer
from reason_cli.engine.hardware import Precision
from reason_cli.engine.prompts import Prompting
from reason_cli.engine.subject import Subject, keep_ends_alone
from reason_cli.engine.talk import Conversation, Stream

SHORT = Decoding(max_new_tokens=12, temperature=1.0)


@pytest.fixture(params=["tiny-llama", "mamba"])
def subject(request, model, tokenizer):
    """What is worked on a batch at a time, and what goes on by itself."""
    if request.param == "mamba":
        from reason_mamba.architecture import Mamba, MambaOptions

        model = Mamba().build(MambaOptions(d_model=16, n_layer=1, scan="torch"), tokenizer).eval()
    keep_ends_alone(model, tokenizer)
    return Subject(model, tokenizer, Precision("fp32", "asked for"), "model")


def test_an_answer_is_the_one_that_evaluation_gives_and_is_heard_whole(subject):
    conversation, pieces = Conversation(subject, Prompting(), SHORT, seed=0), []
    reply = conversation.ask("What is 2+2?", pieces.append)
    (same,) = answer(subject.model, subject.tokenizer, [Prompting().prompt(subject.tokenizer, "What is 2+2?")], SHORT)
    assert (reply.text, reply.tokens, reply.finished) == (same.text, same.tokens, same.finished)
    assert "".join(pieces) == reply.text and reply.seconds > 0
    assert len(pieces) > 1, "as they are said"


def test_the_same_question_is_drawn_for_anew_and_again_from_the_same_seed(subject):
    first, second = (Conversation(subject, Prompting(), SHORT, seed=7) for _ in range(2))
    said = [first.ask("a").text, first.ask("a").text]
    assert said[0] != said[1] and said == [second.ask("a").text, second.ask("a").text]


def heard(monkeypatch, *texts):
    """Prompts that are asked, while a model says these texts."""
    prompts, said = [], iter(texts)

    def answers_of(subject, requests, decoding, hear):
        prompts.append(requests[0].prompt)
        yield 0, Answer(next(said), 3, True)

    monkeypatch.setattr(talk, "answers_of", answers_of)
    return prompts


def test_each_question_stands_alone_or_with_the_turns_before_it(monkeypatch, tokenizer):
    prompts = heard(monkeypatch, *"abcdefgh")
    put = Prompting(Template(prefill="<think>", system_prompt="Be brief."))
    alone, together = (Conversation(SimpleNamespace(tokenizer=tokenizer), put, SHORT, turns=n) for n in (0, 2))
    for question in ("one", "two"):
        alone.ask(question)
    assert prompts == [put.prompt(tokenizer, "one"), put.prompt(tokenizer, "two")]
    prompts.clear()
    for question in ("one", "two", "three", "four"):
        together.ask(question)
    turns = [
        ("system", "Be brief."), ("user", "two"), ("assistant", "<think>d"), ("user", "three"),
        ("assistant", "<think>e"), ("user", "four"),
    ]  # fmt: skip
    wanted = [{"role": role, "content": text} for role, text in turns]
    assert prompts[3] == tokenizer.apply_chat_template(wanted, tokenize=False, add_generation_prompt=True) + "<think>"
    assert "one" in prompts[1] and "one" not in prompts[3]
    together.forget()
    together.ask("five")
    assert prompts[4] == put.prompt(tokenizer, "five")


def test_what_is_remembered_is_what_a_training_row_would_have(monkeypatch, tokenizer):
    heard(monkeypatch, "4", "5")
    conversation = Conversation(SimpleNamespace(tokenizer=tokenizer), Prompting(), SHORT, turns=3)
    conversation.ask("2+2?")
    assert conversation.past == [Turn("user", "2+2?"), Turn("assistant", "4")]


def test_a_plain_template_has_no_place_for_turns():
    with pytest.raises(ReasonError, match=r"no place for earlier turns.*--turns"):
        Conversation(SimpleNamespace(), Prompting(plain="Q: {question}"), SHORT, turns=1)


@pytest.mark.parametrize(
    ("texts", "stop", "pieces"),
    [
        (["a", "a\ufffd", "aé", "aé!"], (), ["a", "é", "!"]),
        (["4", "4\n", "4\nQ", "4\nQue"], ("\nQuestion:",), ["4", "\nQue"]),
        (["4", "4\n", "4\nN"], ("\nQuestion:",), ["4", "\nN"]),
        (["ab", "", "a", "ab", "abc"], (), ["ab", "c"]),
    ],
    ids=["half a letter", "what may end it, and did not", "what ends nothing", "begun again where memory was short"],
)
def test_what_is_shown_stays(texts, stop, pieces):
    shown = []
    stream = Stream(stop, shown.append)
    for text in texts:
        stream.hear(SimpleNamespace(text=lambda text=text: text))
    stream.end(texts[-1])
    assert shown == pieces


def test_what_an_answer_ends_before_is_never_shown():
    shown = []
    stream = Stream(("\nQuestion:",), shown.append)
    for text in ("4", "4\n", "4\nQuestion", "4"):  # the last as a row gives it, cut
        stream.hear(SimpleNamespace(text=lambda text=text: text))
    stream.end("4")
    assert shown == ["4"]
