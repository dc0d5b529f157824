"""Every architecture in every format that takes it: is it the same model, how large is it, and how fast is it?

    python benchmarks/export.py [--folder DIR] [--formats onnx torchscript …] [--models small hybrid …] [--json FILE]

Models, made by the commands that a user would type, unless they are in DIR already: `small`, the preset of mamba with a
vocabulary of 4,096, untrained; `quickstart` and `base`, trained by the profiles `quickstart` and `base-small`;
`hybrid`, a small one, trained for some steps; `qlora`, a LoRA on `base`, merged; `trm`, the same with latents. Each is
written by `reason export` in every format and precision below, which compares it with the model: the largest difference
of a logit, and the share of 512 greedy tokens that are the same.

Speed, one row at a time, `--threads` threads: tokens/s of a greedy answer of 128 tokens, and the seconds that a prompt
of 1,000 tokens takes, beside this project's own generation in PyTorch; what is told is the ratio of medians. Each is
timed in a process of its own, one after the other: onnxruntime's threads spin while they wait, and in one process would
hold up those of PyTorch.
With `--questions N` artefacts of `quickstart`, `base` and `qlora` answer N held-out word problems (`reason eval`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from reason_cli.api import Exported
from reason_cli.config import HardwareOptions
from reason_cli.engine.generate import Decoding, answer
from reason_cli.engine.subject import Subject, load_pretrained, load_subject
from reason_cli.plugins import build_switchboard
from reason_cli.runs import Checkpoint

FORMATS = {
    "torchscript": ("torchscript",),
    "onnx": ("onnx",),
    "onnx fp16": ("onnx", "--precision", "fp16"),
    "onnx int8": ("onnx", "--quantize", "int8"),
    "hf": ("hf",),
    "gguf f32": ("gguf", "--type", "f32"),
    "gguf f16": ("gguf", "--type", "f16"),
    "gguf bf16": ("gguf", "--type", "bf16"),
    "gguf q8_0": ("gguf", "--type", "q8_0"),
}
SHORT = (
    *("--dataset", "word-problems@2000", "--warmup-steps", 5, "--learning-rate", "3e-3", "--validation-split", 0),
    *("--no-decontaminate", "--samples", 0, "--save-steps", 100_000, "--device", "cpu", "--precision", "fp32"),
)  # fmt: skip
TUNED = (*SHORT, "--max-steps", 20, "--micro-batch-size", 16, "--set", "model.quantization=none")
SAID, PROMPT, TURNS = 128, 1_000, 9
BOARD = build_switchboard()


def main() -> None:
    """Make what is missing, export, measure, print, and with `--json` write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where models and artefacts go; default: a temporary folder")
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument(
        "--questions", type=int, default=0, help="held-out questions to artefacts of `quickstart`, `base` and `qlora`"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-speed", action="store_true", help="measure no speed")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="export-"))
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(given.threads)
    rows = []
    for model in given.models:
        checkpoint = MODELS[model](folder)
        for name in given.formats:
            row = exported(checkpoint, model, name, folder, given.threads)
            if row and not given.no_speed:
                row |= speed(checkpoint, artefact(folder, model, name), given.threads)
            if row and given.questions and model in TRAINED:
                row["accuracy"] = accuracy(artefact(folder, model, name), given.questions, TRAINED[model], folder)
            rows += [row] if row else []
        if given.questions and model in TRAINED:
            own_accuracy = accuracy(checkpoint, given.questions, TRAINED[model], folder)
            rows.append({"model": model, "format": "torch", "accuracy": own_accuracy})
    show(rows)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2))


# ---- models


def reason(*arguments: object, log: Path) -> str:
    """Run `reason`; gives what it prints, what it says goes to a file."""
    with log.open("a") as file:
        command = [sys.executable, "-m", "reason_cli", *map(str, arguments)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=file, text=True).stdout


def trained(folder: Path, name: str, *arguments: object) -> Path:
    """A run, unless it is there."""
    run = folder / name
    if not (run / "final").is_dir():
        reason("train", *arguments, "--output", run, log=folder / f"{name}.log")
    return run


