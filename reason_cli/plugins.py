"""The switchboard: finds plugins, keeps each one's failures to itself, names and lists what they provide.

Commands ask it once, by name, and hand the objects on; nobody below the command line knows it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pluggy

from reason_cli import hookspecs
from reason_cli.api import AnswerExtractor, Architecture, ArchitectureOptions, DatasetFormatter, Exporter
from reason_cli.errors import ReasonError, did_you_mean

if TYPE_CHECKING:
    import click

DISABLE = "REASON_DISABLE_PLUGINS"

HOOKS: Mapping[str, str] = {
    "register_architectures": "architecture",
    "register_datasets": "dataset",
    "register_extractors": "extractor",
    "register_exporters": "exporter",
    "register_commands": "command",
}


@dataclass
class Plugin:
    """One plugin: where it came from, what it provides by kind, and how it fared."""

    name: str
    dist: metadata.Distribution | None
    status: str = "ok"
    provides: dict[str, list[str]] = field(default_factory=dict)

    # Asked for when they are shown: reading a distribution's metadata takes longer than loading a plugin.
    @property
    def distribution(self) -> str:
        return self.dist.name if self.dist else ""

    @property
    def version(self) -> str:
        return self.dist.version if self.dist else ""

    @property
    def failed(self) -> bool:
        return self.status.startswith("FAILED")

    def fail(self, why: str) -> None:
        self.status = f"FAILED: {' '.join(why.split())}"
        self.provides = {}


@dataclass(frozen=True)
class Offer:
    """An object under a name, and the plugin that offers it."""

    plugin: str
    value: Any


@dataclass(frozen=True)
class ArchitectureChoice:
    """What `--arch NAME` means: an architecture, and the preset's options if NAME is a preset's."""

    architecture: Architecture
    preset: ArchitectureOptions | None


class Switchboard:
    """What all plugins provide, looked up by kind and name."""

    def __init__(self, manager: pluggy.PluginManager, plugins: list[Plugin]) -> None:
        self.manager = manager
        self.plugins = plugins
        self._offers: dict[str, dict[str, list[Offer]]] = {kind: {} for kind in HOOKS.values()}

    @property
    def failures(self) -> list[Plugin]:
        return [p for p in self.plugins if p.failed]

    def names(self, kind: str) -> list[str]:
        return sorted(self._offers[kind])

    def add(self, kind: str, name: str, offer: Offer) -> None:
        self._offers[kind].setdefault(name, []).append(offer)

    def conflicts(self) -> Iterator[str]:
        """A line per name that more than one plugin offers."""
        for kind, names in self._offers.items():
            for name, offers in names.items():
                if len(offers) > 1:
                    yield _conflict(kind, name, offers)

    def get(self, kind: str, name: str) -> Any:
        """The one object of a kind and name. Raises `ReasonError` if there is none, or more than one."""
        offers = self._offers[kind].get(name, [])
        if len(offers) > 1:
            raise ReasonError(
                _conflict(kind, name, offers), f"leave one out with {DISABLE}={offers[0].plugin}", usage=True
            )
        if not offers:
            lister = "data list" if kind == "dataset" else "plugins"
            hint = f"{did_you_mean(name, self._offers[kind])}`reason {lister}` lists them"
            raise ReasonError(f"unknown {kind} '{name}'", hint, usage=True)
        return offers[0].value

    def architecture(self, name: str) -> ArchitectureChoice:
        """The architecture, or preset of one, of a name."""
        return self.get("architecture", name)

    def architecture_of_type(self, model_type: str) -> Architecture | None:
        """The architecture that a checkpoint's `model_type` belongs to; a stock one last."""
        known = [offers[0].value.architecture for offers in self._offers["architecture"].values()]
        of_type = [architecture for architecture in known if architecture.model_type == model_type]
        return min(of_type, key=lambda architecture: architecture.stock, default=None)

    def dataset(self, name: str) -> DatasetFormatter:
        """The formatter of a dataset's name, `NAME/VARIANT`, or hub id. Raises `ReasonError` when there is none."""
        return self.find_dataset(name) or self.get("dataset", name)

    def find_dataset(self, name: str) -> DatasetFormatter | None:
        """The formatter of a dataset's name, `NAME/VARIANT`, or hub id, if there is one."""
        if name in self._offers["dataset"]:
            return self.get("dataset", name)
        base, slash, variant = name.partition("/")
        if slash and base in self._offers["dataset"]:
            return _variant(self.get("dataset", base), variant)
        hubs = ((formatter, formatter.hub) for formatter in self.datasets() if formatter.hub)
        return next((formatter for formatter, hub in hubs if name in (hub.id, *hub.formerly)), None)

    def universal_dataset(self) -> DatasetFormatter:
        """The formatter that reads any file, folder or hub id. Raises `ReasonError` when there is none."""
        for formatter in self.datasets():
            if formatter.universal:
                return formatter
        raise ReasonError("no plugin reads files by their columns", "`reason plugins` lists them", usage=True)

    def datasets(self) -> list[DatasetFormatter]:
        """One formatter per name; of a contested name the first."""
        return [offers[0].value for offers in self._offers["dataset"].values()]

    def commands(self) -> list[click.Command]:
        """One command per name; of a contested name the first."""
        return [offers[0].value for offers in self._offers["command"].values()]

    def extractor(self, name: str) -> AnswerExtractor:
        return self.get("extractor", name)

    def exporter(self, name: str) -> Exporter:
        return self.get("exporter", name)

    def exporters(self) -> list[Exporter]:
        """One exporter per name, by name; of a contested name the first."""
        return [self._offers["exporter"][name][0].value for name in self.names("exporter")]

    def command(self, name: str) -> click.Command:
        return self.get("command", name)


