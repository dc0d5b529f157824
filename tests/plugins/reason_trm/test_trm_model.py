"""The recursive reasoner on a language model: causality, padding, steps, losses and files."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from reason_trm.layout import Layout, thinking
from reason_trm.stretches import Stretches
from reason_trm.thinker import Thought
from reason_trm.trm_architecture import TRM, TRMOptions
from safetensors.torch import load_file
from transformers import Gemma2Config, Gemma2ForCausalLM, GraniteConfig, GraniteForCausalLM

from reason_cli import ReasonError
from reason_cli.testing import byte_tokenizer, check_architecture

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture(scope="module")
def trm(llama_base, tokenizer):
    """A function from options to a model in evaluation mode."""

    def make(**options):
        torch.manual_seed(0)
        return TRM().build(options_of(llama_base, **options), tokenizer).eval()

    return make


def options_of(base, **options):
    small = {"num_latents": 5, "d_latent": 32, "n_head": 4, "n_latent_steps": 2, "n_supervision_steps": 3}
    return TRMOptions(**{"base": str(base), "quantization": "none", "r": 4, **small, **options})


@pytest.fixture(scope="module")
def rows(tokenizer):
    """Rows (3, 20) that think before token 5, before token 11, and never."""
    ids = torch.randint(0, 256, (3, 20), generator=torch.Generator().manual_seed(1))
    ids[0, 5] = ids[1, 11] = ids[1, 14] = tokenizer.convert_tokens_to_ids("<think>")
    return ids


@torch.no_grad()
def logits(model, ids, mask=None):
    return model(input_ids=ids, attention_mask=mask).logits


# --- the contract -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"tune": "frozen", "halting": True}, {"tune": "full"}, {"use_trm": False}])
def test_contract(llama_base, options):
    check_architecture(TRM(), options_of(llama_base, **options))


def test_contract_where_rows_think(llama_base):
    """The byte 0x12 stands in the rows that the contract is proven on, before its changes and after."""
    check_architecture(TRM(), options_of(llama_base, trigger="\x12"))


# --- causality --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"steps_at_test": 6}, {"halting": True, "halt_at_test": True}], ids=str)
def test_nothing_sees_the_future(trm, rows, options):
    """Each token in turn is changed; what was said before it stays, and what comes after it changes."""
    model = trm(**options)
    before = logits(model, rows)
    for place in range(rows.shape[1]):
        changed = rows.clone()
        free = changed[:, place] < 256
        changed[free, place] = (changed[free, place] + 1) % 256
        after = logits(model, changed)
        assert torch.allclose(after[:, :place], before[:, :place], **CLOSE)
        assert bool((after[free, place:] != before[free, place:]).any(2).any(1).all())


def test_the_latents_are_a_function_of_the_text_before_the_trigger(trm, rows, monkeypatch):
    model, seen = trm(), []
    memory = model.thinker.memory
    monkeypatch.setattr(model.thinker, "memory", lambda y: seen.append(y) or memory(y))
    later, earlier = rows[:1].clone(), rows[:1].clone()
    later[:, 6:] = (later[:, 6:] + 1) % 256
    earlier[:, 2] = (earlier[:, 2] + 1) % 256
    for ids in (rows[:1], later, earlier):
        logits(model, ids)
    assert torch.equal(seen[0], seen[1]) and not torch.allclose(seen[0], seen[2], atol=1e-3)


def test_the_latents_are_seen_by_every_later_token_and_by_none_before(trm, rows):
    model = trm()
    before = logits(model, rows)
    with torch.no_grad():
        model.thinker.out_proj.weight.neg_()
    changed = (logits(model, rows) - before).abs().amax(2) > 1e-3
    assert changed[0].tolist() == [False] * 5 + [True] * 15
    assert changed[1].tolist() == [False] * 11 + [True] * 9, "the second trigger changes nothing"
    assert not changed[2].any()


def test_more_steps_are_other_latents(trm, rows):
    few, many = trm(), trm(steps_at_test=8)
    assert not torch.allclose(logits(few, rows)[0], logits(many, rows)[0], atol=1e-3)


# --- padding, batches, steps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right", "both", "inside"])
def test_padding_anywhere_changes_nothing(trm, rows, tokenizer, side):
    model = trm()
    lengths, width = (20, 14, 17), 24
    ids = torch.full((3, width), tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        places = {
            "left": range(width - length, width),
            "right": range(length),
            "both": range(2, 2 + length),
            "inside": [*range(3), *range(width - length + 3, width)],
        }[side]
        ids[row, list(places)], mask[row, list(places)] = rows[row, :length], 1
    together = logits(model, ids, mask)
    for row, length in enumerate(lengths):
        alone = logits(model, rows[row : row + 1, :length])[0]
        assert torch.allclose(together[row][mask[row].bool()], alone, **CLOSE)


@pytest.mark.parametrize("sizes", [[1] * 20, [5, 1, 5, 9], [12, 3, 5], [6, 14]], ids=str)
def test_pieces_of_any_size_give_what_the_whole_gives(trm, rows, sizes):
    model, past, said = trm(), None, []
    with torch.no_grad():
        for piece in rows.split(sizes, dim=1):
            output = model(input_ids=piece, cache_params=past, use_cache=True)
            past = output.cache_params
            said.append(output.logits)
    assert torch.allclose(torch.cat(said, 1), logits(model, rows), **CLOSE)
    assert past.seen == 20 and past.thought.tolist() == [True, True, False]


def test_prompts_of_different_lengths_answer_in_a_batch_as_alone(trm, tokenizer):
    """The prompts end with the trigger, hold it, or have none; the greedy answers go on for 12 tokens."""
    model = trm()
    texts = ["two and two<think>", "a<think>bc", "what is it?", "<think>"]
    prompts = [tokenizer(text)["input_ids"] for text in texts]
    width = max(map(len, prompts))
    ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(p)) + p for p in prompts])
    mask = (torch.arange(width) >= torch.tensor([[width - len(p)] for p in prompts])).long()
    how = {"max_new_tokens": 12, "min_new_tokens": 12, "do_sample": False, "pad_token_id": tokenizer.pad_token_id}
    batch = model.generate(input_ids=ids, attention_mask=mask, **how)[:, width:]
    for row, prompt in enumerate(prompts):
        one = torch.tensor([prompt])
        alone = model.generate(input_ids=one, attention_mask=torch.ones_like(one), **how)[0, len(prompt) :]
        assert batch[row].tolist() == alone.tolist()


def test_a_trigger_that_the_model_says_itself_is_thought_about(trm, tokenizer):
    """Told token by token, as in generation, or given at once: the same."""
    model, ids = trm(), torch.tensor([tokenizer("what<think>so")["input_ids"]])
    with torch.no_grad():
        past = model(input_ids=ids[:, :4], use_cache=True).cache_params
        assert past.states is not None and not past.thought.any()
        past = model(input_ids=ids[:, 4:5], cache_params=past, use_cache=True).cache_params
        assert past.states is None and past.thought.all(), "nothing is kept that is not needed any more"
        told = model(input_ids=ids[:, 5:], cache_params=past, use_cache=True).logits
    assert torch.allclose(told, logits(model, ids)[:, 5:], **CLOSE)


def test_layouts_move_tokens_and_bring_them_back():
    chosen = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]).bool()
    ids = torch.arange(12).view(3, 4)
    right, left = Layout.of(chosen, left=False), Layout.of(chosen, left=True)
    assert right.take(ids)[right.real].tolist() == left.take(ids)[left.real].tolist() == [0, 2, 3, 7]
    assert right.real.tolist() == [[True] * 3, [False, False, True], [False] * 3]
    assert left.real.tolist() == [[True] * 3, [True, False, False], [False] * 3]
    back = left.put(torch.zeros(3, 4, 1), left.take(ids)[..., None].float())
    assert back[..., 0].tolist() == [[0, 0, 2, 3], [0, 0, 0, 7], [0] * 4]
    assert thinking(torch.tensor([[1, 9, 1], [9, 9, 1]]), 9, torch.tensor([False, True])).int().tolist() == [
        [0, 1, 1],
        [0, 0, 0],
    ]


# --- the base -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "config", "own"),
    [
        (Gemma2ForCausalLM, Gemma2Config, {"head_dim": 16, "sliding_window": 8, "final_logit_softcapping": 0.5}),
        (GraniteForCausalLM, GraniteConfig, {"logits_scaling": 3.0, "embedding_multiplier": 2.0}),
    ],
    ids=["gemma2", "granite"],
)
def test_without_a_thinker_it_is_the_base(kind, config, own, rows, tokenizer, tmp_path):
    """Also where a base does more to its logits than its head."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    base = kind(config(**shape, **own, num_key_value_heads=1, vocab_size=len(tokenizer))).eval()
    base.save_pretrained(tmp_path)
    model = TRM().build(options_of(tmp_path, use_trm=False), tokenizer).eval()
    assert torch.allclose(logits(model, rows), base(input_ids=rows).logits, **CLOSE)
    labels = rows.masked_fill(rows % 3 == 0, -100)
    ours, theirs = (m(input_ids=rows, labels=labels).loss for m in (model, base))
    assert torch.allclose(ours, theirs, **CLOSE)


