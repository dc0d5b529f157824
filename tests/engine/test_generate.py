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


# --- company -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_is_the_same_in_any_company(model, tokenizer, temperature):
    import random

    draw = random.Random(0)
    requests = [Request("".join(draw.choices("0123+? ", k=draw.randrange(1, 100))), seed) for seed in range(20)]

    def given(some, batch_size):
        how = Decoding(batch_size, max_new_tokens=8, temperature=temperature)
        return {some[index].seed: one for index, one in answers(model, tokenizer, some, how)}

    whole = given(requests, 64)
    shuffled = random.Random(1).sample(requests, len(requests))
    for some, batch_size in ((shuffled, 64), (requests, 7), (shuffled[:5], 19), (requests[3:4], 1)):
        assert given(some, batch_size) == {request.seed: whole[request.seed] for request in some}


def test_on_a_cpu_a_rows_numbers_are_computed_in_one_way(model, tokenizer):
    """Its padding follows from itself alone, and no batch is so small that products go another way."""
    shapes = []
    model.register_forward_pre_hook(
        lambda _, args, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    prompts = ["x" * 3, "y" * 60, "z" * 65, *["w" * 70] * 17]
    answer(model, tokenizer, prompts, Decoding(max_new_tokens=3))
    assert [shape for shape in shapes if shape[1] > 1] == [(1, 70), (32, 128), (16, 64)]


# --- stop strings --------------------------------------------------------------------------------------------------


def saying(model, tokenizer, text):
    """A model that says a text byte by byte, and then its last byte for ever."""
    import torch

    script = tokenizer.encode(text, add_special_tokens=False)
    turn = [0]

    def forward(input_ids, **kwargs):
        from transformers.modeling_outputs import CausalLMOutputWithPast

        turn[0] = 0 if input_ids.shape[1] > 1 else turn[0] + 1
        logits = torch.zeros(len(input_ids), 1, len(tokenizer))
        logits[:, -1, script[min(turn[0], len(script) - 1)]] = 1.0
        return CausalLMOutputWithPast(logits=logits)

    model.forward = forward
    return model


@pytest.mark.parametrize(
    ("stop", "text", "tokens"),
    [
        (("Question:",), "It is 4.\n", 18),
        (("\n", "Question:"), "It is 4.", 9),
        (("is 4", "s"), "It i", 5),
        (("It",), "", 2),
        (("é",), "It is 4.\nQuestion: caf", 24),
        (("<think>",), "It is 4.\nQuestion: café ", 26),
    ],
)
def test_an_answer_ends_before_the_first_stop_string(model, tokenizer, stop, text, tokens):
    said = saying(model, tokenizer, "It is 4.\nQuestion: café <think>yes")
    (given,) = answer(said, tokenizer, ["2 + 2?"], Decoding(max_new_tokens=40, stop=stop))
    assert (given.text, given.tokens, given.finished) == (text, tokens, True)


def test_a_stop_string_in_the_prompt_or_never_said_stops_nothing(model, tokenizer):
    said = saying(model, tokenizer, "no")
    (given,) = answer(said, tokenizer, ["Question: 2 + 2?"], Decoding(max_new_tokens=6, stop=("Question:",)))
    assert (given.text, given.tokens, given.finished) == ("nooooo", 6, False)


def test_an_end_token_of_the_models_own_settings_ends_an_answer_too(model, tokenizer):
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.encode("4")[0]]
    (given,) = answer(saying(model, tokenizer, "is 4 so"), tokenizer, ["2 + 2?"], Decoding(max_new_tokens=9))
    assert (given.text, given.tokens, given.finished) == ("is ", 4, True)


# --- given as they are finished ------------------------------------------------------------------------------------


def test_who_stops_early_leaves_nothing_running(model, tokenizer):
    import torch

    model.train()
    given = answers(model, tokenizer, [Request(prompt) for prompt in PROMPTS], Decoding(2, max_new_tokens=4))
    next(given)
    assert not torch.is_inference_mode_enabled()  # between two answers the caller's world is its own
    given.close()
    assert model.training


def test_long_prompts_are_begun_first_and_answers_come_batch_by_batch(model, tokenizer):
    given = [n for n, _ in answers(model, tokenizer, [Request(prompt) for prompt in PROMPTS], Decoding(2, 4))]
    assert sorted(given[:2]) == [2, 4] and sorted(given) == list(range(len(PROMPTS)))


# --- drawing -------------------------------------------------------------------------------------------------------


def test_drawn_tokens_are_distributed_as_the_nucleus():
    import torch

    from reason_cli.engine.sampling import draw

    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log()
    uniforms = (torch.arange(1000) + 0.5) / 1000
    for temperature, top_p, want in (
        (1.0, 1.0, [0.1, 0.4, 0.2, 0.3]),
        (0.5, 1.0, [0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3]),
        (1.0, 0.7, [0, 4 / 7, 0, 3 / 7]),
        (1.0, 0.71, [0, 4 / 9, 2 / 9, 3 / 9]),
        (1.0, 1e-6, [0, 1, 0, 0]),
    ):
        drawn = draw(logits.expand(1000, 4), uniforms, temperature, top_p)
        assert (drawn.bincount(minlength=4) / 1000).tolist() == pytest.approx(want, abs=2e-3), (temperature, top_p)


@pytest.mark.parametrize("top_p", [1.0, 0.9])
@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2**-24, 1.0])
def test_no_impossible_token_is_drawn(uniform, top_p):
    import torch

    from reason_cli.engine.sampling import draw

    logits = torch.full((1, 50), float("-inf"))
    logits[0, 20:30] = torch.randn(10, generator=torch.Generator().manual_seed(0))
    assert 20 <= int(draw(logits, torch.tensor([uniform]), 0.7, top_p)) < 30
