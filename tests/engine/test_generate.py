"""Answers: the same in a batch as alone, ended by the end token, sampled by seed."""

from __future__ import annotations

import pytest

from reason_cli.engine.generate import Decoding, Request, answer, answers

PROMPTS = ["a", "What is 2 + 2?", "x" * 40, "hello", "What is 17 + 25, said slowly?"]


def test_a_batch_answers_as_each_alone(model, tokenizer):
    together = answer(model, tokenizer, PROMPTS, Decoding(batch_size=5, max_new_tokens=12))
    alone = [answer(model, tokenizer, [prompt], Decoding(max_new_tokens=12))[0] for prompt in PROMPTS]
    assert together == alone


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_answers_come_in_the_order_of_the_prompts(model, tokenizer, batch_size):
    counts = []
    decoding = Decoding(batch_size=batch_size, max_new_tokens=8)
    answers = answer(model, tokenizer, PROMPTS, decoding, counts.append)
    assert answers == answer(model, tokenizer, PROMPTS, Decoding(max_new_tokens=8))
    assert counts == sorted(counts) and counts[-1] == len(PROMPTS)


def test_no_prompts_no_answers(model, tokenizer):
    assert answer(model, tokenizer, [], Decoding()) == []


def always(model, tokenizer, *said):
    """Make a model say these tokens in turn, whatever it is asked; the turn is read off the last token."""
    import torch

    order = dict(zip((None, *said), said, strict=False))

    def forward(input_ids, **kwargs):
        from transformers.modeling_outputs import CausalLMOutputWithPast

        logits = torch.zeros(*input_ids.shape, len(tokenizer))
        for i, row in enumerate(input_ids.tolist()):
            logits[i, -1, order.get(row[-1], said[0])] = 1.0
        return CausalLMOutputWithPast(logits=logits)

    model.forward = forward
    return model


def test_an_answer_stops_at_the_end_token_which_is_counted_and_not_shown(model, tokenizer):
    four, end = tokenizer.convert_tokens_to_ids("4"), tokenizer.eos_token_id
    (given,) = answer(always(model, tokenizer, four, end), tokenizer, ["2 + 2?"], Decoding(max_new_tokens=9))
    assert (given.text, given.tokens, given.finished) == ("4", 2, True)


def test_an_answer_that_does_not_end_is_cut_off_and_says_so(model, tokenizer):
    four = tokenizer.convert_tokens_to_ids("4")
    (given,) = answer(always(model, tokenizer, four, four), tokenizer, ["2 + 2?"], Decoding(max_new_tokens=9))
    assert (given.text, given.tokens, given.finished) == ("4" * 9, 9, False)


def test_the_think_marks_stay_in_the_text(model, tokenizer):
    think, end = tokenizer.convert_tokens_to_ids("<think>"), tokenizer.eos_token_id
    (given,) = answer(always(model, tokenizer, think, end), tokenizer, ["?"], Decoding(max_new_tokens=9))
    assert given.text == "<think>"


def drawn(model, tokenizer, seeds, **options):
    requests = [Request(prompt, seed) for prompt, seed in zip(PROMPTS, seeds, strict=True)]
    decoding = Decoding(max_new_tokens=16, temperature=1.0, **options)
    return dict(answers(model, tokenizer, requests, decoding))


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_what_is_drawn_follows_the_requests_own_seed(model, tokenizer, top_p):
    first, again = (drawn(model, tokenizer, [7, 7, 1, 2, 3], top_p=top_p) for _ in range(2))
    other = drawn(model, tokenizer, [8, 7, 1, 2, 4], top_p=top_p)
    assert first == again
    assert [n for n in sorted(first) if first[n] != other[n]] == [0, 4]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_random_state_is_left_alone(model, tokenizer, temperature):
    import torch

    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    answer(model, tokenizer, ["x"], Decoding(max_new_tokens=4, temperature=temperature))
    assert bool((torch.random.get_rng_state() == before).all())


@pytest.mark.parametrize("training", [True, False])
def test_the_models_mode_is_given_back(model, tokenizer, training):
    model.train(training)
    answer(model, tokenizer, ["x"], Decoding(max_new_tokens=2))
    assert model.training is training