def test_a_token_that_the_base_lacks_is_added_and_saved(llama_base, tmp_path):
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens(["<ponder>"])
    options = options_of(llama_base, trigger="<ponder>", tune="frozen")
    model = TRM().build(options, tokenizer).eval()
    assert model.config.trigger == len(tokenizer) - 1 and model.num_parameters() > 0
    model.save_pretrained(tmp_path)
    assert "base.model.embed_tokens.weight" in load_file(tmp_path / "model.safetensors")
    ids = torch.tensor([[5, 6, len(tokenizer) - 1, 7]])
    assert torch.equal(logits(TRM().load(tmp_path, options).eval(), ids), logits(model, ids))


# --- training -------------------------------------------------------------------------------------------------------


def loss(model, ids, labels, **given):
    return model(input_ids=ids, labels=labels, **given).loss


def test_the_loss_is_that_of_the_logits_where_there_is_one_step(trm, rows):
    """Trained in one supervision step, and evaluated."""
    model = trm(n_supervision_steps=1, draft=0.0)
    labels = rows.masked_fill(rows % 4 == 0, -100)
    evaluated = loss(model, rows, labels)
    scores = logits(model, rows)[:, :-1].flatten(0, 1)
    assert torch.allclose(evaluated, torch.nn.functional.cross_entropy(scores, labels[:, 1:].flatten()), **CLOSE)
    assert torch.allclose(loss(model, rows, labels, skip_logits=True), evaluated, **CLOSE)
    model.train()
    assert torch.allclose(loss(model, rows, labels), evaluated, **CLOSE)
    items = int((labels[:, 1:] != -100).sum())
    assert torch.allclose(loss(model, rows, labels, num_items_in_batch=2 * items), evaluated / 2, **CLOSE)


