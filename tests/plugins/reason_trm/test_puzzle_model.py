"""The recursive model on puzzles: blind to the answer, the same in any batch, and taught at every step."""

import dataclasses

import pytest
import torch
from reason_trm.puzzle_architecture import PRESETS, PuzzleOptions, TRMPuzzle
from reason_trm.recursion import deep_recursion
from saved_tensors import saved_by

from reason_cli import Load, ReasonError
from reason_cli.testing import byte_tokenizer

ROWS = [("10\n02", "12\n22"), ("1234", "4321"), ("0", "1"), ("111\n000", "123\n456")]


def batch(conversation, pad, rows=ROWS, side="right"):
    """ids, mask and labels of rows, padded."""
    made = [conversation(*row) for row in rows]
    longest = max(ids.shape[1] for ids, _ in made)
    how = [(0, longest - ids.shape[1]) if side == "right" else (longest - ids.shape[1], 0) for ids, _ in made]
    fill = torch.nn.functional.pad
    ids = torch.cat([fill(ids, at, value=pad) for (ids, _), at in zip(made, how, strict=True)])
    labels = torch.cat([fill(labels, at, value=-100) for (_, labels), at in zip(made, how, strict=True)])
    return {"input_ids": ids, "attention_mask": (ids != pad).long(), "labels": labels}


# --- the recursion -----------------------------------------------------------------------------------------------


def test_the_recursion_is_the_papers():
    """z n times from (x, y, z), y once from (y, z), all of it T times; written out for a network that is a number."""
    seen = []

    def network(value):
        seen.append(float(value))
        return value * 10

    y, z = deep_recursion(network, *(torch.tensor(v) for v in (1.0, 2.0, 3.0)), n=2, times=2)
    assert seen == [6, 63, 632, 6951, 75831, 764630]
    assert (float(y), float(z)) == (7646300, 758310)


def test_all_but_the_last_recursion_are_without_gradient():
    weight = torch.tensor(2.0, requires_grad=True)
    graded = []

    def network(value):
        graded.append(torch.is_grad_enabled())
        return value * weight

    y, _ = deep_recursion(network, *(torch.tensor(v) for v in (1.0, 0.5, 0.25)), n=1, times=3)
    y.backward()
    assert graded == [False] * 4 + [True] * 2
    assert weight.grad is not None


def test_autocast_does_not_keep_weights_that_were_rounded_without_gradients(puzzle, conversation, tokenizer):
    model = puzzle().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**batch(conversation, tokenizer.pad_token_id)).loss
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(float(p.grad.abs().sum()) > 0 for name, p in model.named_parameters() if name.startswith("layers"))


# --- what it sees ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["evaluation", "training"])
def test_the_answer_is_never_an_input(puzzle, conversation, mode):
    """Neither the ids of the answer nor its labels reach the network: its inputs are the same to the last bit."""
    model, inputs = puzzle(), []
    model.train(mode == "training")
    model.layers[0].register_forward_pre_hook(lambda module, given: inputs.append(given[0].detach().clone()))
    for answer in ("12\n21", "43\n34"):
        ids, labels = conversation("10\n02", answer)
        model(input_ids=ids, labels=labels)
    half = len(inputs) // 2
    assert half == 3 * 2 * 3, "supervision steps, deep recursions, applications of the network"
    assert all(torch.equal(one, other) for one, other in zip(inputs[:half], inputs[half:], strict=True))


def test_every_place_of_the_question_is_seen_from_every_other(puzzle, conversation):
    model = puzzle()
    (base, labels), (last, _), (first, _) = (conversation(q, "11111") for q in ("12340", "12341", "92340"))
    start = int((labels != -100).int().argmax()) - len(model.config.footer) - 5
    logits = [model(input_ids=ids[labels == -100][None]).logits[0, start : start + 5] for ids in (base, last, first)]
    assert bool((logits[0] != logits[1]).any(-1).all()) and bool((logits[0] != logits[2]).any(-1).all())


def test_what_is_around_the_question_is_not_seen(puzzle, conversation):
    model = puzzle()
    plain, told = (conversation("10\n02", "12\n22", system) for system in ("", "Solve this."))
    assert torch.equal(model(input_ids=plain[0], labels=plain[1]).loss, model(input_ids=told[0], labels=told[1]).loss)


# --- batches -----------------------------------------------------------------------------------------------------