def _variant(formatter: DatasetFormatter, name: str) -> DatasetFormatter:
    known = formatter.variants()
    if name not in known:
        some = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
        hint = f"{did_you_mean(name, known)}it has {some}" if known else "it has none"
        raise ReasonError(f"dataset '{formatter.name}' has no variant '{name}'", hint, usage=True)
    return formatter.variant(name)


def _conflict(kind: str, name: str, offers: list[Offer]) -> str:
    return f"{kind} '{name}' is offered by plugins {' and '.join(repr(o.plugin) for o in offers)}"


def build_switchboard(
    entry_points: Iterable[metadata.EntryPoint] | None = None,
    *,
    disabled: Iterable[str] | None = None,
    builtin_commands: Iterable[str] = (),
) -> Switchboard:
    """Load every plugin of the group `reason_cli` that is not disabled, and ask each what it provides."""
    if entry_points is None:
        entry_points = metadata.entry_points(group=hookspecs.GROUP)
    if disabled is None:
        disabled = [name.strip() for name in os.environ.get(DISABLE, "").split(",")]
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    board = Switchboard(manager, [])
    for point in sorted(entry_points, key=lambda p: p.name):
        plugin = Plugin(point.name, point.dist)
        board.plugins.append(plugin)
        if point.name in disabled:
            plugin.status = "disabled"
            continue
        try:
            key = _register(manager, point, plugin)
            _collect(board, manager, key, plugin, frozenset(builtin_commands))
        except (Exception, SystemExit) as error:  # whatever a plugin does, it is its own affair
            plugin.fail(str(error) if isinstance(error, _Refused) else f"{type(error).__name__}: {error}")
    return board


class _Refused(Exception):
    """A plugin that does not keep the contract; the message is the whole reason."""


def _register(manager: pluggy.PluginManager, point: metadata.EntryPoint, plugin: Plugin) -> str:
    """Import a plugin and check its hooks; returns the name it is registered under."""
    # Two distributions may choose one short name; both are loaded, and told apart by distribution.
    key = point.name if not manager.has_plugin(point.name) else f"{point.name} ({plugin.distribution})"
    module = point.load()
    manager.register(module, key)
    callers = manager.get_hookcallers(module) or []
    unknown = [caller.name for caller in callers if not caller.has_spec()]
    if unknown:
        manager.unregister(name=key)
        raise _Refused(f"unknown hook '{unknown[0]}'; {did_you_mean(unknown[0], HOOKS)}hooks are {', '.join(HOOKS)}")
    if not callers:
        raise _Refused("it has no hook: mark its register_* functions with @reason_cli.hookimpl")
    return key


def _collect(
    board: Switchboard, manager: pluggy.PluginManager, key: str, plugin: Plugin, builtin: frozenset[str]
) -> None:
    """Ask one plugin for all it provides; it is taken whole or not at all."""
    offers: list[tuple[str, str, Any]] = []
    for hook, kind in HOOKS.items():
        impls = [i for i in getattr(manager.hook, hook).get_hookimpls() if i.plugin_name == key]
        for impl in impls:
            for item in impl.function():
                offers += [(kind, name, value) for name, value in _NAMED[kind](item)]
    for kind, name, _ in offers:
        if kind == "command" and name in builtin:
            raise _Refused(f"its command '{name}' is built in; name it otherwise")
    for kind, name, value in offers:
        board.add(kind, name, Offer(key, value))
        plugin.provides.setdefault(kind, []).append(name)


def _architectures(item: Any) -> Iterator[tuple[str, ArchitectureChoice]]:
    _expect(item, Architecture)
    yield item.name, ArchitectureChoice(item, None)
    for preset, options in item.presets.items():
        yield preset, ArchitectureChoice(item, options)


def _one_of(contract: type) -> Callable[[Any], Iterator[tuple[str, Any]]]:
    def named(item: Any) -> Iterator[tuple[str, Any]]:
        _expect(item, contract)
        yield item.name, item

    return named


def _commands(item: Any) -> Iterator[tuple[str, Any]]:
    if not (callable(item) and isinstance(getattr(item, "name", None), str)):
        raise _Refused(f"{item!r} is no click.Command with a name")
    yield item.name, item


def _expect(item: Any, contract: type) -> None:
    if not isinstance(item, contract):
        raise _Refused(f"{item!r} is no {contract.__name__}; give an instance of a subclass")


_NAMED: Mapping[str, Callable[[Any], Iterator[tuple[str, Any]]]] = {
    "architecture": _architectures,
    "dataset": _one_of(DatasetFormatter),
    "extractor": _one_of(AnswerExtractor),
    "exporter": _one_of(Exporter),
    "command": _commands,
}
