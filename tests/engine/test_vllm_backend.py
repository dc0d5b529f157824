"""The vllm backend on a stand-in with vLLM's calls: what it is asked, and that its answers are read as torch's are."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from types import ModuleType

import pytest

from reason_cli.config import HardwareOptions
from reason_cli.engine import vllm_backend
from reason_cli.engine.generate import Decoding, Request, answer
from reason_cli.errors import ReasonError
from reason_cli.testing import TinyLlama, TinyLlamaOptions

CPU = HardwareOptions(device="cpu", precision="fp32", threads=1)
PROMPTS = ["a", "What is 2 + 2?", "x" * 40, "hello"]


@dataclass
class SamplingParams:
    """The arguments of vLLM's, and no other."""

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_tokens: int | None = 16
    stop: list[str] | None = None
    stop_token_ids: list[int] | None = None


@dataclass
class Completion:
    token_ids: list[int]
    finish_reason: str | None


@dataclass
class Output:
    outputs: list[Completion]


class LLM:
    """Greedy answers of a checkpoint, one token after the other, ended as vLLM ends them."""

    made: list[dict] = []

    def __init__(self, model, *, dtype="auto", seed=None, max_model_len=None, trust_remote_code=False,
                 generation_config="auto", gpu_memory_utilization=0.9):  # fmt: skip
        from transformers import AutoModelForCausalLM, AutoTokenizer

        assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
        LLM.made.append({"model": model, "dtype": dtype, "seed": seed, "remote": trust_remote_code,
                         "generation_config": generation_config, "max_model_len": max_model_len})  # fmt: skip
        self.model, self.tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
        self.longest, self.asked = max_model_len, []

    def generate(self, prompts, sampling_params=None, *, use_tqdm=True):
        assert not use_tqdm and len(prompts) == len(sampling_params)
        self.asked.append((prompts, sampling_params))
        return [Output([self._one(p["prompt_token_ids"], s)]) for p, s in zip(prompts, sampling_params, strict=True)]

    def _one(self, prompt, how):
        import torch

        if self.longest and len(prompt) > self.longest:
            raise ValueError(f"The prompt (length {len(prompt)}) is longer than the model's {self.longest}.\nMore.")
        said = []
        while len(said) < how.max_tokens:
            with torch.inference_mode():
                said.append(int(self.model(torch.tensor([[*prompt, *said]])).logits[0, -1].argmax()))
            if said[-1] in how.stop_token_ids or any(stop in self.tokenizer.decode(said) for stop in how.stop):
                return Completion(said, "stop")
        return Completion(said, "length")


@pytest.fixture
def vllm(monkeypatch):
    """A module of that name with the parts that are called."""
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    for name in vllm_backend.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    LLM.made.clear()
    return module


