"""Answers of a `small` Mamba on a CPU: ours beside transformers' `generate`, with the same weights and batch size.

    python benchmarks/generation.py [--questions 256] [--batch-size 64] [--checkpoint FOLDER] [--json FILE]

Greedy, in one process, on word problems, in three ways:

- `transformers`: stock `MambaForCausalLM` under its own `generate`, batches of rows sorted by length;
- `generate`: this project's model under transformers' `generate`, in the same batches;
- `reason`: this project's model under this project's generation.

Two loads: all answers equally long; and each ended at its own n-th token, n drawn (seeded) from a lognormal with the
mean and spread of GSM8K's solutions, at most `--most`; a share of `--endless` goes on that long. A batch of `generate`
goes on until its longest answer is done. With `--checkpoint`, a folder of a trained Mamba, answers end where that model
ends them. Tokens are those of the answers; what is computed for rows that are done is not counted. `identical`: answers
whose tokens are stock's.
On a machine that others use as well, `--threads 1 --cpu-time` counts the seconds of the CPU instead of the clock's.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
import transformers
from reason_datasets import register_datasets
from reason_mamba import Mamba
from rich.console import Console
from rich.table import Table
from transformers import MambaForCausalLM, StoppingCriteria

from reason_cli.engine import tokenizers
from reason_cli.engine.batched import pad_left
from reason_cli.engine.chat import Template, plain_texts, prompt_text, token_ids
from reason_cli.engine.continuous import continuous
from reason_cli.engine.row import Endings, Row
from reason_cli.engine.sampling import Choice
from reason_cli.engine.slots import read

TOKENIZER_ROWS = 3_000
GSM8K_TOKENS = (4.71, 0.43)  # mean and deviation of the logarithm of a solution's length, in tokens of a BPE of 4,096


def problems(split: str, count: int) -> list:
    """The first so many word problems of a split."""
    formatter = next(d for d in register_datasets() if d.name == "word-problems")
    options = formatter.Options()
    return [formatter.format(row, options) for row in islice(formatter.generate(split, 0, options), count)]


def untrained(folder: Path) -> None:
    """Write a checkpoint of the preset `small`, vocabulary 4,096."""
    tokenizer = tokenizers.build("bpe:4096", plain_texts(problems("train", TOKENIZER_ROWS), Template()))
    tokenizer.add_tokens([f"<spare-{n}>" for n in range(4096 - len(tokenizer))])
    torch.manual_seed(0)
    Mamba().build(Mamba.presets["small"], tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Enough(StoppingCriteria):
    """Row n is done at its limit, or at an end token."""

    def __init__(self, prompt: int, limits: list[int], ends: frozenset[int]) -> None:
        self.prompt, self.limits, self.ends = prompt, limits, ends

    def __call__(self, input_ids, scores, **kwargs):
        length = input_ids.shape[1] - self.prompt
        newest = input_ids[:, -1].tolist()
        return torch.tensor([length >= n or t in self.ends for n, t in zip(self.limits, newest, strict=True)])


def by_generate(model, prompts: list[list[int]], limits: list[int], ends: frozenset[int], size: int) -> Iterator:
    """(question, tokens) by transformers' `generate`."""
    order = sorted(range(len(prompts)), key=lambda n: -len(prompts[n]))
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        width = max(len(prompts[n]) for n in batch)
        ids, mask = pad_left([prompts[n] for n in batch], width, 0, model.device)
        enough = Enough(width, [limits[n] for n in batch], ends)
        said = model.generate(
            ids, attention_mask=mask, max_new_tokens=max(enough.limits), do_sample=False, eos_token_id=None,
            pad_token_id=0, stopping_criteria=[enough],
        )[:, width:].tolist()  # fmt: skip
        for n, row in zip(batch, said, strict=True):
            end = next((k + 1 for k, token in enumerate(row) if token in ends), len(row))
            yield n, row[: min(end, limits[n])]


