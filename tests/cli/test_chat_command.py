"""`reason chat`: what is asked and how, what is printed where."""

import io
import json
import sys

import click
import pytest
from support import run

from reason_cli.cli import chat

ASK = ("--max-new-tokens", 8, "--threads", 1, "--device", "cpu", "--temperature", 1)


@pytest.fixture
def checkpoint(tiny, trained):
    return trained[0]


def typed(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_questions_on_the_command_line_are_answered_in_turn(checkpoint):
    """The second with the seed after that of the first."""
    ask = ("chat", "--checkpoint", checkpoint, *ASK, "--eval-seed")
    first, second = run(*ask, 7, "2 + 2?").ok().out, run(*ask, 8, "3 + 4?").ok().out
    assert run(*ask, 7, "2 + 2?", "3 + 4?").ok().out == first + second
    assert first.strip() and second.strip() and first != second


def test_each_line_of_a_pipe_is_a_question(checkpoint, monkeypatch):
    typed(monkeypatch, "2 + 2?\n\n  3 + 4?  \n")
    lines = [json.loads(line) for line in run("chat", "--checkpoint", checkpoint, *ASK, "--json").ok().out.splitlines()]
    assert [line["question"] for line in lines] == ["2 + 2?", "3 + 4?"]
    assert all(line.keys() == {"question", "text", "tokens", "finished", "seconds"} for line in lines)
    plain = run("chat", "--checkpoint", checkpoint, *ASK, "2 + 2?").ok()
    assert plain.out == lines[0]["text"] + "\n" and lines[0]["text"].strip()


def test_nothing_asked_is_nothing_answered(checkpoint, monkeypatch):
    typed(monkeypatch, "\n")
    result = run("chat", "--checkpoint", checkpoint, *ASK).ok()
    assert result.out == "" and "Ask." not in result.err


def test_an_answer_that_is_cut_off_is_told_beside_it(checkpoint):
    result = run("chat", "--checkpoint", checkpoint, "--threads", 1, "--max-new-tokens", 2, "2 + 2?").ok()
    assert "cut off after 2 tokens; --max-new-tokens allows more" in result.err
    assert "cut off" not in result.out and "tokens a second" not in result.err


def test_a_prefill_is_shown_with_what_follows_it(checkpoint):
    assert run("chat", "--checkpoint", checkpoint, *ASK, "--prefill", "So: ", "2?").ok().out.startswith("So: ")


def test_what_was_exported_answers_as_its_model_does(checkpoint, tmp_path):
    run("export", "state-dict", "--checkpoint", checkpoint, "--output", tmp_path / "out", "--threads", 1).ok()
    theirs = run("chat", "--checkpoint", tmp_path / "out", *ASK, "2 + 2?").ok()
    assert theirs.out == run("chat", "--checkpoint", checkpoint, *ASK, "2 + 2?").ok().out


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("--checkpoint", "nowhere/run", "a"), "nowhere/run", 1),
        (("--turns", 1, "--template", "Q: {question}", "a"), "no place for earlier turns; leave --turns out", 2),
        (("--template", "Q:", "a"), "eval.template has no {question} in it", 2),
        (("--backend", "onnxruntime", "a"), "reason export onnx", 2),
        (("--turns", -1, "a"), "--turns", 2),
        ((), "checkpoint", 2),
    ],
)
def test_what_is_asked_wrongly_is_one_line(checkpoint, arguments, said, code):
    own = () if "--checkpoint" in arguments or not arguments else ("--checkpoint", checkpoint)
    result = run("chat", *own, *arguments)
    assert result.code == code and said in result.error_line


# --- someone at a terminal ---------------------------------------------------------------------------------------


class Talk:
    """A conversation that says a text in pieces; a question of "stop" is interrupted."""

    def __init__(self, prefill=""):
        from reason_cli.engine.chat import Template
        from reason_cli.engine.prompts import Prompting

        self.put, self.forgotten = Prompting(Template(prefill=prefill)), 0

    def forget(self):
        self.forgotten += 1

    def ask(self, question, show):
        from reason_cli.engine.talk import Reply

        for piece in ("so", "</think>", " 4"):
            show(piece)
            if question == "stop":
                raise KeyboardInterrupt
        return Reply("so</think> 4", 3, True, 0.1)


def test_commands_are_no_questions(monkeypatch):
    talk, lines = Talk(), iter(["one", "", "  two ", "/new", "three", "/exit", "never"])
    monkeypatch.setattr(click, "prompt", lambda *given, **how: next(lines))
    assert list(chat._typed(talk)) == ["one", "two", "three"] and talk.forgotten == 1


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_the_end_of_what_is_typed_is_the_end(monkeypatch, end):
    def typed(prompt=""):
        raise end

    monkeypatch.setattr(click.termui, "visible_prompt_func", typed)
    assert list(chat._typed(Talk())) == []


def test_thoughts_are_dimmed_and_an_answer_can_be_cut_short(monkeypatch):
    shown = []
    monkeypatch.setattr(click, "secho", lambda text, nl=True, dim=None, err=False: shown.append((text, bool(dim))))
    chat._show(Talk("<think>"), "one", alone=True)
    assert shown[:4] == [("<think>", True), ("so", True), ("</think>", False), (" 4", False)]
    assert shown[4:] == [("3 tokens, 30 a second", True)]
    shown.clear()
    chat._show(Talk(), "stop", alone=True)
    assert shown == [("so", False), (" (cut short)", True)]
    with pytest.raises(KeyboardInterrupt):
        chat._show(Talk(), "stop", alone=False)


def test_a_person_at_a_terminal_is_asked_answered_and_told_how_fast(checkpoint):
    pty = pytest.importorskip("pty", reason="terminals of this kind are Unix's")
    import os
    import subprocess
    import threading

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "reason_cli", "chat", "--checkpoint", str(checkpoint), *map(str, ASK)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    patience = threading.Timer(120, process.kill)
    patience.start()
    os.write(ours, b"2 + 2?\n/exit\n")
    seen = b""
    while True:
        try:
            read = os.read(ours, 4096)
        except OSError:  # what Linux says when the other side is closed
            break
        if not read:
            break
        seen += read
    os.close(ours)
    assert process.wait(60) == 0
    patience.cancel()
    text = seen.decode(errors="replace")
    assert "/exit or Ctrl-D ends." in text and "tokens, " in text and "a second" in text and "Traceback" not in text


def test_bytes_that_are_no_text_are_marked(checkpoint, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"2 \xff 2?\n"), "utf-8"))
    (line,) = run("chat", "--checkpoint", checkpoint, *ASK, "--json").ok().out.splitlines()
    assert json.loads(line)["question"] == "2 \ufffd 2?"
    (line,) = run("chat", "--checkpoint", checkpoint, *ASK, "--json", "caf\udce9").ok().out.splitlines()
    assert json.loads(line)["question"] == "caf\ufffd"
