"""What the latents of a batch are of: the question, its tokens, their lines and columns."""

from __future__ import annotations

import pytest
import torch
from reason_trm.puzzle_architecture import around_question, end_of_line
from reason_trm.stretches import Stretches, middles
from reason_trm.thinker import Thinker
from reason_trm.trm_config import TRMConfig

QUESTION = "0123\n4567"


@pytest.fixture(scope="module")
def config(tokenizer):
    """A function from a number of latents to a config that knows the chat template."""
    header, footer = around_question(tokenizer)

    def make(latents):
        newline = end_of_line(tokenizer)
        shape = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
        return TRMConfig(num_latents=latents, header=header, footer=footer, newline=newline, **shape)

    return make


@pytest.fixture(scope="module")
def asked(tokenizer):
    """A function from a question to the ids (s,) of its prompt."""

    def make(question, system=""):
        turns = [{"role": "system", "content": system}] if system else []
        turns.append({"role": "user", "content": question})
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return torch.tensor(tokenizer(text)["input_ids"])

    return make


def alone(ids, config):
    return Stretches.of(ids[None], torch.ones(1, len(ids), dtype=torch.bool), config)


def test_the_question_is_what_the_chat_template_has_around(asked, config, tokenizer):
    ids = asked(QUESTION, "Be brief.")
    found = alone(ids, config(4))
    assert tokenizer.decode(ids[found.inside[0]]) == QUESTION
    assert found.length.tolist() == [len(QUESTION)]
    assert found.place[found.inside].tolist() == list(range(len(QUESTION)))


def test_without_header_and_footer_all_of_the_text_is_the_question(config):
    found = alone(torch.arange(7), config(4))
    assert found.inside.all() and found.length.tolist() == [7]


def test_a_trigger_said_late_asks_all_after_the_header(asked, config, tokenizer):
    """There the footer is not the last that was read."""
    ids = torch.cat([asked("why?"), torch.tensor(tokenizer("well")["input_ids"])])
    found = alone(ids, config(4))
    assert tokenizer.decode(ids[found.inside[0]]).startswith("why?") and found.inside[0, -1]


def test_where_there_are_enough_each_token_has_a_latent(asked, config):
    found = alone(asked(QUESTION), config(12))
    assert found.middle[0].tolist() == list(range(12))
    assert found.begun[0].tolist() == [True] * 9 + [False] * 3
    assert found.distances()[0, :9, found.inside[0]].diagonal().tolist() == [0.0] * 9
    assert found.line[0].tolist() == [0] * 5 + [1] * 7
    assert found.column[0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]


def test_where_there_are_fewer_each_has_a_stretch(asked, config):
    found = alone(asked(QUESTION), config(3))
    assert found.middle[0].tolist() == [1, 4, 7] and found.begun.all()
    nearest = found.distances()[0][:, found.inside[0]].abs().argmin(0)
    assert nearest.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found.line[0].tolist() == [0, 0, 1]
    assert found.column[0].tolist() == [0, 1, 0], "of three tokens each"
    assert middles(torch.tensor([0, 2, 300]), 2).tolist() == [[0, 1], [0, 1], [75, 225]]


@pytest.mark.parametrize("latents", [1, 3, 12])
def test_in_a_batch_they_are_as_alone_whatever_stands_between(asked, config, latents):
    rows = [asked(QUESTION), asked("a longer\nquestion\nof lines"), asked("")]
    width = 3 + max(map(len, rows))
    ids, real = torch.full((3, width), 7), torch.zeros(3, width, dtype=torch.bool)
    for row, (one, begin) in enumerate(zip(rows, (2, 3, 0), strict=True)):
        places = [*range(begin, begin + 4), *range(width - len(one) + 4, width)]
        ids[row, places], real[row, places] = one, True
    together = Stretches.of(ids, real, config(latents))
    for row, one in enumerate(rows):
        by_itself = alone(one, config(latents))
        for name in ("length", "middle", "line", "column", "begun"):
            assert getattr(together, name)[row].tolist() == getattr(by_itself, name)[0].tolist(), name
        assert together.inside[row, real[row]].tolist() == by_itself.inside[0].tolist()
        assert not together.inside[row, ~real[row]].any()


def test_latents_of_the_question_see_it_alone_and_the_others_nothing(asked, config):
    torch.manual_seed(0)
    thinker, ids = Thinker(config(12), 16, 1.0), asked(QUESTION)
    found = alone(ids, config(12))
    states = torch.randn(1, len(ids), 16)
    x = thinker.compress(states, found)
    outside, inside = states.clone(), states.clone()
    outside[0, ~found.inside[0]] += 1.0
    inside[0, found.inside[0]] += 1.0
    assert torch.equal(thinker.compress(outside, found), x)
    changed = (thinker.compress(inside, found) - x).abs().amax(2) > 1e-3
    assert changed[0].tolist() == [True] * 9 + [False] * 3


def test_of_an_empty_text_there_are_latents(config):
    nothing = torch.zeros(1, 0, dtype=torch.long)
    found = Stretches.of(nothing, nothing.bool(), config(3))
    assert found.length.tolist() == [0] and not found.begun.any()
    assert Thinker(config(3), 16, 1.0).compress(torch.zeros(1, 0, 16), found).isfinite().all()
