"""Answers by a model that was exported, in what it was exported for: so that what is deployed can be graded.

A batch lasts as long as its longest answer. The same prompts, ends and choices as torch's; the last bits are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Exported, Exporter
from reason_cli.config import HardwareOptions
from reason_cli.engine import tokenizers
from reason_cli.engine.generate import Answer, Decoding, Request, padding_of, rows_of
from reason_cli.engine.hardware import Precision, pick_device
from reason_cli.engine.identity import changed_files
from reason_cli.engine.parity import pad
from reason_cli.engine.report import hush_libraries
from reason_cli.engine.subject import Subject, generation_config_of, keep_ends_alone
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, PreTrainedTokenizerBase

    from reason_cli.engine.row import Hearer, Row
    from reason_cli.engine.sampling import Choice


@dataclass
class Served:
    """An exported model. It stands in a `Subject` where a torch model would."""

    exported: Exported
    generation_config: GenerationConfig
    device: torch.device


def load(exporter: Exporter, folder: Path, artefact: Mapping[str, Any], hardware: HardwareOptions) -> Subject:
    """What an exporter wrote, on the CPU, in the precision that it was written in; `artefact` is `Checkpoint`'s.

    Raises `ReasonError` when it cannot be read or was changed, what runs it is not there, or `hardware` asks for more.
    """
    import torch

    missing = exporter.missing()
    if missing:
        raise ReasonError(f"{folder} runs in {exporter.backend}, which is not installed", missing)
    _check_asked(exporter, folder, artefact["precision"], hardware)
    changed = changed_files(folder, artefact["sha256"])
    if changed:
        raise ReasonError(f"{folder / changed[0]} is not what was exported", "export the model again")
    hush_libraries()
    device = pick_device(HardwareOptions(device="cpu", threads=hardware.threads))
    tokenizer = tokenizers.load(str(folder))
    served: Any = Served(exporter.load(folder, torch.get_num_threads()), generation_config_of(folder), device)
    keep_ends_alone(served, tokenizer)
    held = Precision(artefact["precision"], f"as {exporter.name} wrote it")
    return Subject(served, tokenizer, held, str(folder), backend=exporter.backend)


def _check_asked(exporter: Exporter, folder: Path, precision: str, hardware: HardwareOptions) -> None:
    if hardware.device not in ("auto", "cpu"):
        raise ReasonError(
            f"{folder} runs in {exporter.backend or exporter.name} on the CPU, not on {hardware.device}",
            "leave --device out",
            usage=True,
        )
    if hardware.precision not in ("auto", precision):
        raise ReasonError(
            f"{folder} was exported in {precision}, and runs in no other precision",
            f"export it again for {hardware.precision}, or leave --precision out",
            usage=True,
        )


def answers(
    served: Served,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request],
    decoding: Decoding,
    heard: Hearer | None = None,
) -> Iterator[tuple[int, Answer]]:
    """The index of a request and its answer, a batch at a time, as `generate.answers` gives them."""
    from reason_cli.engine.sampling import Choice

    rows = rows_of(served, tokenizer, requests, decoding, heard)  # type: ignore[arg-type]
    exported, choose = served.exported, Choice(decoding.temperature, decoding.top_p)
    size = decoding.batch_size if exported.batches and exported.pads else 1
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        answer(exported, batch, padding_of(tokenizer), choose)
        for row in batch:
            yield row.index, Answer(row.text(), len(row.said), row.finished)


def answer(exported: Exported, rows: Sequence[Row], padding: int, choose: Choice) -> None:
    """Let every row say all that it has to say."""
    import torch

    ids, mask = pad([row.prompt for row in rows], padding)
    padded, state = not bool(mask.all()), None
    while True:
        logits, state = exported.read(ids, mask if padded else None, state, True)
        going = [place for place, row in enumerate(rows) if not row.done]
        for place, token in zip(going, choose(logits[:, -1], going, [rows[p] for p in going]), strict=True):
            rows[place].say(token)
        if all(row.done for row in rows):
            return
        newest = torch.tensor([[row.said[-1]] for row in rows])
        if exported.continues:
            ids, padded = newest, False
        else:
            ids, mask = torch.cat([ids, newest], 1), torch.cat([mask, torch.ones_like(newest)], 1)
