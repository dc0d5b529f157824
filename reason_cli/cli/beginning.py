"""`--init-from`: the settings of the model that a run begins with, as a layer under all that is asked for."""

from __future__ import annotations

from pathlib import Path

import click

from reason_cli import profiles
from reason_cli.cli import options
from reason_cli.config import Layer
from reason_cli.errors import ReasonError
from reason_cli.plugins import Switchboard
from reason_cli.runs import RUN_SOURCE, Checkpoint


def begun_with(board: Switchboard, ctx: click.Context) -> list[Layer]:
    """`[model]` of the checkpoint to begin with, if one is named; all else is the new run's own.

    Raises `ReasonError` when there is none, or when another architecture or tokenizer is asked for.
    """
    text = options.asked(board, ctx, "train.init_from")
    if not text:
        return []
    from reason_cli.engine.subject import fetch

    found = fetch(Checkpoint.find(Path(text)))
    layer = _layer(board, found)
    _check_architecture(board, ctx, text, layer.values["model.arch"], sized=found.run is not None)
    tokenizer = options.asked(board, ctx, "model.tokenizer")
    if tokenizer and tokenizer != layer.values["model.tokenizer"]:
        raise ReasonError(f"the tokenizer comes with {text}, not '{tokenizer}'", "leave --tokenizer out", usage=True)
    return [layer]


def _layer(board: Switchboard, found: Checkpoint) -> Layer:
    """The model's settings: of a run as it has them, of a bare folder its architecture and where its tokenizer is."""
    if found.run:
        model = profiles.find(str(found.run.settings_file)).settings["model"]
        return Layer(f"{RUN_SOURCE}{found.run.path.name}", {f"model.{key}": value for key, value in model.items()})
    architecture = board.architecture_of_type(found.model_type)
    if architecture is None:
        raise ReasonError(
            f"no architecture knows {found.path}, a '{found.model_type or 'peft adapter'}'",
            "`reason plugins` lists what there is",
        )
    values = {"model.arch": architecture.name, "model.tokenizer": str(found.path)}
    return Layer(f"checkpoint {found.path.name}", values)


def _check_architecture(board: Switchboard, ctx: click.Context, text: str, own: str, *, sized: bool) -> None:
    """Refuse another architecture than the checkpoint's, or, where a run says its sizes, another preset of it."""
    asked = options.asked_architecture(board, ctx)
    if not asked or asked == own:
        return
    of_own, of_asked = board.architecture(own), board.architecture(asked)
    if of_asked.architecture is not of_own.architecture or (sized and of_asked.preset):
        raise ReasonError(f"{text} is of architecture '{own}', not '{asked}'", "leave --arch out", usage=True)