def test_the_loss_after_the_trigger_is_the_mean_over_supervision_steps(trm, rows):
    """Of the first row all labels stand after the trigger."""
    ids = rows[:1]
    labels = ids.clone()
    labels[:, :6] = -100
    model = trm(draft=0.0)
    steps = []
    for count in (1, 2, 3):
        model.config.steps_at_test = count
        steps.append(loss(model, ids, labels))
    assert torch.allclose(loss(model.train(), ids, labels), torch.stack(steps).mean(), **CLOSE)
    assert len({round(step.item(), 5) for step in steps}) == 3


@pytest.mark.parametrize("options", [{}, {"tune": "full"}, {"tune": "frozen", "halting": True}], ids=str)
def test_recomputed_activations_give_the_same_gradients(trm, rows, options):
    found = []
    for recomputes in (False, True):
        model = trm(**options).train()
        if recomputes:
            model.gradient_checkpointing_enable()
        assert model._recomputes == recomputes
        value = loss(model, rows, rows)
        value.backward()
        found.append((value, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
    (plain, grads), (again, regrads) = found
    assert torch.allclose(plain, again, **CLOSE) and grads.keys() == regrads.keys()
    assert all(torch.allclose(grads[name], regrads[name], atol=1e-5, rtol=1e-3) for name in grads)


def test_the_draft_is_what_the_latents_say_of_the_tokens_after_the_trigger(trm, rows):
    """Row 0 thinks before token 5, of five tokens: its five latents draft tokens 6 to 10, after every step."""
    model = trm()
    ids, labels = rows[:1], rows[:1].clone()
    labels[:, :6] = -100
    said = []
    model.thinker.draft_proj.register_forward_hook(lambda module, given, output: said.append(output))
    after_the_last = loss(model, ids, labels)
    said.clear()
    trained = loss(model.train(), ids, labels)
    scores = model.score(torch.cat(said[-3:])).flatten(0, 1)
    drafted = torch.nn.functional.cross_entropy(scores, ids[0, 6:11].repeat(3), reduction="sum")
    assert torch.allclose(trained - after_the_last, drafted / 3 / 14, **CLOSE), "of 14 tokens that are trained"


@pytest.mark.parametrize(("options", "times"), [({}, 1), ({"draft": 0.0}, 3), ({"halting": True}, 3)], ids=str)
def test_what_follows_is_read_after_the_last_step_where_drafts_are_learned_by(trm, rows, monkeypatch, options, times):
    model = trm(**options).train()
    read, count = model.read_after, []
    monkeypatch.setattr(model, "read_after", lambda *given: count.append(1) or read(*given))
    loss(model, rows, rows)
    assert len(count) == times


def test_the_base_is_told_what_is_drafted(trm):
    """Each latent holds the tokens that it drafts by their probability, beside y; trained by y alone."""
    model, plain = trm(), trm(draft=0.0)
    plain.load_state_dict(model.state_dict(), strict=False)
    thought = Thought(torch.randn(2, 5, 32), None)
    chances = model.score(model.thinker.draft_proj(thought.y)).softmax(-1)
    told = model.memory(thought) - plain.memory(thought)
    assert torch.allclose(told, chances @ model.get_input_embeddings().weight, **CLOSE)
    model.memory(thought).sum().backward()
    assert model.thinker.draft_proj.weight.grad is None and model.thinker.out_proj.weight.grad is not None


@pytest.mark.parametrize(
    ("latents", "told"), [(5, [5, 6, 7, 8, 9]), (2, [6, 8]), (7, [5, 6, 7, 8, 9, 10, 11])], ids=str
)
def test_a_latent_has_the_position_of_the_token_that_says_what_it_drafts(trm, rows, monkeypatch, latents, told):
    """Row 0 has five tokens before the trigger, which has position 5."""
    model, seen = trm(num_latents=latents), []
    read = model.read
    monkeypatch.setattr(
        model, "read", lambda e, r, positions, past: seen.append(positions) or read(e, r, positions, past)
    )
    logits(model, rows[:1])
    assert seen[1][0].tolist() == told + list(range(5, 20))


def test_hints_are_tokens_of_the_answer_in_the_question_of_some_rows_in_training_alone(trm, rows, monkeypatch):
    """With all rows hinted at, and all that there is: the question says the first tokens of the answer."""
    model, plain = trm(hints=1.0), trm()
    assert torch.equal(logits(model, rows), logits(plain, rows))
    drawn, seen = iter([0.9, 0.8]), []
    monkeypatch.setattr(torch, "rand", lambda *shape, **how: torch.full((1, 1), next(drawn)))
    compress = model.thinker.compress
    monkeypatch.setattr(model.thinker, "compress", lambda states, s: seen.append(states) or compress(states, s))
    ids, labels = rows[:1], rows[:1].clone()
    labels[:, :6] = -100
    labels[:, 8] = -100
    loss(model, ids, labels)
    loss(model.train(), ids, labels)
    table, norm = model.get_input_embeddings(), model.thinker.norm
    change = norm(table(ids[:, 6:11])) - norm(table(ids[:, :5]))
    change[:, 2] = 0.0
    assert torch.allclose(seen[1] - seen[0], change, **CLOSE), "but for the token that is not learned"


def test_hints_are_drawn_for_their_share_of_rows(trm, rows):
    model, many = trm(hints=0.5), rows[:1].expand(400, -1)
    past = model(input_ids=many[:, :5], use_cache=True).cache_params
    stretches = Stretches.of(past.tokens, past.states_real, model.config)
    shown = model.hints(stretches, past.tokens, many[:, 6:11] + 1).abs().amax(2) > 0  # of tokens (400, 5)
    assert 0.3 < shown.any(1).float().mean() < 0.5 and 0.2 < shown.float().mean() < 0.3


@pytest.mark.parametrize("rounded", [False, True], ids=["fp32", "bf16"])
def test_every_part_learns_and_a_frozen_base_does_not(trm, rows, rounded):
    for tune, learns in (("frozen", False), ("lora", True), ("full", True)):
        model = trm(tune=tune, halting=True, num_latents=8).train()
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            value = loss(model, rows, rows)
        value.backward()
        grads = {name: float(p.grad.abs().sum()) for name, p in model.named_parameters() if p.grad is not None}
        thinker = [name for name, _ in model.named_parameters() if name.startswith("thinker.")]
        # A new LoRA's first factor learns once its second is no longer zero.
        assert all(grads[name] > 0 for name in thinker), tune
        assert any(name.startswith("base.") for name in grads) == learns


def test_the_halting_head_learns_whether_all_that_follows_is_right(trm, rows):
    model = trm(halting=True, n_supervision_steps=1).train()
    hidden = torch.randn(2, 4, 64)
    targets = model.score(hidden).argmax(-1)
    targets[0, 0] = -100
    assert model.right(hidden, targets).tolist() == [True, True]
    targets[1, 3] = (targets[1, 3] + 1) % 261
    assert model.right(hidden, targets).tolist() == [True, False]
    plain = trm(n_supervision_steps=1).train()
    plain.load_state_dict(model.state_dict(), strict=False)
    assert loss(model, rows[:2], rows[:2]).item() > loss(plain, rows[:2], rows[:2]).item()


def test_latents_that_are_held_to_be_right_are_kept(trm, rows):
    stays, goes_on = trm(halting=True, halt_at_test=True), trm(halting=True)
    for model in (stays, goes_on):
        torch.nn.init.constant_(model.thinker.halt_head.bias, 5.0)
    x = torch.randn(2, 5, 32)
    assert len(list(stays.thinker.thoughts(x))) == 1 and len(list(goes_on.thinker.thoughts(x))) == 3
    first = next(iter(goes_on.thinker.thoughts(x)))
    assert torch.equal(list(stays.thinker.thoughts(x))[-1].y, first.y)


# --- files and refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "holds_base"), [({}, False), ({"tune": "frozen"}, False), ({"tune": "full"}, True)], ids=str
)
def test_a_folder_holds_what_is_trained(trm, llama_base, rows, tmp_path, options, holds_base):
    model = trm(**options)
    model.save_pretrained(tmp_path)
    names = load_file(tmp_path / "model.safetensors").keys()
    assert ("base.model.embed_tokens.weight" in names) == holds_base and "thinker.focus" in names
    assert any("lora_A" in name for name in names) == (not options)
    loaded = TRM().load(tmp_path, options_of(llama_base, **options)).eval()
    assert torch.equal(logits(loaded, rows), logits(model, rows))
    trained = [{n for n, p in m.named_parameters() if p.requires_grad} for m in (model, loaded)]
    assert trained[0] == trained[1]


def test_another_base_is_refused(trm, llama_base, tmp_path):
    trm().save_pretrained(tmp_path)
    with pytest.raises(ReasonError, match=r"was trained on .*, not on other/base"):
        TRM().load(tmp_path, replace(options_of(llama_base), base="other/base"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"d_latent": 30, "n_head": 4}, "d_latent 30 is no multiple of n_head 4"),
        ({"tune": "frozen", "use_trm": False}, "nothing would be trained"),
        ({"tune": "full", "quantization": "nf4"}, "which model.quantization nf4 freezes"),
        ({"halt_at_test": True}, "halt_at_test needs model.halting"),
    ],
)
def test_options_that_do_not_go_together_are_refused(llama_base, options, said):
    with pytest.raises(ReasonError, match=said):
        options_of(llama_base, **options)


def test_a_trigger_of_several_tokens_is_refused(llama_base, tokenizer):
    with pytest.raises(ReasonError, match=r"model\.trigger 'hm' is 2 tokens"):
        TRM().build(options_of(llama_base, trigger="hm"), tokenizer)


def test_a_base_must_be_named(tokenizer):
    with pytest.raises(ReasonError, match=r"model\.base is not set"):
        TRM().tokenizer(TRMOptions())