def small(folder: Path) -> Path:
    """The preset `small` with 4,096 tokens, untrained."""
    from generation import untrained

    place = folder / "small"
    if not (place / "model.safetensors").is_file():
        untrained(place)
    return place


def quickstart(folder: Path) -> Path:
    return trained(folder, "quickstart", "--profile", "quickstart")


def hybrid(folder: Path) -> Path:
    shape = (part for setting in ("d_model=128", "n_layer=2", "window=64") for part in ("--set", f"model.{setting}"))
    how = ("--arch", "hybrid", "--tokenizer", "bpe:2048", *shape, "--set", "model.max_seq_len=256", "--max-steps", 60)
    return trained(folder, "hybrid", *SHORT, *how, "--micro-batch-size", 16)


def base(folder: Path) -> Path:
    return trained(folder, "base", "--profile", "base-small") / "final"


def merged(folder: Path, name: str, *arguments: object) -> Path:
    """A tuned base and its adapter as one model."""
    run = trained(folder, name, *TUNED, *arguments, "--set", f"model.base={base(folder)}")
    output = folder / f"{name}-merged"
    if not output.is_dir():
        reason("merge", "--checkpoint", run, "--output", output, "--dtype", "fp32", log=folder / f"{name}.log")
    return output


def qlora(folder: Path) -> Path:
    return merged(folder, "qlora", "--arch", "qlora", "--set", "model.max_seq_len=256")


def trm(folder: Path) -> Path:
    shape = ("max_seq_len=256", "num_latents=32", "d_latent=64", "n_head=4")
    settings = (part for setting in shape for part in ("--set", f"model.{setting}"))
    return merged(folder, "trm", "--arch", "trm", "--set", "data.prefill=<think>", *settings)


MODELS: dict[str, Callable[[Path], Path]] = {one.__name__: one for one in (small, quickstart, base, hybrid, qlora, trm)}
# Trained on stories, and how these are asked.
SMALL_STORIES = (
    *("--max-new-tokens", 48, "--set", "data.word-problems.max_steps=2"),
    *("--set", "data.word-problems.magnitude=30"),
)
TRAINED = {"quickstart": ("--max-new-tokens", 160), "base": SMALL_STORIES, "qlora": SMALL_STORIES}


# ---- artefacts


def artefact(folder: Path, model: str, name: str) -> Path:
    """Where a model in a format is written."""
    return folder / f"{model}-{name.replace(' ', '-')}"


def exported(checkpoint: Path, model: str, name: str, folder: Path, threads: int) -> dict | None:
    """What `export.json` says, the format's own word where it does not take the model."""
    output = artefact(folder, model, name)
    log = folder / f"{model}.log"
    if not (output / "export.json").is_file():
        format, *options = FORMATS[name]
        asked = ("--checkpoint", checkpoint, "--output", output, "--threads", threads)
        try:
            reason("export", format, *asked, *options, log=log)
        except subprocess.CalledProcessError:
            said = log.read_text().strip().splitlines()[-1]
            Console().print(f"{model}: {said}", markup=False)
            return None
    record = json.loads((output / "export.json").read_text())
    parity = record["parity"]
    return {
        "model": model,
        "format": name,
        "difference": parity["largest_difference"],
        "largest_logit": parity["largest_logit"],
        "agreement": parity["token_agreement"],
        "bytes": record["bytes"],
        "proof": record["proof"],
    }


def accuracy(checkpoint: Path, questions: int, how: tuple, folder: Path) -> float:
    """The share of held-out word problems that are answered rightly."""
    output = folder / f"{checkpoint.name}-eval"
    asked = ("--checkpoint", checkpoint, "--output", output, "--no-report", "--json", *how)
    said = reason("eval", f"word-problems@{questions}", *asked, "--device", "cpu", log=folder / "eval.log")
    return json.loads(said)[0]["accuracy"]


# ---- speed


