"""The last section of a report: the commands and the settings that give the same figures again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reason_cli.config import DataOptions, EvalOptions, HardwareOptions, Key, keys_of
from reason_cli.engine.page.markup import Html, element, join, table

if TYPE_CHECKING:
    from reason_cli.engine.graded import Graded

OF_THE_DATA = ("system_prompt", "prefill", "style", "reasoning")  # the rest of [data] is about training


def settings(models: Mapping[str, Graded]) -> Html:
    """The command of each model that has a checkpoint, and all settings with a column for each model."""
    commands = [command(graded.results) for graded in models.values() if graded.results["checkpoint"]]
    columns = {label: _facts(graded.results) for label, graded in models.items()}
    names = list(dict.fromkeys(name for facts in columns.values() for name in facts))
    rows = [[name, *(facts.get(name, "–") for facts in columns.values())] for name in names]
    return join(
        [
            *(element("pre", line, class_="command", tabindex=0) for line in commands),
            table("Settings, data and versions", ["Setting", *models], rows, "settings"),
        ]
    )


def command(results: Mapping[str, Any]) -> str:
    """The `reason eval` that asks the same questions in the same way; what has its default is not in it."""
    words = ["reason", "eval", results["dataset"], "--checkpoint", results["checkpoint"]]
    if "rows" in results.get("data", {}):
        words += ["--limit", str(results["data"]["rows"])]
    of_the_data = [key for key in keys_of("data", DataOptions) if key.name in OF_THE_DATA]
    for key in (*keys_of("eval", EvalOptions), *of_the_data, *keys_of("hardware", HardwareOptions)):
        if key.name in results["settings"]:
            words += _flag(key, results["settings"][key.name])
    return shlex.join(words)


def _flag(key: Key, value: Any) -> Sequence[str]:
    flag = f"--{key.name.replace('_', '-')}"
    if key.name == "device":
        value = str(value).partition(":")[0]  # cuda:0 is cuda
    if key.many:
        return [word for each in value for word in (flag, str(each))]
    if value == key.default:
        return []
    if key.type is bool:
        return [flag if value else f"--no-{flag[2:]}"]
    return [flag, str(value)]


def _facts(results: Mapping[str, Any]) -> dict[str, str]:
    """What is known of an evaluation, by name; that of its data and its timing under theirs."""
    return {name: text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
            for name, text in _named(results) if text not in (None, "", [])}  # fmt: skip


def _named(results: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("dataset", "checkpoint", "models", "tokens"):
        yield name, results.get(name)
    contamination = results.get("contamination")
    yield "contamination", "not known" if contamination is None else contamination
    for part, prefix in (("settings", ""), ("data", "data: "), ("timing", "timing: ")):
        inside = results.get(part)
        yield from ((prefix + name, value) for name, value in (inside.items() if isinstance(inside, dict) else ()))
