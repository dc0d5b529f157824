"""Small Mambas whose logits are loud enough that the likeliest token is clear, with tokenizers made on the spot."""

from functools import cache

import pytest
import torch
from one_thread import one_thread  # noqa: F401
from reason_gguf.exporter import Gguf, GgufOptions
from reason_mamba.architecture import Mamba, MambaOptions

from reason_cli import Exportable
from reason_cli.engine import tokenizers

TEXTS = (
    "user\nTom has 3 boxes with 12 apples each. How many apples does he have?",
    "assistant\n<think>\n3 * 12 = 36\n</think>\n\n**Final Answer:** 36",
    "The train goes 60 miles in 1 hour, so it goes 240 miles in 4 hours.",
)
DATA = {"prefill": "<think>\n", "system_prompt": 'Say "yes".'}


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A function from a tokenizer and options to a checkpoint as exporters get it."""

    @cache
    def make(spec="bpe:512", data=False, **options):
        tokenizer = tokenizers.build(spec, TEXTS * 20)
        torch.manual_seed(0)
        model = Mamba().build(MambaOptions(**{"d_model": 64, "n_layer": 2, "d_state": 4, **options}), tokenizer).eval()
        torch.nn.init.normal_(model.backbone.embeddings.weight, std=0.2)
        facts = {"settings": {"data": DATA if data else {}}}
        return Exportable(model, tokenizer, Mamba(), lambda loop: None, "Tiny", tmp_path_factory.getbasetemp(), facts)

    return make


@pytest.fixture
def written(source, tmp_path):
    """A function from a type and what `source` takes to the folder that the exporter writes."""

    def make(kind="f32", **how):
        Gguf().export(source(**how), tmp_path, GgufOptions(type=kind))
        return tmp_path

    return make
