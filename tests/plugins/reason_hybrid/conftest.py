"""Small hybrids whose every part is loud enough to be heard in the logits."""

import pytest
import torch
from one_thread import one_thread  # noqa: F401
from reason_hybrid.architecture import Hybrid, HybridOptions

from reason_cli.testing import byte_tokenizer

SMALL = {
    "d_model": 32,
    "n_layer": 2,
    "d_state": 4,
    "expand": 2,
    "recursion_expand": 1.0,
    "n_head": 2,
    "n_kv_head": 1,
    "head_dim": 8,
    "window": 6,
    "dropout": 0.0,
}
# What can be left out, and what replaces it.
ABLATIONS = {
    "whole": {},
    "no recursion": {"max_recursion_depth": 0},
    "one pass": {"max_recursion_depth": 1},
    "no attention": {"n_scale": 0},
    "one scale": {"n_scale": 1},
    "fixed depth": {"depth_gate": False},
    "skipping": {"adaptive_depth": 0.6},
    "neither": {"n_scale": 0, "max_recursion_depth": 0},
}


@pytest.fixture(params=ABLATIONS, ids=str)
def ablation(request):
    """The options of one ablation."""
    return ABLATIONS[request.param]


@pytest.fixture(scope="session")
def hybrid():
    """A function from options to a model: fused parts weigh as much as the residual, gates differ between tokens."""
    tokenizer = byte_tokenizer()

    def make(**options):
        torch.manual_seed(0)
        model = Hybrid().build(HybridOptions(**{**SMALL, **options}), tokenizer)
        for name, parameter in model.named_parameters():
            if "fusion_norm" in name:
                torch.nn.init.normal_(parameter, 1.0, 0.3)
            if "nothing" in name or "recursion.gate.weight" in name:
                torch.nn.init.normal_(parameter)
        return model.eval()

    return make
