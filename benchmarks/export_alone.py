"""Does what was exported run where nothing but its runtime is installed, and does it say the same there?

    python benchmarks/export_alone.py --folder DIR [--formats torchscript onnx …]

DIR is that of `benchmarks/export.py`. For each format a new virtual environment is made with pip: torch alone
(torchscript), onnxruntime and numpy alone (onnx), xllamacpp alone (gguf), transformers and torch alone (hf), in the
versions that are installed here. There each artefact says 64 tokens to a prompt, greedily, and they are compared with
those of the checkpoint that it was made from. Programs are those that lie in the artefacts' folders, or stand below.
The C++ program of a TorchScript's README is built and run too, where there is a g++.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import torch
from export import load
from rich.console import Console
from rich.table import Table

from reason_cli.engine.parity import SAID, greedy

CPP = re.compile(r"```cpp\n(.*?)```", re.DOTALL)
QUESTION = "Tom has 3 boxes with 12 apples each. How many apples does he have?"
CPP_BUILD = re.compile(r"```sh\n([^`]*g\+\+ [^`]*)```")
CPP_PROMPT = [72, 101, 108, 108, 111]  # what stands in that program
PACKAGES = {
    "torchscript": ("torch", "numpy"),
    "onnx": ("onnxruntime", "numpy"),
    "gguf": ("xllamacpp",),
    "hf": ("transformers", "torch", "numpy"),
}
GGUF = """
import json, sys, urllib.request
import xllamacpp
path, count, *prompt = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.verbosity, params.warmup = path, 1024, 0, False
server = xllamacpp.Server(params)
body = {"prompt": [int(token) for token in prompt], "n_predict": int(count), "temperature": 0, "ignore_eos": False,
        "samplers": ["temperature"], "return_tokens": True, "n_probs": 1, "logit_bias": []}
request = urllib.request.Request(server.listening_address + "/completion", json.dumps(body).encode(),
                                 {"Content-Type": "application/json"})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(*json.load(opener.open(request))["tokens"])
"""
HF = """
import sys
import torch
from transformers import AutoModelForCausalLM, GenerationConfig
path, count, *prompt = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(path, trust_remote_code=True, dtype=torch.float32)
model.generation_config = GenerationConfig()
ids = torch.tensor([[int(token) for token in prompt]])
said = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=int(count), do_sample=False)
print(*said[0, ids.shape[1]:].tolist())
"""


def main() -> None:
    """Make the environments, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the folder of benchmarks/export.py")
    parser.add_argument("--formats", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    given = parser.parse_args()
    table = Table("artefact", "alone with", "tokens that are the same")
    for format in given.formats:
        with tempfile.TemporaryDirectory(prefix="alone-") as name:
            python = environment(Path(name), PACKAGES[format])
            for folder in artefacts(given.folder, format):
                same, count = agreement(folder, QUESTION, partial(run, python, folder, format))
                table.add_row(folder.name, " ".join(PACKAGES[format]), f"{same} of {count}")
    if "torchscript" in given.formats and shutil.which("g++"):
        with tempfile.TemporaryDirectory(prefix="alone-") as name:
            for folder in artefacts(given.folder, "torchscript"):
                program = built((folder / "README.md").read_text(), Path(name))
                same, count = agreement(folder, CPP_PROMPT, partial(run_built, program, folder))
                table.add_row(folder.name, "libtorch, in C++", f"{same} of {count}")
    Console(width=120).print(table)


def artefacts(folder: Path, format: str) -> list[Path]:
    """The folders of a format."""
    records = [(path.parent, json.loads(path.read_text())) for path in sorted(folder.glob("*/export.json"))]
    return [path for path, record in records if record["format"] == format]


def environment(folder: Path, packages: tuple[str, ...]) -> Path:
    """The Python of a new environment with these packages and what they need."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    wanted = [f"{package}=={metadata.version(package).partition('+')[0]}" for package in packages]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True, stderr=subprocess.DEVNULL)
    there = subprocess.run([python, "-m", "pip", "list"], check=True, capture_output=True, text=True).stdout
    assert "reason" not in there, "this project is no part of it"
    return python


def built(readme: str, folder: Path) -> Path:
    """The program in C++ of a README, compiled once for all that show the same, by the commands that stand there."""
    (source,), (commands,) = CPP.findall(readme), CPP_BUILD.findall(readme)
    text = folder / "main.cpp"
    if not (text.is_file() and text.read_text() == source):
        text.write_text(source)
        with_this = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["sh", "-e", "-c", commands], cwd=folder, env=with_this, check=True)
    return folder / "main"


def agreement(folder: Path, prompt: str | list[int], say: Callable[[list[int]], list[int]]) -> tuple[int, int]:
    """How many of the tokens that an artefact says, up to the first that is another, are its model's."""
    record = json.loads((folder / "export.json").read_text())
    own = load(Path(record["checkpoint"]))
    asked = own.tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt
    said, ids = say(asked), torch.tensor([asked])
    wanted = greedy(own.model, ids, torch.ones_like(ids), 0)[0, len(asked) :].tolist()
    ends = {own.tokenizer.eos_token_id}
    stops = record["format"] == "gguf"
    length = next((n + 1 for n, token in enumerate(wanted) if token in ends), SAID) if stops else SAID
    same = next((n for n in range(length) if said[n : n + 1] != wanted[n : n + 1]), length)
    return same, length


def run(python: Path, folder: Path, format: str, prompt: list[int]) -> list[int]:
    """What it says in its own environment, from a folder in which nothing lies."""
    words = [str(SAID), *map(str, prompt)]
    if format in ("gguf", "hf"):
        place = next(folder.glob("*.gguf")) if format == "gguf" else folder
        command = [python, "-I", "-c", {"gguf": GGUF, "hf": HF}[format], place.resolve(), *words]
    else:
        command = [python, "-I", (folder / "generate.py").resolve(), *words]
    with tempfile.TemporaryDirectory() as nowhere:
        return printed(command, Path(nowhere))


def run_built(program: Path, folder: Path, prompt: list[int]) -> list[int]:
    """What the program in C++ says to the prompt that stands in it."""
    assert prompt == CPP_PROMPT
    return printed([program], folder)


def printed(command: list[object], folder: Path) -> list[int]:
    """The token ids that a command prints in a folder."""
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} in {folder}: {done.stderr}")
    return [int(token) for token in done.stdout.split()]


if __name__ == "__main__":
    main()
