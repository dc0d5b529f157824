"""The calculator: results filled in while a model writes."""

from __future__ import annotations

import pytest
from support import run

from reason_cli.config import EvalOptions
from reason_cli.engine import tokenizers
from reason_cli.engine.filling import Calculator, completion
from reason_cli.engine.generate import Decoding, answer

# --- what follows a text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("He has <<48/2=", "24>>"),
        ("<<1+1=2>>2 and <<2*.25=", "0.5>>"),
        ("<<2*.25=.", "5>>"),
        ("<<2-5=-", "3>>"),
        ("<<1-1.5=-.", "5>>"),
        ("<<48/2=2", "4>>"),
        ("<<48/2= ", "24>>"),
        ("<<5*2=$", "10>>"),
        ("<<48/2=3", ""),
        ("<<48/2=24>", ""),
        ("<<48/2", ""),
        ("<<x=", ""),
        ("48/2=", ""),
        ("<48/2=", ""),
        ("<<48/2=24>>24=", ""),
        ("<<1=1=", ""),
    ],
)
def test_an_open_mark_asks_for_its_result(text, rest):
    assert completion(text) == rest


# --- generation --------------------------------------------------------------------------------------------------

SCRIPTS = {
    "twelve": "so <<12*12=" + "z" * 40,
    "a very long question about a seventh": "<<1/8=" + "y" * 40,
    "early": "no.",
    "two": "<<2+3=#, <<7-20=" + "w" * 40,
    "none": "<<2+=" + "v" * 40,
    "plain": "2+2=5, 3=" + "u" * 40,
}
FILLED = {
    "twelve": "so <<12*12=144>>zzz",
    "a very long question about a seventh": "<<1/8=0.125>>yyy",
    "two": "<<2+3=5>>",
    "none": "<<2+=vvv",
    "plain": "2+2=5, 3=uuu",
}


@pytest.fixture(scope="module", params=["bytes", "bpe:300", "a space in front"])
def any_tokenizer(request):
    """Bytes; pieces that hold several characters; and pieces of words, a space put before every text."""
    if request.param == "bytes":
        return tokenizers.build("bytes", [])
    if request.param == "bpe:300":
        return tokenizers.build("bpe:300", ["so <<12*12=144>>144 and <<1/8=0.125>>0.125 )= =. =-"] * 20)
    return spaced_tokenizer()


def spaced_tokenizer():
    """As SentencePiece's: `▁` for a space, one put before each text and taken from it again; unknown is bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *map(chr, range(33, 127)), "44", "▁4", ">>"]
    vocabulary = {piece: n for n, piece in enumerate(dict.fromkeys(pieces))}
    merges = [("4", "4"), ("▁", "4"), (">", ">")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(list(tokenizers.SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=tokenizers.END, pad_token=tokenizers.PAD, padding_side="left"
    )


@pytest.fixture
def scripted(any_tokenizer):
    """A model that says a script's n-th token as its n-th, whatever stands before it; `early` ends at once."""
    import torch

    from reason_cli.testing import TinyLlama, TinyLlamaOptions

    model = TinyLlama().build(TinyLlamaOptions(max_seq_len=256), any_tokenizer).eval()
    ends = any_tokenizer.eos_token_id
    scripts = {
        question: [*any_tokenizer.encode(text, add_special_tokens=False), *[ends] * (question == "early")]
        for question, text in SCRIPTS.items()
    }
    turn = {}

    def forward(input_ids, **kwargs):
        from transformers.modeling_outputs import CausalLMOutputWithPast

        if input_ids.shape[1] > 1:  # the prompts; what follows comes one token at a time
            asked = any_tokenizer.batch_decode(input_ids)
            turn.update(rows=[next(scripts[q] for q in scripts if f"{q}?" in text) for text in asked], number=0)
        logits = torch.zeros(*input_ids.shape, len(any_tokenizer))
        for i, script in enumerate(turn["rows"]):
            logits[i, -1, script[min(turn["number"], len(script) - 1)]] = 1.0
        turn["number"] += 1
        return CausalLMOutputWithPast(logits=logits)

    model.forward = forward
    return model


def said(scripted, tokenizer, questions, **options):
    prompts = [f"{question}?" for question in questions]
    answers = answer(scripted, tokenizer, prompts, Decoding(max_new_tokens=30, **options))
    return dict(zip(questions, answers, strict=True))


def test_results_are_filled_in_row_by_row(scripted, any_tokenizer):
    given = said(scripted, any_tokenizer, list(SCRIPTS), calculator=True)
    for question, start in FILLED.items():
        assert given[question].text.startswith(start), question
    assert (given["early"].text, given["early"].finished) == ("no.", True)


def test_without_the_calculator_the_model_is_left_alone(scripted, any_tokenizer):
    given = said(scripted, any_tokenizer, list(SCRIPTS))
    for question, script in SCRIPTS.items():
        assert script.startswith(given[question].text) and len(given[question].text) > 2


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_a_batch_gets_what_each_row_gets_alone(scripted, any_tokenizer, batch_size):
    together = said(scripted, any_tokenizer, list(SCRIPTS), calculator=True)
    assert together == said(scripted, any_tokenizer, list(SCRIPTS), calculator=True, batch_size=batch_size)
    for question in SCRIPTS:
        assert said(scripted, any_tokenizer, [question], calculator=True) == {question: together[question]}


def test_sampling_is_forced_too(scripted, any_tokenizer):
    def greedy_but_sampled(**options):
        return said(scripted, any_tokenizer, ["twelve"], temperature=0.01, top_p=0.9, **options)["twelve"].text

    assert greedy_but_sampled(calculator=True).startswith("so <<12*12=144>>zzz")
    assert greedy_but_sampled().startswith("so <<12*12=zzz")


def test_a_limit_in_the_midst_of_a_result_is_kept(scripted, any_tokenizer):
    (given,) = answer(scripted, any_tokenizer, ["twelve?"], Decoding(max_new_tokens=13, calculator=True))
    assert given.tokens == 13 and not given.finished


def test_results_are_tokenised_as_training_texts_are(any_tokenizer):
    mark = any_tokenizer.encode("<<12*12=144>>", add_special_tokens=False)
    whole = any_tokenizer.encode("<<12*12=", add_special_tokens=False)
    assert Calculator(any_tokenizer).follows(whole) == mark[len(whole) :]


def test_a_prompt_opens_no_mark(scripted, any_tokenizer):
    (given,) = answer(scripted, any_tokenizer, ["plain? <<1+1="], Decoding(max_new_tokens=20, calculator=True))
    assert given.text.startswith("2+2=5")


def test_the_option_reaches_generation():
    assert Decoding.of(EvalOptions()).calculator is False
    assert Decoding.of(EvalOptions(calculator=True)).calculator is True


def test_the_flag_is_recorded_in_the_results(trained, tiny):
    for flag, value in (("--calculator", True), ("--no-calculator", False)):
        (results,) = run(
            "eval", "additions", "--limit", 2, "--no-report", "--checkpoint", trained[0], flag, "--json"
        ).json()
        assert results["settings"]["calculator"] is value
