"""What llama.cpp itself makes of a file, through the package `xllamacpp`: how it cuts texts, and what it says.

It tells the likeliest tokens of each step with their log-probabilities, and no logits. So it is left to say what it
will, and the model is asked what it would have said at each step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import torch

from reason_cli import Exportable, ReasonError

SAID = 64  # tokens to each prompt
LIKELIEST = 5  # tokens of each step that are compared
CONTEXT = 4096
PATIENCE = 300  # seconds for one answer
TEXTS = (
    "Tom has 3 boxes with 12 apples each; 3 * 12 = 36.",
    "<think>\nWhat costs $20 costs 25% less: 20 - 5 = 15.\n</think>\n\n**Final Answer:** 15",
    "  two spaces,\ttabs,\n\n\nlines  \n and we'll see it's 1,234.50 or 007",
    "Zwölf größere Äpfel, 東京に行く, привет, naïve café, 🙂👍🏽, x²+y",
    "def f(x):\n    return x**2 - 10**6  # {\"a\": [1, 2, 3]}\n",
)  # fmt: skip
CHAT = (("system", "Be brief."), ("user", "What is 17 + 25?"), ("assistant", "42"), ("user", "And 1 more?"))
# How far log-probabilities may be off, as a share of the largest (of 1, where that is smaller), and the share of tokens
# that must be the same. llama.cpp rounds what goes into a product as it did the matrix.
LIMITS = {"f32": (2e-3, 0.95), "f16": (0.02, 0.9), "bf16": (0.05, 0.8), "q8_0": (0.1, 0.8)}


def installed() -> bool:
    """Whether llama.cpp is here to be asked."""
    return find_spec("xllamacpp") is not None


@dataclass
class Proof:
    """What was found."""

    tokens: int = 0
    same: int = 0
    difference: float = 0.0
    largest: float = 0.0

    @property
    def agreement(self) -> float:
        return self.same / self.tokens if self.tokens else 1.0


class LlamaCpp:
    """A file as llama.cpp runs it, in this process, on the CPU."""

    def __init__(self, path: Path) -> None:
        """Raises `ReasonError` when it refuses the file."""
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.n_gpu_layers = CONTEXT, 1, 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = torch.get_num_threads()
        params.warmup = params.fit_params = False
        params.verbosity = 0
        try:
            self.server = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise ReasonError(f"llama.cpp does not load {path}: {error}", "export it anew") from error

    def ask(self, path: str, **what: Any) -> Any:
        """An answer of its server, which listens on this machine alone."""
        body = json.dumps(what).encode()
        request = Request(self.server.listening_address + path, body, {"Content-Type": "application/json"})
        with build_opener(ProxyHandler({})).open(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def cut(self, text: str) -> list[int]:
        """The ids of a text's tokens."""
        return self.ask("/tokenize", content=text, add_special=True, parse_special=True)["tokens"]

    def written(self, turns: Sequence[tuple[str, str]]) -> str:
        """A conversation as the file's chat template writes it."""
        messages = [{"role": role, "content": content} for role, content in turns]
        return self.ask("/apply-template", messages=messages)["prompt"]

    def say(self, prompt: Sequence[int], count: int) -> Iterator[tuple[int, dict[int, float]]]:
        """The likeliest tokens after a prompt, at most so many, each with what was likely in its place."""
        said = self.ask(
            "/completion", prompt=list(prompt), n_predict=count, temperature=0, n_probs=LIKELIEST, return_tokens=True,
            cache_prompt=False, repeat_penalty=1.0, samplers=["temperature"],
        )  # fmt: skip
        for step in said.get("completion_probabilities", ()):
            yield step["id"], {one["id"]: one["logprob"] for one in step["top_logprobs"]}


def proven(source: Exportable, path: Path, prompts: Sequence[Sequence[int]]) -> Mapping[str, float]:
    """Ask it, and compare. Raises `ReasonError` where it cuts a text otherwise, or says something else."""
    running, proof = LlamaCpp(path), Proof()
    texts = [*TEXTS, *(str(source.tokenizer.decode(list(prompt))) for prompt in prompts)]
    for text in texts:
        same_tokens(source, running, text)
    chats = same_chat(source, running)
    for prompt in prompts:
        said(source, running, prompt, proof)
    share, least = LIMITS[type_of(path)]
    allowed = share * max(1.0, proof.largest)
    if not proof.difference <= allowed:
        raise unlike(source, f"log-probabilities differ by {proof.difference:.3g}, more than {allowed:.3g}")
    if proof.agreement < least:
        raise unlike(source, f"{proof.agreement:.1%} of its tokens are the model's, {least:.0%} must be")
    return {
        "llama_cpp_texts": len(texts),
        "llama_cpp_conversations": chats,
        "llama_cpp_tokens": proof.tokens,
        "llama_cpp_token_agreement": proof.agreement,
        "llama_cpp_largest_difference": proof.difference,
        "llama_cpp_allowed_difference": allowed,
    }


def type_of(path: Path) -> str:
    """The type of a file's matrices, as `reason export gguf --type` has it."""
    from gguf import GGUFReader, LlamaFileType

    kind = LlamaFileType(int(GGUFReader(path).fields["general.file_type"].contents())).name
    return kind.split("_", 1)[1].lower()


def same_tokens(source: Exportable, running: LlamaCpp, text: str) -> None:
    """Raises `ReasonError` for a text that is cut otherwise."""
    ours, theirs = source.tokenizer(text, add_special_tokens=False)["input_ids"], running.cut(text)
    if list(ours) != theirs:  # type: ignore[call-overload]
        raise unlike(source, f"it cuts {text[:60]!r} into other tokens")


def same_chat(source: Exportable, running: LlamaCpp) -> int:
    """How many conversations were compared: none without a template, or with one that refuses this one.

    Raises `ReasonError` for one that is written otherwise.
    """
    if not source.tokenizer.chat_template:
        return 0
    messages = [{"role": role, "content": content} for role, content in CHAT]
    try:
        ours = source.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception:  # what a template raises that refuses, as some do a system message, is its own choice
        return 0
    if running.written(CHAT) != ours:
        raise unlike(source, "it writes a conversation otherwise")
    return 1


@torch.no_grad()
def said(source: Exportable, running: LlamaCpp, prompt: Sequence[int], proof: Proof) -> None:
    """What it says to a prompt beside what the model would have said at each step."""
    steps = list(running.say(prompt, SAID))
    ids = torch.tensor([[*prompt, *(token for token, _ in steps)]])
    logits = source.model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    ours = logits.log_softmax(-1)
    for row, (token, likely) in zip(ours, steps, strict=True):
        proof.tokens += 1
        proof.same += int(row.argmax()) == token
        for other, value in likely.items():
            proof.difference = max(proof.difference, abs(float(row[other]) - value))
            proof.largest = max(proof.largest, abs(value))


def unlike(source: Exportable, how: str) -> ReasonError:
    """An artefact that is not what it should be."""
    return ReasonError(
        f"llama.cpp does not make of the file what {source.name} is: {how}",
        "nothing was kept; please report it with the versions of `pip list`",
    )