def by_reason(model, prompts: list[list[int]], limits: list[int], ends: frozenset[int], size: int) -> Iterator:
    """(question, tokens) by this project: its public `answers`, but with a limit for each answer."""
    order = sorted(range(len(prompts)), key=lambda n: -len(prompts[n]))
    rows = [Row(n, prompts[n], 0, Endings(None, ends, (), limits[n])) for n in order]
    first = read(model, [rows[0].prompt], 0)
    for row in continuous(model, first, rows, size, 0, Choice(0.0, 1.0)):
        yield row.index, row.said


def measure(clock, way, model, *load) -> dict:
    """Seconds, and the tokens of every answer."""
    start = clock()
    said = dict(way(model, *load))
    return {"seconds": clock() - start, "said": said}


def lengths(count: int, most: int, endless: float) -> list[int]:
    """How many tokens each answer has, `most` where it would never end by itself."""
    draw = random.Random(0)
    drawn = [max(1, round(draw.lognormvariate(*GSM8K_TOKENS))) for _ in range(count)]
    return [most if draw.random() < endless else min(most, length) for length in drawn]


def compare(clock, models: dict, prompts: list[list[int]], limits: list[int], ends: frozenset[int], size: int) -> dict:
    """Each way on one load: tokens/s, and how many answers equal those of stock transformers."""
    ways = {"transformers": by_generate, "generate": by_generate, "reason": by_reason}
    found = {name: measure(clock, ways[name], models[name], prompts, limits, ends, size) for name in ways}
    stock = found["transformers"]["said"]
    return {
        name: {
            "seconds": one["seconds"],
            "tokens_per_second": sum(map(len, one["said"].values())) / one["seconds"],
            "identical": sum(one["said"][n] == stock[n] for n in stock),
        }
        for name, one in found.items()
    }


def show(results: dict, questions: int, console: Console) -> None:
    """One table per load."""
    for load, ways in results.items():
        table = Table("", "seconds", "tokens/s", "times stock", "times ours under generate", "identical", title=load)
        for name, one in ways.items():
            times = [one["tokens_per_second"] / ways[other]["tokens_per_second"] for other in list(ways)[:2]]
            figures = (f"{one['seconds']:.1f}", f"{one['tokens_per_second']:,.0f}", *(f"{t:.2f}" for t in times))
            table.add_row(name, *figures, f"{one['identical']} of {questions}")
        console.print(table)


def main() -> None:
    """Measure, print, and with `--json` write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=100, help="of each answer, where all are equally long")
    parser.add_argument("--most", type=int, default=256, help="tokens of an answer at most")
    parser.add_argument("--endless", type=float, default=0.0, help="share of answers that go on to --most")
    parser.add_argument("--checkpoint", type=Path, help="a trained Mamba's folder, in place of a new one")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default 2)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU seconds")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.checkpoint or Path(folder)
        if not arguments.checkpoint:
            untrained(place)
        ours = Mamba().load(place, Mamba.Options()).eval()
        models = {"transformers": MambaForCausalLM.from_pretrained(place).eval(), "generate": ours, "reason": ours}
        tokenizer = tokenizers.load(str(place))
    texts = [prompt_text(tokenizer, e.question, Template()) for e in problems("test", arguments.questions)]
    prompts = token_ids(tokenizer, texts)
    loads = {"answers equally long": ([arguments.tokens] * len(prompts), frozenset())}
    if arguments.checkpoint:
        loads["answers as the model ends them"] = ([arguments.most] * len(prompts), frozenset([tokenizer.eos_token_id]))
    else:
        loads["answers as long as GSM8K's"] = (lengths(len(prompts), arguments.most, arguments.endless), frozenset())
    compare(clock, models, prompts[:16], [4] * 16, frozenset(), 16)  # what is compiled or set up once
    results = {
        name: compare(clock, models, prompts, limits, ends, arguments.batch_size)
        for name, (limits, ends) in loads.items()
    }
    show(results, len(prompts), Console())
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
