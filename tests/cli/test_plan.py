"""`reason plan`: every preset with a verdict, for this machine or a card that is not there; what the profiles say."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from support import ROOT, run

from reason_cli import profiles
from reason_cli.engine.probe import Point, Speed
from reason_cli.plugins import build_switchboard

GIB = 2**30
PARTS = ("weights", "gradients", "optimizer", "activations", "logits", "heap")

# name -> GiB, precision
CARDS = {
    "rtx3060": (12, "bf16"),
    "rtx3070": (8, "bf16"),
    "rtx3080": (10, "bf16"),
    "rtx3090": (24, "bf16"),
    "rtx4070ti": (12, "bf16"),
    "rtx4080": (16, "bf16"),
    "rtx4090": (24, "bf16"),
    "rtx5090": (32, "bf16"),
    "a100-40gb": (40, "bf16"),
    "a100-80gb": (80, "bf16"),
    "h100": (80, "bf16"),
    "h200": (141, "bf16"),
    "t4": (15, "fp16"),
}

# Presets of every verdict on a card of 16 GiB, one with a name as long as any; its models cannot be built.
GIANTS = """
from reason_cli import Estimate, hookimpl
from reason_cli.testing import TinyLlama, TinyLlamaOptions

class Giant(TinyLlama):
    name = "giant"
    presets = {
        "giant-little-standard": TinyLlamaOptions(d_model=2048, n_layer=2, max_seq_len=2048),
        "giant-deep": TinyLlamaOptions(d_model=2048, n_layer=8, max_seq_len=16384),
        "giant-wide": TinyLlamaOptions(d_model=8192, n_layer=40, max_seq_len=2048),
    }

    def build(self, options, tokenizer):
        raise AssertionError("a plan builds no model")

    def estimate(self, options, load):
        whole = super().estimate(options, load)
        share = 20 if load.gradient_checkpointing else 1
        return Estimate(**{**vars(whole), "activations": whole.activations // share})

@hookimpl
def register_architectures():
    return [Giant()]
"""


@pytest.fixture
def giants(site):
    site.add("giants", GIANTS)


@pytest.fixture
def no_gpu():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")


def planned(*arguments):
    return run("plan", *arguments, "--json").json()


def by_preset(plan):
    return {row["preset"]: row for row in plan["presets"]}


# --- the list --------------------------------------------------------------------------------------------------------


def test_every_preset_of_every_architecture_has_a_verdict():
    plan = planned("--profile", "rtx4080")
    board = build_switchboard()
    presets = {name for name in board.names("architecture") if board.architecture(name).preset}
    assert presets <= set(by_preset(plan))
    assert plan["target"]["budget"] == 14 * GIB and plan["target"]["precision"] == "bf16"
    for row in plan["presets"]:
        best = row["best"]
        assert row["fits"] == (best["total"] <= plan["target"]["budget"])
        assert row["verdict"].startswith("fits" if row["fits"] else "too large: needs ")
        own = board.architecture(row["preset"]).architecture.settings.get(row["preset"], {})
        chosen = best["gradient_checkpointing"] and not own.get("train.gradient_checkpointing", False)
        assert ("checkpointing" in row["verdict"]) == (row["fits"] and chosen)
        assert best["micro_batch_size"] * best["gradient_accumulation_steps"] == 8
        for memory in (row["one_row"], best):
            assert memory["total"] == sum(memory[part] for part in PARTS)
            assert all(isinstance(memory[part], int) for part in PARTS)
        assert row["tokens_per_second"] is None and row["seconds"] is None


def test_the_parameters_are_those_of_the_architecture():
    from reason_cli import Load

    board = build_switchboard()
    for row in planned("--profile", "rtx4080", "--tokenizer", "bpe:1000")["presets"]:
        choice = board.architecture(row["preset"])
        options = choice.preset or choice.architecture.Options()
        assert row["parameters"] == choice.architecture.estimate(options, Load(1000)).parameters


def test_each_verdict_is_given_where_it_is_true(giants):
    found = by_preset(planned("--arch", "giant", "--profile", "rtx4080"))
    assert found["giant-little-standard"]["verdict"] == "fits"
    assert found["giant-deep"]["verdict"] == "fits with gradient checkpointing"
    needs = found["giant-wide"]["best"]["total"]
    assert found["giant-wide"]["verdict"] == f"too large: needs {needs / GIB:,.0f} GiB"


def test_what_is_asked_for_is_not_undone(giants):
    kept = by_preset(planned("--arch", "giant", "--profile", "rtx4080", "--no-gradient-checkpointing"))
    assert not any(row["best"]["gradient_checkpointing"] for row in kept.values())
    assert kept["giant-deep"]["verdict"].startswith("too large")
    asked = by_preset(planned("--arch", "giant", "--profile", "rtx4080", "--gradient-checkpointing"))
    assert asked["giant-deep"]["verdict"] == "fits" and asked["giant-deep"]["best"]["gradient_checkpointing"]


def test_one_preset_is_planned_alone_and_an_architecture_with_its_own():
    assert set(by_preset(planned("--arch", "medium-lite", "--profile", "rtx3070"))) == {"medium-lite"}
    found = {row["architecture"] for row in planned("--arch", "mamba", "--profile", "rtx3070")["presets"]}
    assert found == {"mamba"}


def test_a_larger_card_never_recomputes_more_or_takes_fewer_rows_and_recommends_nothing_smaller():
    def ease(row):
        best = row["best"]
        return row["fits"], not best["gradient_checkpointing"], best["micro_batch_size"]

    cards = ("rtx3070", "rtx4080", "rtx4090", "h100")
    plans = [planned("--arch", "mamba", "--profile", name) for name in cards]
    rows = [[ease(row) for row in plan["presets"]] for plan in plans]
    assert all(a <= b for less, more in pairwise(rows) for a, b in zip(less, more, strict=True))
    assert rows[0] != rows[-1]
    best = [by_preset(plan)[plan["recommended"]["mamba"]]["parameters"] for plan in plans]
    assert best == sorted(best) and best[0] < best[-1]


def test_what_is_recommended_trains_at_full_speed(giants):
    for card in CARDS:
        plan = planned("--profile", card)
        rows = by_preset(plan)
        for architecture, preset in plan["recommended"].items():
            best = rows[preset]["best"]
            assert rows[preset]["fits"] and not best["gradient_checkpointing"]
            tokens = best["micro_batch_size"] * rows[preset]["length"]
            assert best["gradient_accumulation_steps"] == 1 or tokens >= 4096
            assert rows[preset]["architecture"] == architecture


def test_length_and_memory_may_be_given():
    short = by_preset(planned("--arch", "small", "--vram", "16", "--device", "cuda", "--seq-len", 64))["small"]
    long = by_preset(planned("--arch", "small", "--vram", "16gb", "--device", "cuda"))["small"]
    assert short["length"] == 64 and long["length"] == 2048
    assert long["one_row"]["activations"] > 5 * short["one_row"]["activations"]
    assert long["weights"] == short["weights"]


def test_a_row_is_what_train_would_resolve(monkeypatch):
    monkeypatch.setenv("REASON_TRAIN_GRADIENT_ACCUMULATION_STEPS", "4")
    row = by_preset(planned("--arch", "small", "--profile", "rtx4080", "--set", "model.n_layer=2"))["small"]
    best = row["best"]
    assert best["micro_batch_size"] * best["gradient_accumulation_steps"] == 32
    assert row["parameters"] < by_preset(planned("--arch", "small", "--profile", "rtx4080"))["small"]["parameters"]


def test_this_machine_is_planned_for_unless_another_is_named():
    import psutil

    target = planned("--device", "cpu")["target"]
    assert target["here"] and target["name"] and target["precision"] == "fp32"
    assert 0 < target["budget"] < target["memory"] <= psutil.virtual_memory().total
    assert not planned("--profile", "rtx4080", "--vram", "1000")["target"]["here"]


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(monkeypatch):
    """A terminal of a hundred columns."""
    from reason_cli.cli import display

    monkeypatch.setattr(display.out, "width", 100)


def test_a_person_can_read_it_on_a_hundred_columns(giants, narrow):
    text = run("plan", "--profile", "rtx4080").ok().out
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    table = {line.split()[0]: line.split() for line in lines if line.startswith("giant-")}
    for preset, row in by_preset(planned("--arch", "giant", "--profile", "rtx4080")).items():
        shown = table[preset]
        assert shown[4] == (str(row["best"]["micro_batch_size"]) if row["fits"] else "-")
        assert float(shown[3]) == pytest.approx(row["one_row"]["total"] / GIB, rel=0.06)
    assert "fits with checkpointing" in text and "too large: needs " in text
    assert "profile rtx4080: cuda, not this machine, 16.0 GiB" in text and "training may take 14.0 GiB" in text
    recommended = text.partition("recommended: ")[2].split()
    assert "(giant)" in " ".join(recommended) and "giant-little-standard" in recommended


def test_with_speeds_it_still_is_a_hundred_columns_wide(giants, kept_speed, narrow):
    text = run("plan", "--device", "cpu").ok().out
    assert "tokens/s" in text and "an estimate for all others" in text
    assert max(map(len, text.splitlines())) <= 100


# --- speed -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept_speed(monkeypatch):
    """Every architecture was measured here before: 1,000 tokens a second at 20 million operations a token."""
    from reason_cli.engine.probe import SpeedCache

    speed = Speed("bf16", (Point("some", 20_000_000, 1000.0),))
    monkeypatch.setattr(SpeedCache, "find", lambda self, key: speed)


def test_what_was_measured_comes_back_and_the_rest_follows_by_operations():
    speed = Speed("fp32", (Point("b", 400, 50.0), Point("a", 100, 100.0)))
    assert speed.tokens_per_second(100, False) == pytest.approx(100)
    assert speed.tokens_per_second(400, False) == pytest.approx(50)
    assert speed.tokens_per_second(100, True) == pytest.approx(75), "one forward pass more on top of three"
    assert 50 < speed.tokens_per_second(200, False) < 100
    assert speed.tokens_per_second(4000, False) == pytest.approx(5), "the operations a second of the largest"
    assert speed.tokens_per_second(10, False) == pytest.approx(1000), "and those of the smallest"


def test_the_time_is_that_of_the_schedule(kept_speed):
    row = by_preset(planned("--arch", "small", "--device", "cpu", "--max-steps", 10))["small"]
    assert row["tokens_per_second"] == pytest.approx(1000 * 20_000_000 / row["flops_per_token"])
    assert row["seconds"] == pytest.approx(10 * 8 * 2048 / row["tokens_per_second"])
    limited = planned("--arch", "small", "--device", "cpu", "--max-steps", 10, "--max-minutes", 0.5)
    assert by_preset(limited)["small"]["seconds"] == pytest.approx(30)


def test_a_probe_is_kept_for_this_machine_and_for_no_other(tiny, no_gpu):
    asked = ("--arch", "tiny-llama", "--device", "cpu", "--threads", "1")
    assert planned(*asked)["speeds"] == {}
    probed = run("plan", *asked, "--probe", "--json")
    assert probed.err.count("probe: tiny-llama") == 1 and len(probed.err.splitlines()) == 1
    measured = probed.json()["speeds"]["tiny-llama"]
    assert [point["preset"] for point in measured["measured"]] == ["tiny-llama-wide"]
    rate = measured["measured"][0]["tokens_per_second"]
    assert math.isfinite(rate) and rate > 0
    again = planned(*asked, "--set", "model.max_seq_len=64")
    assert again["speeds"]["tiny-llama"] == measured
    assert by_preset(again)["tiny-llama-wide"]["tokens_per_second"] == pytest.approx(rate, rel=0.05)
    for other in (("--precision", "bf16"), ("--set", "model.n_layer=1"), ("--profile", "rtx4080", "--device", "cuda")):
        assert planned(*asked, *other)["speeds"] == {}


def test_a_probe_takes_the_smallest_and_one_not_much_larger_and_no_longer_than_it_may(giants, monkeypatch):
    from reason_cli.engine import probe

    giant = build_switchboard().architecture("giant").architecture
    sizes = {16: 3, 32: 3, 64: 3, 1024: 3}
    subjects = [
        probe.Subject(f"d{d}", giant, giant.Options(d_model=d, n_layer=n), 300, 1, 16)
        for d, n in reversed(sizes.items())
    ]
    picked = probe.chosen(subjects)
    assert [subject.preset for subject in picked] == ["d16", "d32"]
    assert probe.chosen(subjects[:1]) == subjects[:1]
    monkeypatch.setattr(probe, "_model", lambda subject: FakeModel())
    monkeypatch.setattr(probe, "_seconds", lambda *timed: 100.0)
    import torch

    said = []
    speed = probe.measure(subjects, torch.device("cpu"), "fp32", said.append)
    assert [point.preset for point in speed.points] == ["d16"], "at 100 s a step of the first, the second takes minutes"
    assert speed.points[0].tokens_per_second == pytest.approx(16 / 100) and len(said) == 1


class FakeModel:
    def to(self, device):
        return self


def test_a_damaged_speed_is_none(tiny, tmp_path):
    asked = ("--arch", "tiny-llama", "--device", "cpu", "--threads", "1")
    run("plan", *asked, "--probe").ok()
    (kept,) = (tmp_path / "cache" / "reason" / "speeds").iterdir()
    for text in ("", "[]", '{"precision": "fp32", "points": [{}]}', '{"precision": "fp32", "points": []}'):
        kept.write_text(text, encoding="utf-8")
        assert planned(*asked)["speeds"] == {}, text


# --- the picture -----------------------------------------------------------------------------------------------------


def test_the_picture_is_a_png_or_an_svg_that_names_presets_and_parts(giants, tmp_path):
    png, svg = tmp_path / "memory.png", tmp_path / "memory.svg"
    said = run("plan", "--arch", "giant", "--profile", "rtx4080", "--plot", png).ok()
    assert png.read_bytes().startswith(b"\x89PNG") and f"plot: {png}" in said.err
    run("plan", "--arch", "giant", "--profile", "rtx4080", "--plot", svg, "--json").json()
    text = "".join(ElementTree.fromstring(svg.read_text(encoding="utf-8")).itertext())
    for word in ("giant-little-standard", "giant-wide", *PARTS, "14.0 GiB", "too large", "rtx4080"):
        assert word in text, word


# --- the profiles ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CARDS)
def test_each_card_has_its_memory_and_its_precision(name):
    gib, precision = CARDS[name]
    assert profiles.find(name).settings == {
        "hardware": {"device": "cuda", "vram": f"{gib}gb", "precision": precision},
    }


def test_the_profiles_of_a_device_without_memory_of_its_own_take_what_is_free():
    of = lambda name: profiles.find(name).settings["hardware"]  # noqa: E731
    assert of("cpu") == {"device": "cpu", "vram": "", "precision": "auto"}
    assert of("apple-mps") == {"device": "mps", "vram": "", "precision": "fp32"}


def test_every_hardware_profile_is_one_of_these():
    hardware = {path.stem for path in (ROOT / "profiles").glob("*.toml") if "[hardware]" in path.read_text("utf-8")}
    assert hardware == {*CARDS, "cpu", "apple-mps"}


# --- what is not there, and what is no good --------------------------------------------------------------------------


def test_training_on_a_card_that_is_not_there_says_how_to_go_on(no_gpu, tmp_path):
    result = run("train", "--profile", "rtx4080", "--arch", "small", "--output", tmp_path / "run")
    assert result.code == 1 and not (tmp_path / "run").exists()
    for words in (
        "'cuda'",
        "profile rtx4080",
        "only cpu",
        "--dry-run",
        "--profile cpu",
        "`reason plan --profile rtx4080`",
    ):
        assert words in result.error_line
    added = run("train", "--profile", "rtx4080", "--profile", "cpu", "--arch", "small", "--dry-run").ok().out
    assert any(line.split()[:2] == ["hardware.device", "cpu"] for line in added.splitlines())


@pytest.mark.parametrize("more", [(), ("--no-vram-auto",), ("--micro-batch-size", 3), ("--set", "train.max_steps=7")])
def test_a_dry_run_plans_the_same(giants, more):
    asked = ("--arch", "giant-deep", "--profile", "rtx4080", *more)
    lines = run("train", *asked, "--dry-run").ok().out.splitlines()
    told = {line.split()[0]: line for line in lines if line.split()[:1] and line.split()[0] in ("rows", "verdict")}
    row = by_preset(planned(*asked))["giant-deep"]
    best = row["best"]
    assert told["rows"].split()[1] == str(best["micro_batch_size"])
    assert ("recomputed" in told["rows"]) == best["gradient_checkpointing"]
    assert row["verdict"] in told["verdict"] and "14 GiB" in told["verdict"] and "profile rtx4080" in told["verdict"]


def test_without_the_planner_rows_go_through_as_asked(giants):
    row = by_preset(planned("--arch", "giant-deep", "--profile", "rtx4080", "--no-vram-auto"))["giant-deep"]
    assert row["best"]["micro_batch_size"] == 8 and not row["best"]["gradient_checkpointing"]
    assert row["verdict"].startswith("too large")


def test_a_dry_run_for_a_card_of_unknown_memory_shows_the_rest(no_gpu):
    text = run("train", "--arch", "small", "--device", "cuda", "--dry-run").ok().out
    assert "parameters 25,085" in text and "--vram" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "rtx4880"], "unknown profile 'rtx4880'; did you mean 'rtx4080'?"),
        (["--arch", "smal"], "unknown architecture 'smal'; did you mean 'small'?"),
        (["--vram", "lots"], "hardware.vram cannot be 'lots'"),
        (["--vram", "0"], "hardware.vram cannot be '0'"),
        (["--vram", "-4"], "hardware.vram cannot be '-4'"),
        (["--seq-len", "0"], "model.max_seq_len cannot be 0"),
        (["--seq-len", "x"], "invalid value for '--seq-len'"),
        (["--tokenizer", "bpe:3"], "cannot make tokenizer 'bpe:3'"),
        (["--plot", "memory.pdf"], "cannot draw 'memory.pdf'; name a file that ends in .png or .svg"),
        (["--probe", "--profile", "rtx4080", "--vram", "1000"], "--probe times this machine"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_word_is_one_line(arguments, said):
    result = run("plan", *arguments)
    assert result.code == 2 and said in result.error_line and result.out == ""


def test_a_device_without_a_known_memory_cannot_be_planned_for(no_gpu):
    result = run("plan", "--device", "cuda")
    assert result.code == 2 and "--vram" in result.error_line


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path):
    result = run("plan", "--profile", "rtx4080", "--plot", tmp_path / "none" / "memory.png")
    assert result.code == 1 and "cannot write" in result.error_line and "No such file" in result.error_line


def test_no_digit_is_lost_on_forty_columns(giants, monkeypatch):
    from reason_cli.cli import display

    def table():
        lines = run("plan", "--profile", "rtx4080").ok().out.splitlines()
        return {line.split()[0]: line.split()[:6] for line in lines if line.startswith("giant-")}

    monkeypatch.setattr(display.out, "width", 100)
    wide = table()
    monkeypatch.setattr(display.out, "width", 40)
    assert table() == wide and wide


def test_a_cards_memory_that_cannot_be_read_stops_a_dry_run_too(tiny):
    result = run("train", "--arch", "mamba", "--dataset", "additions", "--vram", "12parsecs", "--dry-run")
    assert result.code == 2 and "hardware.vram cannot be '12parsecs'" in result.error_line