def test_a_left_padded_batch_answers_as_single_rows(puzzle, conversation, tokenizer):
    model = puzzle()
    given = batch(conversation, tokenizer.pad_token_id, [(q, "") for q, _ in ROWS], side="left")
    prompts, mask = given["input_ids"][:, :-1], given["attention_mask"][:, :-1]  # without the end of an empty answer
    how = {"pad_token_id": tokenizer.pad_token_id}
    together = model.generate(input_ids=prompts, attention_mask=mask, **how)[:, prompts.shape[1] :]
    for row, (question, _) in enumerate(ROWS):
        own = prompts[row][mask[row] == 1][None]
        alone = model.generate(input_ids=own, **how)[0, own.shape[1] :].tolist()
        assert together[row].tolist()[: len(alone)] == alone
        assert set(together[row].tolist()[len(alone) :]) <= {tokenizer.pad_token_id}
        assert len(alone) <= len(question) + 1 and tokenizer.eos_token_id in alone


def test_losses_add_up_over_parts_of_a_batch(puzzle, conversation, tokenizer):
    model = puzzle(halting=False).train()
    whole = batch(conversation, tokenizer.pad_token_id)
    items = (whole["labels"] != -100).sum()
    total = model(**whole, num_items_in_batch=items).loss
    parts = [model(**batch(conversation, tokenizer.pad_token_id, [row]), num_items_in_batch=items).loss for row in ROWS]
    assert total.item() == pytest.approx(sum(part.item() for part in parts), rel=1e-5)
    assert total.item() == pytest.approx(model(**whole).loss.item(), rel=1e-5)


# --- supervision, halting, steps at test ---------------------------------------------------------------------------


def test_every_supervision_step_is_taught_and_carries_no_gradient(puzzle, conversation):
    model = puzzle().train()
    ids, labels = conversation("10\n02", "12\n22")
    asked = model.questions(ids, None, labels)
    steps = list(model.steps(model.embedded(ids, asked), asked))
    assert len(steps) == 3
    losses = [step.logits.sum() for step in steps]
    (alone,) = torch.autograd.grad(losses[-1], model.layers[0].up_proj.weight)
    model.config.n_supervision_steps = 1
    y = []
    model.layers[-1].register_forward_hook(lambda *given: y.append(given[-1].requires_grad))
    list(model.steps(model.embedded(ids, asked), asked))
    assert y == [False] * 3 + [True] * 3, "with gradients is the last recursion alone"
    assert bool(alone.any())


def test_the_loss_is_the_mean_over_the_steps(puzzle, conversation):
    model = puzzle(halting=False)
    ids, labels = conversation("10\n02", "12\n22")
    losses = []
    for steps in (1, 2, 3):
        model.config.steps_at_test = steps
        losses.append(model(input_ids=ids, labels=labels).loss.item())
    assert len(set(losses)) == 3
    assert model.train()(input_ids=ids, labels=labels).loss.item() == pytest.approx(sum(losses) / 3, rel=1e-5)


def test_more_steps_are_taken_at_test_and_only_there(puzzle, conversation):
    model, applied = puzzle(halting=False, steps_at_test=7), []
    model.layers[0].register_forward_pre_hook(lambda *given: applied.append(1))
    ids, labels = conversation("10\n02", "12\n22")
    model(input_ids=ids, labels=labels)
    assert len(applied) == 7 * 2 * 3
    applied.clear()
    model.train()(input_ids=ids, labels=labels)
    assert len(applied) == 3 * 2 * 3


def test_steps_ahead_of_the_taught_ones_carry_on_without_gradients(puzzle, conversation, monkeypatch):
    """After k of them the loss is that of steps k + 1 to k + 3, and what is taken is the loss's alone to teach."""
    model = puzzle(halting=False, n_carry_steps=4)
    ids, labels = conversation("10\n02", "12\n22")
    losses, graded = [], []
    for steps in range(1, 8):
        model.config.steps_at_test = steps
        losses.append(model(input_ids=ids, labels=labels).loss.item())
    model.layers[0].register_forward_pre_hook(lambda *given: graded.append(torch.is_grad_enabled()))
    for carried in (0, 1, 4):
        monkeypatch.setattr(model, "carried", lambda carried=carried: carried)
        graded.clear()
        loss = model.train()(input_ids=ids, labels=labels).loss
        assert loss.item() == pytest.approx(sum(losses[carried : carried + 3]) / 3, rel=1e-5)
        assert graded == [False] * 6 * carried + ([False] * 3 + [True] * 3) * 3


