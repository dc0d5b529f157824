"""What `train.compile` gains: a training step as it is and under torch.compile, on the same batches in turns.

    python benchmarks/compile.py [--device cuda] [--threads 1] [--json FILE]

A Mamba of 256 x 4 and a Llama of the same width and depth, vocabulary 4,096, batches of 8 rows whose lengths differ
from step to step, as training's do; forward and backward. `first` is the time until every length has been seen once,
which is when torch compiles. Each figure is the fastest of several rounds over all lengths.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from reason_mamba.model import MambaForCausalLM
from rich.console import Console
from rich.table import Table
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig, PreTrainedModel

LENGTHS = (256, 192, 320, 77, 131)
ROWS, ROUNDS, VOCABULARY, WIDTH, DEPTH = 8, 5, 4096, 256, 4


def models() -> dict[str, PreTrainedModel]:
    """The models that are timed, by name."""
    torch.manual_seed(0)
    mamba = MambaConfig(vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=DEPTH)
    llama = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=4,
        tie_word_embeddings=True,
    )
    return {"mamba": MambaForCausalLM(mamba), "llama": LlamaForCausalLM(llama)}


def round_of(model, device: str) -> tuple[float, list[float]]:
    """(seconds of a step at each length, the losses)."""
    generator = torch.Generator().manual_seed(1)
    batches = [torch.randint(3, VOCABULARY, (ROWS, length), generator=generator).to(device) for length in LENGTHS]
    losses = []
    _wait(device)
    start = time.perf_counter()
    for ids in batches:
        loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids, use_cache=False).loss
        loss.backward()
        model.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    _wait(device)
    return time.perf_counter() - start, [float(loss) for loss in losses]


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def compare(model: PreTrainedModel, device: str) -> dict[str, float]:
    """Seconds of both, the first round of the compiled one, and how far its losses are off."""
    model = model.to(device).train()
    compiled = torch.compile(model)
    round_of(model, device)
    first, _ = round_of(compiled, device)
    rounds = [(round_of(model, device), round_of(compiled, device)) for _ in range(ROUNDS)]
    plain, fast = (min(turn[which][0] for turn in rounds) for which in (0, 1))
    off = max(abs(a - b) for a, b in zip(rounds[0][0][1], rounds[0][1][1], strict=True))
    return {"plain": plain, "compiled": fast, "gain": plain / fast, "first": first, "loss_off": off}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = {name: compare(model, given.device) for name, model in models().items()}
    table = Table("model", "as it is", "compiled", "gain", "first round", "loss off by")
    for name, row in found.items():
        seconds = [f"{row[key]:.2f} s" for key in ("plain", "compiled")]
        table.add_row(name, *seconds, f"{row['gain']:.2f}x", f"{row['first']:.0f} s", f"{row['loss_off']:.1e}")
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps({"device": given.device, "threads": given.threads, **found}, indent=2))


if __name__ == "__main__":
    main()
