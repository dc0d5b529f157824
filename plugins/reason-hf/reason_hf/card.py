"""The model card: what the folder holds, where it comes from, what was measured, how it is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import Exportable

if TYPE_CHECKING:
    from reason_hf.exporter import HuggingFaceOptions

TABLES = ("model", "data", "train")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def card(source: Exportable, options: HuggingFaceOptions, has_code: bool) -> str:
    """README.md of a folder."""
    parts = [front(source), f"# {source.name}", what(source, options, has_code), loading(source, options, has_code)]
    parts += filter(None, [chat(source), results(source), settings(source)])
    return "\n\n".join(parts) + "\n"


def front(source: Exportable) -> str:
    """What the hub reads."""
    kind = source.architecture.name if source.architecture else source.model.config.model_type
    lines = ["library_name: transformers", "pipeline_tag: text-generation", "tags:"]
    lines += [f"- {json.dumps(tag)}" for tag in dict.fromkeys(["reason", kind, source.model.config.model_type])]
    base = source.facts.get("settings", {}).get("model", {}).get("base", "")
    if HUB_ID.fullmatch(str(base)) and not Path(base).exists():
        lines.append(f"base_model: {json.dumps(base)}")
    return "\n".join(["---", *lines, "---"])


def what(source: Exportable, options: HuggingFaceOptions, has_code: bool) -> str:
    """In a few sentences."""
    kind = f"`{source.architecture.name}`: {source.architecture.help}" if source.architecture else ""
    kind = kind or f"a `{source.model.config.model_type}` of transformers' own"
    vocabulary = len(source.tokenizer)
    text = (
        f"A causal language model, {kind}. {source.model.num_parameters():,} parameters in {options.dtype}, "
        f"a vocabulary of {vocabulary:,} tokens. Written by `reason export hf`, which compared what is here with the "
        "model that was trained."
    )
    if has_code:
        text += (
            "\n\nThe modelling code stands beside the weights and needs torch and transformers alone. It computes "
            "everything in plain torch; with `reason-cli` installed the same folder runs on faster engines."
        )
    return text


def loading(source: Exportable, options: HuggingFaceOptions, has_code: bool) -> str:
    """How it is loaded and asked."""
    trust = ", trust_remote_code=True" if has_code else ""
    asks = bool(source.tokenizer.chat_template)
    text = 'tokenizer.apply_chat_template([{"role": "user", "content": question}], **how)' if asks else ""
    given = text or 'tokenizer(question, return_tensors="pt")'
    place = "" if options.push else "  # here, or the id of its repository"
    how = ['how = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}'] if asks else []
    lines = [
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'folder = "{options.push or "."}"{place}',
        f"tokenizer = AutoTokenizer.from_pretrained(folder{trust})",
        f"model = AutoModelForCausalLM.from_pretrained(folder{trust})",
        'question = "Tom has 3 boxes with 12 apples each. How many apples does he have?"',
        *how,
        f"asked = {given}",
        "said = model.generate(**asked, max_new_tokens=256)",
        'print(tokenizer.decode(said[0, asked["input_ids"].shape[1] :]))',
    ]
    return "\n".join(["## Use", "", "```python", *lines, "```"])


def chat(source: Exportable) -> str:
    """How it wants to be spoken to."""
    if not source.tokenizer.chat_template:
        return ""
    data = source.facts.get("settings", {}).get("data", {})
    text = "It was trained on conversations as the tokenizer's chat template writes them; ask it in no other form."
    if data.get("system_prompt"):
        text += f" Its system message was {json.dumps(data['system_prompt'], ensure_ascii=False)}."
    if data.get("prefill"):
        prefill = json.dumps(data["prefill"], ensure_ascii=False)
        text += f" Each of its turns began with {prefill}, which it was given: write it after the generation prompt."
    return f"## Chat template\n\n{text}"


def results(source: Exportable) -> str:
    """What evaluations found, as a table."""
    rows = []
    for result in source.facts.get("results", ()):
        low, high = result.get("interval95") or (None, None)
        accuracy = result.get("accuracy")
        if accuracy is None:
            continue
        between = "" if low is None or high is None else f"{low:.1%} to {high:.1%}"
        rows.append(f"| {result.get('dataset', '')} | {accuracy:.1%} | {between} | {result.get('n') or ''} |")
    if not rows:
        return ""
    head = ["| questions | right | 95% interval | number |", "| --- | --- | --- | --- |"]
    return "\n".join(["## Results", "", *head, *rows])


def settings(source: Exportable) -> str:
    """What it was trained under."""
    tables: Mapping[str, Any] = source.facts.get("settings", {})
    lines = [line for name in TABLES for line in told(name, used(tables.get(name, {})))]
    if not source.facts.get("run") or not lines:
        return ""
    return "\n".join(["## Training", "", "```toml", *lines, "```"])


def used(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """A table without those below it, each of a dataset, of which it names nothing."""
    named = f"{table.get('dataset', '')} {table.get('sources', '')}"
    return {key: value for key, value in table.items() if not isinstance(value, Mapping) or key in named}


def told(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a table, what is not set left out; of a folder of some machine its last name alone."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"{key} = {json.dumps(shown(value), ensure_ascii=False)}" for key, value in plain.items() if is_set(value)]
    if lines:
        yield from (f"[{name}]", *lines)
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from told(f"{name}.{key}", value)


def is_set(value: Any) -> bool:
    """Whether a setting says anything."""
    return value is not None and value not in ("", [], ())


def shown(value: Any) -> Any:
    """A value as a reader elsewhere may see it."""
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if isinstance(value, Mapping):
        return {key: shown(item) for key, item in value.items()}
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