@pytest.fixture
def folder(tokenizer, tmp_path):
    """A tiny Llama with opinions, whose authors would have it sampled."""
    import torch

    torch.manual_seed(0)
    model = TinyLlama().build(TinyLlamaOptions(max_seq_len=256), tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 8
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    generation = {"do_sample": True, "eos_token_id": ends_of(tokenizer)[1:], "top_k": 5}
    (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    return tmp_path


def ends_of(tokenizer):
    """The tokenizer's own end token first; the last is one that is decoded as text."""
    return tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>", "</think>"])


def test_answers_are_those_of_the_torch_backend(vllm, folder):
    subject = vllm_backend.load(folder, CPU)
    torch_model = TinyLlama().load(folder, TinyLlamaOptions())
    free = answer(torch_model, subject.tokenizer, PROMPTS, Decoding(max_new_tokens=12))
    common = free[0].text[4]
    for stop in ((), (common,)):
        decoding = Decoding(max_new_tokens=12, stop=stop)
        expected = answer(torch_model, subject.tokenizer, PROMPTS, decoding)
        given = dict(vllm_backend.answers(subject.model, subject.tokenizer, [Request(p) for p in PROMPTS], decoding))
        assert [given[n] for n in range(len(PROMPTS))] == expected
    assert expected[0].finished and common not in expected[0].text, "the stop string had an effect"


def test_the_end_token_counts_and_is_no_part_of_the_text(vllm, folder, monkeypatch):
    subject = vllm_backend.load(folder, CPU)
    tokenizer = subject.tokenizer
    four = tokenizer.convert_tokens_to_ids("4")
    ended = [([four, end], "stop", ("4", 2, True)) for end in ends_of(tokenizer)]
    for tokens, reason, expected in [*ended, ([four, four], "length", ("44", 2, False))]:
        monkeypatch.setattr(LLM, "_one", lambda *arguments, t=tokens, r=reason: Completion(t, r))
        ((_, given),) = vllm_backend.answers(subject.model, tokenizer, [Request("?")], Decoding())
        assert (given.text, given.tokens, given.finished) == expected


def test_what_vllm_is_asked(vllm, folder):
    subject = vllm_backend.load(folder, CPU, seed=3, max_model_len=64)
    assert LLM.made == [{"model": str(folder), "dtype": "float32", "seed": 3, "remote": False,
                         "generation_config": "vllm", "max_model_len": 64}]  # fmt: skip
    assert (subject.checkpoint, subject.precision.name) == (str(folder), "fp32")
    decoding = Decoding(max_new_tokens=3, temperature=0.6, top_p=0.9, stop=("\n\n",))
    list(vllm_backend.answers(subject.model, subject.tokenizer, [Request("a", 11), Request("b", 12)], decoding))
    ((prompts, how),) = subject.model.llm.asked
    assert prompts == [{"prompt_token_ids": subject.tokenizer(text)["input_ids"]} for text in "ab"]
    ends = ends_of(subject.tokenizer)
    assert how == [
        SamplingParams(temperature=0.6, top_p=0.9, seed=seed, max_tokens=3, stop=["\n\n"], stop_token_ids=ends)
        for seed in (11, 12)
    ]


def test_requests_are_handed_over_in_parts(vllm, folder, monkeypatch):
    monkeypatch.setattr(vllm_backend, "CHUNK", 3)
    subject = vllm_backend.load(folder, CPU)
    requests = [Request(text) for text in "abcdefg"]
    given = vllm_backend.answers(subject.model, subject.tokenizer, requests, Decoding(max_new_tokens=1))
    assert next(given)[0] == 0 and len(subject.model.llm.asked) == 1, "the rest waits"
    assert [n for n, _ in given] == [1, 2, 3, 4, 5, 6]
    assert [len(prompts) for prompts, _ in subject.model.llm.asked] == [3, 3, 1]
    assert list(vllm_backend.answers(subject.model, subject.tokenizer, [], Decoding())) == []


def test_without_vllm_the_line_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ReasonError, match=r"the vllm backend cannot be had: .*; pip install vllm, or use --backend"):
        vllm_backend.load(folder, CPU)


def test_a_model_that_vllm_does_not_serve_is_one_line(vllm, folder, monkeypatch):
    def refuse(*arguments, **named):
        raise ValueError("Model architectures ['TinyForCausalLM'] are not supported for now.\nSupported: many.")

    monkeypatch.setattr(LLM, "__init__", refuse)
    with pytest.raises(ReasonError) as wrong:
        vllm_backend.load(folder, CPU)
    assert str(wrong.value) == (
        f"vllm cannot serve {folder}: Model architectures ['TinyForCausalLM'] are not supported for now.; "
        "use --backend torch"
    )


def test_what_vllm_cannot_do_is_refused(vllm, folder, tmp_path):
    subject = vllm_backend.load(folder, CPU, max_model_len=4)
    with pytest.raises(ReasonError, match="has no calculator; use --backend torch"):
        list(vllm_backend.answers(subject.model, subject.tokenizer, [Request("a")], Decoding(calculator=True)))
    with pytest.raises(ReasonError, match=r"vllm cannot answer: The prompt \(length 40\) is longer.*; use --backend"):
        list(vllm_backend.answers(subject.model, subject.tokenizer, [Request("x" * 40)], Decoding()))
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ReasonError, match="takes no adapters"):
        vllm_backend.load(folder, CPU)
