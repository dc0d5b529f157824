"""`reason chat`: questions put to a checkpoint, its answers shown as they are written."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reason_cli.cli import options
from reason_cli.cli.main import board
from reason_cli.runs import Checkpoint

if TYPE_CHECKING:
    from reason_cli.engine.talk import Conversation, Reply

FORGET, LEAVE = "/new", "/exit"
THOUGHT = ("<think>", "</think>")


@click.command(
    "chat",
    cls=options.SettingsCommand,
    tables=(),
    keys=(
        *("eval.max_new_tokens", "eval.temperature", "eval.top_p", "eval.eval_seed", "eval.stop", "eval.calculator"),
        *("eval.template", "eval.backend", "data.system_prompt", "data.prefill"),
        *("hardware.device", "hardware.precision", "hardware.threads"),
    ),
)
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@click.option(
    "--checkpoint",
    required=True,
    help="A run directory, a folder of weights or of an export, or the hub id of a model.",
)
@click.option(
    "--turns", type=click.IntRange(0), default=0, help="Earlier questions, with their answers, shown before each. [0]"
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each answer.")
@click.pass_context
def chat_command(ctx: click.Context, questions: tuple[str, ...], checkpoint: str, turns: int, as_json: bool) -> None:
    """Ask a checkpoint, and read its answers as it writes them.

    Without QUESTION you are asked for them; from a file or pipe each line is one. Questions are put as the checkpoint's
    run put them in training, and each stands alone unless --turns says otherwise. Ctrl-C cuts an answer short.
    """
    talk = _conversation(ctx, checkpoint, turns)
    alone = not questions and sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    if alone:
        click.secho(f"Ask. {FORGET} begins anew, {LEAVE} or Ctrl-D ends.", dim=True, err=True)
    for question in map(_legible, questions) if questions else (_typed(talk) if alone else _lines(sys.stdin)):
        if as_json:
            click.echo(json.dumps({"question": question, **vars(talk.ask(question))}, ensure_ascii=False))
        else:
            _show(talk, question, alone)


def _conversation(ctx: click.Context, checkpoint: str, turns: int) -> Conversation:
    """With what `--checkpoint` names, loaded."""
    from reason_cli.cli import evaluations, jobs
    from reason_cli.config import EvalOptions
    from reason_cli.engine.chat import Template
    from reason_cli.engine.generate import Decoding
    from reason_cli.engine.prompts import check_asks, prompting
    from reason_cli.engine.subject import fetch
    from reason_cli.engine.talk import Conversation

    switchboard, found = board(ctx), fetch(Checkpoint.find(Path(checkpoint)))
    settings, choice = options.resolve_settings(switchboard, ctx, evaluations.settings_of(switchboard, found))
    asked = settings.make(EvalOptions, "eval")
    put = prompting(Template.of(settings), asked.template, ())
    subject = jobs.subject(switchboard, settings, choice, found)
    check_asks(put, subject.tokenizer, subject.checkpoint)
    return Conversation(subject, put, Decoding.of(asked), asked.eval_seed, turns)


def _typed(talk: Conversation) -> Iterator[str]:
    """Questions as a person types them, with the keys of an editor where the system has them."""
    with suppress(ImportError):
        import readline  # noqa: F401
    while True:
        try:
            text = click.prompt("\n", prompt_suffix="> ", default="", show_default=False).strip()
        except click.Abort:
            click.echo()
            return
        if text == LEAVE:
            return
        if text == FORGET:
            talk.forget()
        elif text:
            yield text


def _lines(file: Iterable[str]) -> Iterator[str]:
    """The lines of a file that are not empty."""
    if isinstance(file, io.TextIOWrapper):
        file.reconfigure(errors="replace")
    return (line.strip() for line in file if line.strip())


def _legible(question: str) -> str:
    """An argument whose bytes are no UTF-8, with a mark in the place of each that is none."""
    return question.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _show(talk: Conversation, question: str, alone: bool) -> None:
    """An answer as it is written, what is thought dimmed. To someone who waits for it, also how long it took."""
    text = ""

    def show(piece: str) -> None:
        nonlocal text
        text += piece
        thinking = text.rfind(THOUGHT[0]) > text.rfind(THOUGHT[1])
        click.secho(piece, nl=False, dim=thinking or None)
        sys.stdout.flush()

    if talk.put.template.prefill:
        show(talk.put.template.prefill)
    try:
        reply = talk.ask(question, show)
    except KeyboardInterrupt:
        if not alone:
            raise
        click.secho(" (cut short)", dim=True)
        return
    click.echo()
    _remark(reply, alone)


def _remark(reply: Reply, alone: bool) -> None:
    """What is to be said of an answer that is no part of it."""
    if alone:
        speed = f"{reply.tokens} tokens, {reply.tokens / reply.seconds:,.0f} a second"
        click.secho(speed, dim=True, err=True)
    if not reply.finished:
        click.secho(f"cut off after {reply.tokens} tokens; --max-new-tokens allows more", dim=True, err=True)