def load(checkpoint: Path) -> Subject:
    """The model in this project's own PyTorch, as it is evaluated on a CPU."""
    hardware = HardwareOptions(device="cpu", precision="fp32", threads=torch.get_num_threads())
    found = Checkpoint.find(checkpoint)
    architecture = BOARD.architecture_of_type(found.model_type)
    if architecture is None or architecture.stock:
        return load_pretrained(found.path, hardware)
    return load_subject(architecture, architecture.Options(), hardware, found.path)


def speed(checkpoint: Path, folder: Path, threads: int) -> dict:
    """Greedy tokens/s and seconds of a long prompt, ours and the artefact's, each by itself."""
    ours, theirs = (apart(place, threads) for place in (checkpoint, folder))
    if not theirs:
        return {}
    return {
        "tokens_per_second": SAID / theirs["say"],
        "beside_ours": ours["say"] / theirs["say"],
        "prefill_seconds": theirs["read"],
        "prefill_beside_ours": theirs["read"] / ours["read"],
    }


def apart(place: Path, threads: int) -> dict[str, float]:
    """`timed` in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(timed, place, threads).result()


def timed(place: Path, threads: int) -> dict[str, float]:
    """The seconds that a model or an artefact takes to say and to read; nothing for one that cannot go on."""
    torch.set_num_threads(threads)
    prompt = (torch.arange(PROMPT) * 7 % 256)[None]
    if (place / "export.json").is_file():
        record = json.loads((place / "export.json").read_text())
        theirs = BOARD.exporter(record["format"]).load(place, threads)
        if not theirs.continues:
            return {}
        ways = {"say": lambda: say(theirs, prompt[:, :32]), "read": lambda: theirs.read(prompt, None, None, True)}
    else:
        own = load(place)
        ways = {"say": lambda: say_ours(own), "read": lambda: read_ours(own, prompt)}
    taken = {}
    for name, way in ways.items():
        way()  # the first pays for what is set up once
        taken[name] = statistics.median(seconds(way) for _ in range(TURNS))
    return taken


def seconds(way: Callable[[], object]) -> float:
    """What it takes, once."""
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


def say_ours(own: Subject) -> None:
    """An answer of `SAID` tokens by `reason`'s own generation."""
    ends, own.model.generation_config.eos_token_id = own.model.generation_config.eos_token_id, None
    end, own.tokenizer.eos_token = own.tokenizer.eos_token, None
    answer(own.model, own.tokenizer, ["a" * 32], Decoding(max_new_tokens=SAID))
    own.model.generation_config.eos_token_id, own.tokenizer.eos_token = ends, end


def say(theirs: Exported, prompt: torch.Tensor) -> None:
    """The same by an artefact."""
    logits, state = theirs.read(prompt, None, None, True)
    for _ in range(SAID - 1):
        logits, state = theirs.read(logits[:, -1].argmax(-1, keepdim=True), None, state, True)


@torch.inference_mode()
def read_ours(own: Subject, prompt: torch.Tensor) -> None:
    """A prompt and what is remembered of it, as `reason` reads one before it answers."""
    own.model(input_ids=prompt, use_cache=True, logits_to_keep=1)


# ---- what is shown


def show(rows: list[dict]) -> None:
    """A row for each artefact."""
    table = Table(
        "model", "format", "largest difference", "same tokens", "MiB", "tokens/s", "of ours", "prefill, ours 1"
    )
    for row in rows:
        if "bytes" not in row:
            continue
        cells = [f"{row['difference']:.1e} of {row['largest_logit']:.1f}", f"{row['agreement']:.1%}"]
        cells.append(f"{row['bytes'] / 2**20:.1f}")
        if "tokens_per_second" in row:
            cells += [
                f"{row['tokens_per_second']:,.0f}",
                f"{row['beside_ours']:.2f}",
                f"{row['prefill_beside_ours']:.2f}",
            ]
        table.add_row(row["model"], row["format"], *cells)
    console = Console(width=140)
    console.print(table)
    for row in rows:
        if "accuracy" in row:
            console.print(f"{row['model']} {row['format']}: {row['accuracy']:.1%} right")


if __name__ == "__main__":
    main()
