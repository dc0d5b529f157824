"""Small recursive models on puzzles, and rows of theirs as training and generation put them."""

import pytest
import torch
from one_thread import one_thread  # noqa: F401
from reason_trm.puzzle_architecture import PuzzleOptions, TRMPuzzle
from small_llama import save_llama

from reason_cli.testing import byte_tokenizer

SMALL = {
    "d_model": 32,
    "n_head": 2,
    "mlp_expand": 1.0,
    "n_latent_steps": 2,
    "n_deep_recursions": 2,
    "n_supervision_steps": 3,
    "max_seq_len": 64,
}


@pytest.fixture(scope="session")
def small():
    """Options of the models here."""
    return SMALL


@pytest.fixture(scope="session")
def tokenizer():
    return byte_tokenizer()


@pytest.fixture(scope="session")
def puzzle(tokenizer):
    """A function from options to a model in evaluation mode, its halting head as loud as the rest."""

    def make(**options):
        torch.manual_seed(0)
        model = TRMPuzzle().build(PuzzleOptions(**{**SMALL, **options}), tokenizer)
        if model.halt_head is not None:
            torch.nn.init.normal_(model.halt_head.weight)
        return model.eval()

    return make


@pytest.fixture(scope="session")
def conversation(tokenizer):
    """A function from a question, an answer and a system message to ids and labels (1, l), as they are trained on."""

    def make(question, answer, system=""):
        turns = [{"role": "system", "content": system}] if system else []
        turns.append({"role": "user", "content": question})
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        given, said = (tokenizer(part)["input_ids"] for part in (text, answer + tokenizer.eos_token))
        return torch.tensor([given + said]), torch.tensor([[-100] * len(given) + said])

    return make


@pytest.fixture(scope="session")
def llama_base(tokenizer, tmp_path_factory):
    """The folder of a base with the tokenizer `bytes`."""
    return save_llama(tokenizer, tmp_path_factory.mktemp("base"))
