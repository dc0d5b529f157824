"""Flags made from the option dataclasses, and what was given on a command line as one layer of settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from reason_cli import profiles
from reason_cli.config import CORE_TABLES, ENV_PREFIX, Key, Layer, ModelOptions, Schema, Settings, keys_of, resolve
from reason_cli.plugins import ArchitectureChoice, Switchboard

SETTING = "reason_setting"  # where a click option keeps the path of the setting it sets
ARGUMENTS = "reason_arguments"  # where a command keeps its arguments as they were typed
COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Given:
    """What a command line said of settings: the profiles it named, and the values it gave."""

    profiles: tuple[str, ...]
    layer: Layer


class SettingsCommand(click.Command):
    """A command with a flag per key of the core's `tables` and for the `keys` named singly as `table.key`, for the keys
    of `named` under a name of their own, and `--profile` and `--set` for all the rest.

    The command's function sees its own parameters only; `settings_given` has what these flags said.
    """

    def __init__(
        self,
        *args: Any,
        tables: Sequence[str] = (),
        keys: Sequence[str] = (),
        named: Mapping[str, Key] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        core = [key for table, options in CORE_TABLES.items() for key in keys_of(table, options) if not key.tables]
        flags = [flag(key, key.name) for key in core if key.table in tables or key.path in keys]
        self.params += [*_general(), *flags, *(flag(key, name) for name, key in (named or {}).items())]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        values: dict[str, Any] = {}
        for parameter in self.params:
            path = getattr(parameter, SETTING, None)
            if path:
                value = ctx.params.pop(parameter.name)
                if ctx.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
                    values[path] = value
        values |= Layer.assignments(COMMAND_LINE, ctx.params.pop("assignments")).values
        ctx.meta[SETTING] = Given(ctx.params.pop("profile_names"), Layer(COMMAND_LINE, values))
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help in groups: the command's own options, then a group per settings table."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record:
                path = getattr(parameter, SETTING, None)
                groups.setdefault(f"[{path.rpartition('.')[0]}]" if path else "Options", []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _general() -> list[click.Parameter]:
    return [
        click.Option(
            ["--profile", "profile_names"],
            multiple=True,
            metavar="NAME",
            help="Settings by name or TOML file; may repeat, later wins.",
        ),
        click.Option(
            ["--set", "assignments"],
            multiple=True,
            metavar="TABLE.KEY=VALUE",
            help="Any setting, also those without a flag; may repeat.",
        ),
    ]


def flag(key: Key, name: str) -> click.Option:
    """The command-line option of one setting. Its default is none: what is not given is not a value."""
    name = name.replace("_", "-")
    kind = {int: click.INT, float: click.FLOAT, bool: click.BOOL}.get(key.type, click.STRING)
    choices = key.metadata.get("choices")
    option = click.Option(
        [f"--{name}/--no-{name}" if key.type is bool else f"--{name}"],
        type=click.Choice(choices) if choices else kind,
        multiple=key.many,
        default=None,
        metavar=None if choices or key.type is bool else _metavar(key),
        help=f"{key.help[:1].upper()}{key.help[1:]}. [{_shown(key.default)}]",
    )
    setattr(option, SETTING, key.path)
    return option


def _metavar(key: Key) -> str:
    return {int: "N", float: "X"}.get(key.type, "TEXT")


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return " ".join(default) or "none"
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default) or "empty"


def resolve_settings(
    board: Switchboard,
    ctx: click.Context,
    base: Sequence[Layer] = (),
    arch: str = "",
    tables: Mapping[str, type] | None = None,
) -> tuple[Settings, ArchitectureChoice]:
    """Every setting of this invocation, and the architecture that its `model.arch` names, or `arch` in its place.

    `tables` are those of this command alone, beside the core's.

    Order: flag > environment > profiles (later wins) > `base` (a run being gone on with) > preset > default.
    """
    layers = [*base, *_named(board, ctx, tables)]
    given = _given(ctx, {"model.arch": arch} if arch else {})
    arch = arch or asked(board, ctx, "model.arch", base, tables) or ModelOptions().arch
    choice = board.architecture(arch)
    schema = core_schema(board, choice.architecture.Options, **(tables or {}))
    preset = Layer(f"preset {arch}", {**_preset_values(choice), **choice.architecture.settings.get(arch, {})})
    environment = Layer.environment(os.environ, schema)
    return resolve(schema, [preset, *layers, environment, given]), choice


def asked_architecture(board: Switchboard, ctx: click.Context) -> str:
    """The architecture or preset that this invocation names; empty where it names none."""
    return asked(board, ctx, "model.arch")


def asked(
    board: Switchboard,
    ctx: click.Context,
    path: str,
    base: Sequence[Layer] = (),
    tables: Mapping[str, type] | None = None,
) -> str:
    """What this invocation says of one text setting, before settings are resolved; empty where it says nothing."""
    named = _named(board, ctx, tables)
    layers = [*base, *named, Layer("environment", _environment(path)), ctx.meta[SETTING].layer]
    return _last(path, layers) or ""


def _named(board: Switchboard, ctx: click.Context, tables: Mapping[str, type] | None = None) -> list[Layer]:
    """The layers of the profiles that were named, and of those that they extend."""
    schema = core_schema(board, **(tables or {}))
    return [Layer.nested(p.source, p.settings, schema) for p in profiles.chain(ctx.meta[SETTING].profiles)]


def _given(ctx: click.Context, more: Mapping[str, Any]) -> Layer:
    """What the command line gave, and over it `more`."""
    layer: Layer = ctx.meta[SETTING].layer
    return Layer(layer.source, {**layer.values, **more})


def core_schema(board: Switchboard, *model_options: type, **more: type) -> Schema:
    """The core's tables, a table per registered dataset, the chosen architecture's options, and `more` tables."""
    tables = [*CORE_TABLES.items(), *(("model", options) for options in model_options), *more.items()]
    return Schema([*tables, *((f"data.{d.name}", d.Options) for d in board.datasets())])


def _environment(path: str) -> dict[str, str]:
    value = os.environ.get(ENV_PREFIX + path.upper().replace(".", "_"))
    return {path: value} if value else {}


def _last(path: str, layers: Iterable[Layer]) -> str | None:
    found = [layer.values[path] for layer in layers if path in layer.values]
    return str(found[-1]) if found else None


def _preset_values(choice: ArchitectureChoice) -> dict[str, Any]:
    options = choice.architecture.Options
    return {k.path: getattr(choice.preset, k.name) for k in keys_of("model", options)} if choice.preset else {}


def data_folder() -> Path | None:
    """`REASON_DATA`: the folder that is looked in for datasets before the hub."""
    folder = os.environ.get("REASON_DATA")
    return Path(folder) if folder else None
