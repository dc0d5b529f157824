"""Small models of each kind, their weights loud enough to be told apart, and a function that exports one."""

from functools import cache

import pytest
import torch
from reason_hf.exporter import HuggingFace, HuggingFaceOptions
from reason_hybrid.architecture import Hybrid, HybridOptions
from reason_mamba.architecture import Mamba, MambaOptions
from reason_trm.trm_architecture import TRM, TRMOptions
from small_llama import save_llama
from support import Said

from reason_cli import Exportable
from reason_cli.engine import export as engine
from reason_cli.engine.chat import Template
from reason_cli.testing import byte_tokenizer

RESULTS = [{"dataset": "gsm8k", "accuracy": 0.5, "interval95": [0.4, 0.6], "n": 100}]
SETTINGS = {
    "model": {"d_model": 32, "base": "/home/somebody/base"},
    "data": {
        "dataset": ["gsm8k"],
        "prefill": "<think>\n",
        "system_prompt": "",
        "gsm8k": {"calculator": True},
        "sudoku": {"size": 4},
    },
    "train": {"learning_rate": 0.001},
}


@pytest.fixture(scope="package", autouse=True)
def one_thread_from_the_start():
    """Models this small are slower on several threads, and some are exported before any test."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def tokenizer():
    return byte_tokenizer()


@pytest.fixture(scope="package")
def models(tokenizer, tmp_path_factory):
    """Architecture and model, by name."""
    torch.manual_seed(0)
    mamba = Mamba().build(MambaOptions(d_model=32, n_layer=1, d_state=4), tokenizer)
    sizes = {"n_head": 2, "n_kv_head": 1, "head_dim": 8, "window": 6, "recursion_expand": 1.0}
    hybrid = Hybrid().build(HybridOptions(d_model=32, n_layer=1, d_state=4, **sizes), tokenizer)
    base = save_llama(tokenizer, tmp_path_factory.mktemp("base"))
    small = {"num_latents": 4, "d_latent": 16, "n_head": 2, "mlp_expand": 1.0, "n_latent_steps": 2}
    trm = TRM().build(TRMOptions(base=str(base), tune="full", n_supervision_steps=2, halting=True, **small), tokenizer)
    for model in (mamba, hybrid):
        model.set_scan_engine("torch")  # others are compiled first
    return {"mamba": (Mamba(), mamba.eval()), "hybrid": (Hybrid(), hybrid.eval()), "trm": (TRM(), trm.eval())}


@pytest.fixture(scope="package")
def source(models, tokenizer, tmp_path_factory):
    """A function from a model's name to the checkpoint as exporters get it."""

    def make(name):
        architecture, model = models[name]
        facts = {"settings": SETTINGS, "run": "/home/somebody/run", "results": RESULTS}
        return Exportable(
            model, tokenizer, architecture, lambda loop: None, name, tmp_path_factory.getbasetemp(), facts
        )

    return make


@pytest.fixture(scope="package")
def exported(source, tmp_path_factory):
    """A function from a model's name to the folder, to be read alone, and what export.json says."""

    @cache
    def make(name):
        folder = tmp_path_factory.mktemp("exported") / f"{name}-out"
        # What follows the trigger is where a trm is more than its base.
        template = Template(prefill="<think>\n")
        how = HuggingFaceOptions()
        return folder, engine.export(HuggingFace(), source(name), folder, how, template, Said(), threads=1)

    return make
