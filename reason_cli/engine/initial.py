"""What a run begins with: a new model, or the weights and the tokenizer of a checkpoint (`train.init_from`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Load
from reason_cli.engine import adapters
from reason_cli.engine.chat import has_chat_template
from reason_cli.engine.identity import weights_sha256
from reason_cli.engine.job import TrainJob
from reason_cli.engine.report import Reporter
from reason_cli.engine.resume import check_fits
from reason_cli.engine.subject import fetch
from reason_cli.errors import ReasonError, first_line
from reason_cli.runs import ADAPTER, Checkpoint, Run

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FACT = "init_from"  # under which run.toml keeps what a run began with


def initial_folder(job: TrainJob) -> Path | None:
    """The folder of the checkpoint that a new run begins with, fetched where the hub has it; `None`: it has none."""
    asked = job.train.init_from
    return fetch(Checkpoint.find(Path(asked))).path if asked else None


def with_template(tokenizer: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint, as it is. Raises `ReasonError` when it does not say how one speaks with it."""
    if not has_chat_template(tokenizer):
        raise ReasonError(
            f"the tokenizer in {folder} has no chat template, and its model would not know another's tokens",
            "put its chat_template.jinja there",
        )
    return tokenizer


def first_model(job: TrainJob, tokenizer: PreTrainedTokenizerBase, resume: Path | None) -> PreTrainedModel:
    """A new model, or that of the checkpoint to begin with; of a resumed run the shape alone, its weights follow."""
    folder = None if resume else initial_folder(job)
    if folder is None:
        return job.architecture.build(job.options, tokenizer)
    if (folder / ADAPTER).is_file():
        model = job.architecture.build(job.options, tokenizer)  # loaded as it stands it would not be trained
        check_fits(model, folder)
        adapters.load(model, folder)
        return model
    model = load_weights(job, folder)
    _check_size(job, model, folder)
    return model


def reference(job: TrainJob, tokenizer: PreTrainedTokenizerBase, device: torch.device) -> PreTrainedModel:
    """The model that a run begins with, or began with, frozen."""
    model = first_model(job, tokenizer, None)
    spread = getattr(model, "hf_device_map", None)
    return (model if spread else model.to(device)).eval().requires_grad_(False)  # type: ignore[arg-type]


def load_weights(job: TrainJob, folder: Path) -> PreTrainedModel:
    """The model of a checkpoint of the job's architecture. Raises `ReasonError` when its weights cannot be read."""
    from safetensors import SafetensorError

    try:
        return job.architecture.load(folder, job.options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ReasonError(
            f"cannot load the weights in {folder}: {first_line(error)}", "pass another --init-from"
        ) from None


def _check_size(job: TrainJob, model: PreTrainedModel, folder: Path) -> None:
    """Refuse weights of another size than the settings say: memory is planned by these, and a resume builds them."""
    vocabulary = int(model.get_input_embeddings().num_embeddings)  # type: ignore[arg-type,union-attr]
    said = job.architecture.estimate(job.options, Load(vocabulary)).parameters
    if said != model.num_parameters():
        raise ReasonError(
            f"{folder} holds {model.num_parameters():,} parameters, and the settings of [model] make {said:,}",
            "name its preset with --arch, or its sizes with --set model.…",
            usage=True,
        )


def origin(job: TrainJob, resume: Path | None) -> dict[str, Any]:
    """What `run.toml` keeps of the checkpoint that a run began with: where it is, and which weights these were."""
    if resume is not None:
        facts = Run(resume.parent.parent).read_record()["run"]
        return {FACT: facts[FACT]} if FACT in facts else {}
    folder = initial_folder(job)
    if folder is None:
        return {}
    return {FACT: {"checkpoint": str(folder.resolve()), "weights_sha256": weights_sha256(folder)}}


def warn_of_other_rows(data: Sequence[Mapping[str, Any]], resume: Path | None, report: Reporter) -> None:
    """Say where a run goes on with other rows than it has read so far; `data` are the summaries of these."""
    if resume is None:
        return
    before = Run(resume.parent.parent).read_record()["run"].get("data", ())
    if [_known(part) for part in before] != [_known(part) for part in data]:
        told = [", ".join(map(_named, parts)) for parts in (before, data)]
        report.warn(f"the rows are not those that the run has read so far: then {told[0]}; now {told[1]}")


def _known(part: Mapping[str, Any]) -> tuple[str, str]:
    return part["dataset"], part.get("sha256", "")


def _named(part: Mapping[str, Any]) -> str:
    return f"{part['rows']:,} of {part['dataset']}" if "rows" in part else str(part["dataset"])
