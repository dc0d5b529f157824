"""Writing a model in another format: written beside its place, read again, compared, and only then given its name."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Architecture, Exportable, Exporter
from reason_cli.engine.chat import Template, conversation_prompt, has_chat_template, token_ids
from reason_cli.engine.export_place import check_place, check_room, folder_for
from reason_cli.engine.identity import file_sha256
from reason_cli.engine.report import Reporter
from reason_cli.errors import ReasonError
from reason_cli.runs import ARTEFACT, Checkpoint, Run, merged_from, step_of, write_json

if TYPE_CHECKING:
    from reason_cli.engine.parity import Parity
    from reason_cli.engine.subject import Subject

QUESTIONS = (
    "Tom has 3 boxes with 12 apples each. How many apples does he have?",
    "A train goes 60 miles in an hour. How far does it go in 4 hours?",
    "Sara had 50 dollars and spent 18 of them on a book. How many dollars are left?",
    "What is 17 + 25?",
    "There are 5 tables with 4 chairs each, and 3 chairs are broken. How many chairs are whole?",
    "Ben reads 12 pages a day. In how many days has he read a book of 96 pages?",
    "Name the largest of 8, 31, 17 and 29.",
    "A shirt costs $20 and is sold at 25% off. What does it cost now?",
)
PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "onnxscript", "gguf", "xllamacpp")


def exportable(
    subject: Subject,
    architecture: Architecture | None,
    checkpoint: Checkpoint,
    settings: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> Exportable:
    """A loaded checkpoint as exporters get it. `settings` are those that it was trained under, by table; `asked`, by
    path, those under which what is written is asked, in evaluation and chat.
    """
    own = checkpoint.run or merged_from(checkpoint.path)
    facts = {
        "settings": settings,
        "asked": asked,
        "run": str(own.path.resolve()) if own else "",
        "results": _results(own) if own else [],
    }
    return Exportable(
        model=subject.model,
        tokenizer=subject.tokenizer,
        architecture=architecture,
        graph=lambda loop: graph_of(subject.model, architecture, loop),
        name=own.path.resolve().name if own else checkpoint.path.resolve().name,
        path=checkpoint.path,
        facts=facts,
    )


def graph_of(model: Any, architecture: Architecture | None, loop: str) -> Any:
    """The architecture's graph, or the core's where the model is a plain transformer."""
    from reason_cli.engine.attention_graph import attention_graph

    if architecture is not None and not architecture.stock:
        return architecture.graph(model, loop)
    return attention_graph(model)


def export(
    exporter: Exporter,
    source: Exportable,
    output: Path,
    options: Any,
    template: Template,
    report: Reporter,
    *,
    threads: int,
    force: bool = False,
) -> dict[str, Any]:
    """Write `source` into the folder `output`, and give what `export.json` says.

    Raises `ReasonError` when the format cannot take it, when there is no room, when something is there that stays (see
    `check_place`), and when what was written does not say what the model says: then nothing is left.
    """
    check_place(output, sources(source.path, source.facts.get("run", "")), force)
    check(exporter, source, options)
    check_room(output, sum(p.numel() * p.element_size() for p in source.model.parameters()))
    begun = time.perf_counter()
    with folder_for(output, force) as folder:
        step = f"/{source.path.name}" if step_of(source.path) >= 0 else ""  # of a run that has not ended
        report.say(f"{source.name}{step}: writing {exporter.name}")
        exporter.export(source, folder, options)
        source.tokenizer.save_pretrained(folder)
        ends: Any = source.model.generation_config
        ends.save_pretrained(folder)
        report.say(f"{source.name}: comparing what was written with the model")
        prompts = prompts_for(source, template)
        parity = compared(exporter, source, folder, options, prompts, threads, report)
        record = {
            "format": exporter.name,
            "backend": exporter.backend,
            "precision": exporter.precision(options),
            "options": asdict(options),
            "checkpoint": str(source.path.resolve()),
            "run": source.facts.get("run", ""),
            "architecture": source.architecture.name if source.architecture else "",
            "template": asdict(template),
            "settings": dict(source.facts.get("asked", {})),
            "parameters": source.model.num_parameters(),
            "parity": parity.as_json(),
            "proof": dict(exporter.prove(source, folder, prompts)),
            "seconds": round(time.perf_counter() - begun, 1),
            "versions": versions(),
            "sha256": {name: file_sha256(folder / name) for name in files_of(folder)},
            "bytes": sum((folder / name).stat().st_size for name in files_of(folder)),
        }
        write_json(folder / ARTEFACT, record)
    return record


def sources(checkpoint: Path, run: str | Path) -> list[Path]:
    """The folders that an export is made of."""
    return [checkpoint, *([Path(run)] if run else [])]


def check(exporter: Exporter, source: Exportable, options: Any) -> None:
    """Refuse what cannot work before anything is written. Raises `ReasonError`."""
    check_installed(exporter)
    why = exporter.refuses(source, options)
    if why:
        raise ReasonError(
            f"{exporter.name} cannot take {source.name}: {why}", f"{exporter.name} takes {exporter.takes}"
        )


def check_installed(exporter: Exporter) -> None:
    """Raises `ReasonError` with what to install."""
    missing = exporter.missing()
    if missing:
        raise ReasonError(f"{exporter.name} needs packages that are not installed", missing)


def compared(
    exporter: Exporter,
    source: Exportable,
    folder: Path,
    options: Any,
    prompts: Sequence[Sequence[int]],
    threads: int,
    report: Reporter,
) -> Parity:
    """What the artefact says beside what the model says. Raises `ReasonError` where that is not the same."""
    from reason_cli.engine.parity import compare

    precision, padding = exporter.precision(options), source.tokenizer.pad_token_id
    parity = compare(source.model, exporter.load(folder, threads), prompts, padding or 0, precision, report)
    wrong = parity.mismatch()
    if wrong:
        coarse = "" if precision == "fp32" else f"{precision} is too coarse for it, or: "
        raise ReasonError(
            f"what {exporter.name} wrote does not say what {source.name} says: {wrong}",
            f"nothing was kept; {coarse}please report it with the versions of `pip list`",
        )
    return parity


def prompts_for(source: Exportable, template: Template) -> Sequence[Sequence[int]]:
    """Questions as this model is asked them, as token ids."""
    tokenizer = source.tokenizer
    if has_chat_template(tokenizer):
        texts = [conversation_prompt(tokenizer, (), question, template) for question in QUESTIONS]
        return token_ids(tokenizer, texts)
    return token_ids(tokenizer, [question + template.prefill for question in QUESTIONS])


def files_of(folder: Path) -> list[str]:
    """The names of all files below a folder, in order."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def versions() -> dict[str, str]:
    """Of the packages that have a part in it, where they are installed."""
    found = {}
    for package in ("reason-cli", *PACKAGES):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _results(run: Run) -> list[dict[str, Any]]:
    """What a run's evaluations found, the newest last."""
    found = []
    for path in sorted(run.path.glob("eval/*/results.json"), key=lambda path: path.stat().st_mtime):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            found.append({key: results.get(key) for key in ("dataset", "accuracy", "interval95", "n")})
        except (OSError, ValueError, AttributeError):
            continue  # broken off, or somebody else's: no reason not to export
    return found
