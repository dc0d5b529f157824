"""Answers by vLLM (arXiv 2309.06180) in place of torch: its kernels and its scheduler, our prompts, ends and grading.

It is no dependency: it is installed by whoever has CUDA. Nothing of a model's own sampling defaults is used, and none
of its usage statistics is sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.config import HardwareOptions
from reason_cli.engine import tokenizers
from reason_cli.engine.chat import token_ids
from reason_cli.engine.generate import Answer, Decoding, Request
from reason_cli.engine.hardware import pick_device, pick_precision
from reason_cli.engine.report import hush_libraries
from reason_cli.engine.row import Endings
from reason_cli.engine.subject import Subject, end_ids, folder_of, generation_config_of
from reason_cli.errors import ReasonError, first_line
from reason_cli.runs import ADAPTER

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, PreTrainedTokenizerBase

TYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
CHUNK = 1024  # requests handed over at once: many to schedule, few to lose when the process is killed
# Its usage statistics go to a server unless told not to; its log goes to stdout, where `--json` writes.
ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "VLLM_LOGGING_LEVEL": "ERROR",
}


@dataclass(frozen=True)
class Served:
    """A model that vLLM holds. It stands in a `Subject` where a torch model would."""

    llm: Any  # vllm.LLM
    generation_config: GenerationConfig
    device: torch.device


def load(
    id_or_path: str | Path, hardware: HardwareOptions, *, seed: int = 0, revision: str = "", max_model_len: int = 0
) -> Subject:
    """A checkpoint as vLLM serves it, its `model` a `Served`, which `answers` takes.

    `max_model_len` bounds prompt and answer together, in tokens; 0: what the model's configuration says.
    Raises `ReasonError` when vLLM is not installed, or cannot serve the model.
    """
    vllm = _vllm()
    hush_libraries()
    device = pick_device(hardware)
    precision = pick_precision(hardware.precision, device)
    folder = folder_of(id_or_path, revision)
    if (folder / ADAPTER).is_file():
        raise ReasonError(f"the vllm backend takes no adapters, and {folder} is one", "use --backend torch")
    tokenizer = tokenizers.load(str(folder))
    config = generation_config_of(folder)
    try:
        llm = vllm.LLM(
            model=str(folder),
            dtype=TYPES[precision.name],
            seed=seed,
            max_model_len=max_model_len or None,
            trust_remote_code=False,
            generation_config="vllm",  # its own neutral defaults, not the model's
        )
    except Exception as error:  # it raises whatever its layers raise, in this process or for another of its own
        raise ReasonError(f"vllm cannot serve {id_or_path}: {first_line(error)}", "use --backend torch") from None
    return Subject(Served(llm, config, device), tokenizer, precision, str(id_or_path), backend="vllm")  # type: ignore[arg-type]


def answers(
    served: Served, tokenizer: PreTrainedTokenizerBase, requests: Sequence[Request], decoding: Decoding
) -> Iterator[tuple[int, Answer]]:
    """The index of a request and its answer, some hundreds at a time, as `generate.answers` gives them.

    The same prompt, seed and settings may give other tokens than torch does: vLLM's kernels round otherwise.
    Raises `ReasonError` for the calculator, which needs a say in every token, and for prompts longer than the model's
    context.
    """
    if decoding.calculator:
        raise ReasonError("the vllm backend has no calculator", "use --backend torch", usage=True)
    ends = end_ids(served, tokenizer)  # type: ignore[arg-type]
    endings = Endings(tokenizer, frozenset(ends), decoding.stop, decoding.max_new_tokens)
    prompts = token_ids(tokenizer, [request.prompt for request in requests])
    for start in range(0, len(requests), CHUNK):
        chunk = range(start, min(start + CHUNK, len(requests)))
        asked = [{"prompt_token_ids": prompts[n]} for n in chunk]
        how = [_sampling(decoding, ends, requests[n].seed) for n in chunk]
        try:
            given = served.llm.generate(asked, how, use_tqdm=False)
        except ValueError as error:
            raise ReasonError(f"vllm cannot answer: {first_line(error)}", "use --backend torch") from None
        for n, request in zip(chunk, given, strict=True):
            yield n, _read(request.outputs[0], endings)


def _sampling(decoding: Decoding, ends: Sequence[int], seed: int) -> Any:
    return _vllm().SamplingParams(
        n=1,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        seed=seed,
        max_tokens=decoding.max_new_tokens,
        stop=list(decoding.stop),
        stop_token_ids=list(ends),
    )


def _read(completion: Any, endings: Endings) -> Answer:
    """The text is read off the tokens as torch's is, so that the same tokens are the same answer."""
    said = list(completion.token_ids)
    over = bool(said) and said[-1] in endings.ends
    return Answer(endings.read(said[:-1] if over else said), len(said), completion.finish_reason == "stop")


def _vllm() -> Any:
    os.environ.update(ENVIRONMENT)  # read when it is imported
    try:
        import vllm
    except ImportError as error:
        raise ReasonError(
            f"the vllm backend cannot be had: {first_line(error)}", "pip install vllm, or use --backend torch"
        ) from None
    return vllm