def test_half_the_time_steps_go_ahead_and_only_in_training(puzzle):
    torch.manual_seed(0)
    model = puzzle(n_carry_steps=3)
    assert {model.eval().carried() for _ in range(50)} == {0}
    drawn = [model.train().carried() for _ in range(600)]
    assert {0, 1, 2, 3} == set(drawn)
    assert 240 < drawn.count(0) < 360 and all(60 < drawn.count(k) < 140 for k in (1, 2, 3))
    assert {puzzle().train().carried() for _ in range(50)} == {0}


def test_a_row_that_halts_keeps_its_answer_and_the_others_go_on(puzzle, conversation, tokenizer):
    model, free = puzzle(steps_at_test=6, halt_at_test=True), puzzle(steps_at_test=6)
    given = batch(conversation, tokenizer.pad_token_id)
    asked = model.questions(given["input_ids"], given["attention_mask"], given["labels"])
    with torch.no_grad():
        steps = list(model.steps(model.embedded(given["input_ids"], asked), asked))
        unhalted = list(free.steps(free.embedded(given["input_ids"], asked), asked))
    halts = torch.stack([step.halt > 0 for step in steps])
    first = torch.where(halts.any(0), halts.int().argmax(0), len(steps) - 1)
    assert halts.any(0).sum() > 0 and len(set(first.tolist())) > 1, "rows that halt at different steps"
    for row, at in enumerate(first.tolist()):
        assert torch.equal(steps[-1].logits[row], unhalted[at].logits[row])


def test_a_trained_model_is_loaded_with_other_steps_at_test(puzzle, conversation, tmp_path, small):
    puzzle().save_pretrained(tmp_path)
    options = PuzzleOptions(**small, steps_at_test=6, halt_at_test=True)
    loaded = TRMPuzzle().load(tmp_path, options).eval()
    ids, labels = conversation("10\n02", "12\n22")
    expected = puzzle(steps_at_test=6, halt_at_test=True)(input_ids=ids, labels=labels).loss
    assert torch.equal(loaded(input_ids=ids, labels=labels).loss, expected)
    assert not torch.equal(puzzle()(input_ids=ids, labels=labels).loss, expected)
    assert loaded.config.steps_at_test == 6 and loaded.config.halt_at_test


def test_a_question_with_more_places_than_the_model_is_refused(puzzle):
    with pytest.raises(ReasonError, match="a question of 64 tokens does not fit in the 64 places"):
        puzzle()(input_ids=torch.ones(1, 64, dtype=torch.long))


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ReasonError, match="d_model 30 is no multiple of n_head 4"):
        PuzzleOptions(d_model=30)


# --- cost --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("changes", [{}, {"halting": False}, {"n_latent_steps": 4}, {"d_model": 128}], ids=str)
def test_activations_are_what_autograd_saves(puzzle, changes, precision):
    tokenizer, length = byte_tokenizer(), 80
    shape = {"d_model": 64, "n_head": 4, "max_seq_len": 100, "mlp_expand": 2.0, **changes}
    model = puzzle(**shape).train()
    ids = torch.randint(3, len(tokenizer), (4, length))
    labels = ids.clone()
    labels[:, : length // 2] = -100
    options = PuzzleOptions(**{**shape, "n_latent_steps": model.config.n_latent_steps, "n_supervision_steps": 3})
    estimate = TRMPuzzle().estimate(options, Load(len(tokenizer), 4, length, precision))
    assert estimate.parameters == model.num_parameters()
    saved = saved_by(model, lambda: model(input_ids=ids, labels=labels).loss, precision)
    assert saved == pytest.approx(estimate.activations, rel=0.1)


def test_recomputing_changes_no_gradient_and_keeps_less(puzzle, conversation, tokenizer):
    model, given = puzzle().train(), batch(conversation, tokenizer.pad_token_id)
    model(**given).loss.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    whole = saved_by(model, lambda: model(**given).loss, "fp32")
    model.zero_grad()
    model.gradient_checkpointing_enable()
    model(**given).loss.backward()
    assert all(torch.allclose(p.grad, g, atol=1e-6) for p, g in zip(model.parameters(), gradients, strict=True))
    assert saved_by(model, lambda: model(**given).loss, "fp32") < whole / 2
    load = Load(261, 4, 64)
    less = dataclasses.replace(load, gradient_checkpointing=True)
    for options in PRESETS.values():
        assert TRMPuzzle().estimate(options, less).activations < TRMPuzzle().estimate(options, load).activations / 2
