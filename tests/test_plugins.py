"""The switchboard: what plugins offer is found by name, and what one breaks stays its own affair."""

from __future__ import annotations

import re

import pytest
from support import TINY_PLUGIN, run, spawn

from reason_cli.errors import ReasonError
from reason_cli.plugins import HOOKS, build_switchboard


def facts(name):
    """A plugin's row of `reason plugins --json`."""
    rows = run("plugins", "--json").json()["plugins"]
    return next(row for row in rows if row["name"] == name)


COMMAND = """
import click
from reason_cli import hookimpl

@click.command("{name}")
@click.argument("whom")
@click.option("--exit", "code", default=0)
@click.pass_context
def command(ctx, whom, code):
    "Greet somebody."
    click.echo(f"hello {{whom}}")
    ctx.exit(code) if code else None
    return 7

@hookimpl
def register_commands():
    return [command]
"""

BROKEN = {
    "import": ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
    "syntax": ("def f(:", "SyntaxError"),
    "exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "misspelt": (
        "from reason_cli import hookimpl\n@hookimpl\ndef register_dataset(): return []",
        "unknown hook 'register_dataset'; did you mean 'register_datasets'?",
    ),
    "unmarked": ("def register_datasets(): return []", "it has no hook"),
    "raises": (
        "from reason_cli import hookimpl\n@hookimpl\ndef register_datasets(): raise KeyError('oops')",
        "KeyError: 'oops'",
    ),
    "nothing": (
        "from reason_cli import hookimpl\n@hookimpl\ndef register_datasets(): pass",
        "TypeError",
    ),
    "class": (
        "from reason_cli import hookimpl\nfrom reason_cli.testing import Additions\n"
        "@hookimpl\ndef register_datasets(): return [Additions]",
        "is no DatasetFormatter; give an instance of a subclass",
    ),
    "kind": (
        "from reason_cli import hookimpl\nfrom reason_cli.testing import Additions\n"
        "@hookimpl\ndef register_extractors(): return [Additions()]",
        "is no AnswerExtractor",
    ),
    "nocommand": (
        "from reason_cli import hookimpl\n@hookimpl\ndef register_commands(): return ['train']",
        "is no click.Command with a name",
    ),
    "builtin": (COMMAND.format(name="train"), "its command 'train' is built in; name it otherwise"),
    "needs": (
        "from reason_cli import hookimpl\n@hookimpl\ndef register_datasets(wrong): return []",
        "",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_reported_by_name_and_left_out(site, kind):
    code, why = BROKEN[kind]
    site.add("bad", code)
    site.add("tiny", TINY_PLUGIN)
    row = facts("bad")
    assert row["status"].startswith("FAILED: ") and why in row["status"] and "\n" not in row["status"]
    assert row["provides"] == {} and row["distribution"] == "reason-bad"
    assert facts("tiny")["status"] == facts("mamba")["status"] == "ok"
    listed = run("plugins")
    warnings = listed.err.splitlines()
    assert len(warnings) == 1 and warnings[0].startswith("warning: plugin 'bad' is left out: ") and why in warnings[0]
    assert "FAILED" in listed.ok().out


def test_a_broken_plugin_takes_no_command_down(site):
    site.add("bad", BROKEN["import"][0])
    site.add("worse", BROKEN["raises"][0])
    for command in (["--help"], ["train", "--help"], ["profiles"], ["plugins"], ["--version"]):
        result = run(*command).ok()
        assert "Traceback" not in result.err
    result = spawn("profiles").ok()
    assert sorted(line.split(":")[1] for line in result.err.splitlines()) == [
        " plugin 'bad' is left out",
        " plugin 'worse' is left out",
    ]


def test_half_of_a_plugin_is_not_taken(site):
    site.add("half", TINY_PLUGIN + "\n@hookimpl\ndef register_commands(): raise RuntimeError('late')\n")
    assert facts("half")["provides"] == {}
    result = run("train", "--arch", "tiny-llama", "--dry-run")
    assert result.code == 2 and "unknown architecture 'tiny-llama'" in result.err


def test_what_is_disabled_is_not_even_imported(site, monkeypatch):
    site.add("bad", "raise SystemExit('imported')")
    site.add("tiny", TINY_PLUGIN)
    monkeypatch.setenv("REASON_DISABLE_PLUGINS", "bad, tiny")
    assert facts("bad")["status"] == facts("tiny")["status"] == "disabled"
    assert facts("tiny")["provides"] == {}
    assert run("plugins").err == ""
    assert run("train", "--arch", "tiny-llama", "--dry-run").code == 2


def test_everything_may_be_disabled(monkeypatch):
    names = [row["name"] for row in run("plugins", "--json").json()["plugins"]]
    assert {"answers", "mamba", "onnx", "trm"} <= set(names)
    monkeypatch.setenv("REASON_DISABLE_PLUGINS", ",".join(names))
    assert {row["status"] for row in run("plugins", "--json").json()["plugins"]} == {"disabled"}
    run("--help").ok()
    assert "unknown architecture 'small'" in run("train", "--dry-run").error_line


def test_the_list_says_where_a_plugin_is_from_and_what_it_provides(tiny):
    row = facts("tiny")
    assert (row["distribution"], row["version"], row["status"]) == ("reason-tiny", "1.2.3", "ok")
    assert row["provides"] == {
        "architecture": ["tiny-llama", "tiny-llama-wide"],
        "dataset": ["additions"],
        "extractor": ["last-word"],
        "exporter": ["state-dict"],
    }
    text = run("plugins").ok().out
    assert "reason-tiny 1.2.3" in text and "additions" in text


def test_a_plugins_command_is_dispatched_as_a_built_in_one(site):
    site.add("greet", COMMAND.format(name="greet"))
    assert run("greet", "Ada").ok().out == "hello Ada\n"
    assert run("greet", "Ada", "--exit", "3").code == 3
    assert "Greet somebody." in run("--help").ok().out
    assert "Greet somebody." in run("greet", "--help").ok().out
    wrong = run("greet")
    assert wrong.code == 2 and "missing argument 'WHOM'" in wrong.error_line
    assert "did you mean 'greet'?" in run("gret").error_line
    assert spawn("greet", "Ada").ok().out == "hello Ada\n"


def test_a_bug_in_a_plugins_command_keeps_its_traceback(site):
    site.add("crash", COMMAND.format(name="crash").replace("hello {whom}", "{1/0}"))
    result = spawn("crash", "x")
    assert result.code == 1 and "Traceback" in result.err and "ZeroDivisionError" in result.err


def test_an_error_for_people_in_a_plugins_command_is_one_line(site):
    code = COMMAND.format(name="sorry").replace('click.echo(f"hello {whom}")', "raise ReasonError('no', 'try yes')")
    site.add("sorry", "from reason_cli import ReasonError\n" + code)
    result = run("sorry", "x")
    assert result.code == 1 and result.error_line == "error: no; try yes"


# --- two plugins, one name -----------------------------------------------------------------------------------


@pytest.fixture
def contested(site):
    """Two plugins that both offer all of the tiny plugin's names; the second one name more."""
    site.add("one", TINY_PLUGIN)
    more = TINY_PLUGIN.replace("[Additions()]", "[Additions(), More()]").replace(
        "@hookimpl\ndef register_datasets",
        "class More(Additions):\n    name = 'more'\n\n@hookimpl\ndef register_datasets",
    )
    site.add("two", more)
    return site


def test_a_contested_name_is_an_error_that_names_both(contested):
    for arguments in (
        ["train", "--arch", "tiny-llama", "--dry-run"],
        ["train", "--arch", "tiny-llama-wide", "--dry-run"],
        ["train", "--arch", "small", "--tokenizer", "bytes", "--dataset", "additions", "--dry-run"],
    ):
        result = run(*arguments)
        assert result.code == 2
        assert "is offered by plugins 'one' and 'two'" in result.error_line
        assert "REASON_DISABLE_PLUGINS=" in result.error_line


def test_only_the_contested_name_suffers(contested):
    run("train", "--arch", "small", "--tokenizer", "bytes", "--dataset", "more", "--dry-run").ok()
    run("--help").ok()
    conflicts = run("plugins", "--json").json()["conflicts"]
    assert "dataset 'additions' is offered by plugins 'one' and 'two'" in conflicts and len(conflicts) == 5
    assert "conflict: dataset 'additions'" in run("plugins").ok().out


def test_disabling_one_of_the_two_resolves_it(contested, monkeypatch):
    monkeypatch.setenv("REASON_DISABLE_PLUGINS", "one")
    run("train", "--arch", "tiny-llama", "--dataset", "additions", "--dry-run").ok()


def test_a_contested_command_is_refused_and_the_help_survives(site):
    site.add("one", COMMAND.format(name="greet"))
    site.add("two", COMMAND.format(name="greet"))
    run("--help").ok()
    result = run("greet", "Ada")
    assert result.code == 2 and "command 'greet' is offered by plugins 'one' and 'two'" in result.error_line


def test_two_distributions_may_use_one_short_name(site):
    site.add("tiny", TINY_PLUGIN, distribution="reason-tiny")
    site.add("tiny", COMMAND.format(name="greet"), distribution="another-tiny")
    rows = [row for row in run("plugins", "--json").json()["plugins"] if row["name"] == "tiny"]
    assert sorted(row["distribution"] for row in rows) == ["another-tiny", "reason-tiny"]
    assert {row["status"] for row in rows} == {"ok"}
    assert run("greet", "Ada").ok().out == "hello Ada\n"


def test_a_plugin_that_clashes_with_itself_says_so(site):
    site.add("twice", TINY_PLUGIN.replace("[Additions()]", "[Additions(), Additions()]"))
    conflicts = run("plugins", "--json").json()["conflicts"]
    assert any("dataset 'additions'" in line for line in conflicts)


# --- lookups -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--arch", "smal", "--dry-run"], "unknown architecture 'smal'; did you mean 'small'?"),
        (
            ["train", "--arch", "tiny-llama", "--dataset", "word-problem", "--dry-run"],
            "unknown dataset 'word-problem'; did you mean 'word-problems'?",
        ),
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
    ],
)
def test_an_unknown_name_suggests(tiny, arguments, said):
    result = run(*arguments)
    assert result.code == 2 and said in result.error_line


def test_every_board_is_its_own():
    first, second = build_switchboard(), build_switchboard()
    assert first.manager is not second.manager
    assert first.names("dataset") == second.names("dataset") != []


def test_the_hooks_of_the_switchboard_are_those_that_are_specified():
    from reason_cli import hookspecs

    specified = {name for name in vars(hookspecs) if name.startswith("register_")}
    assert specified == set(HOOKS)
    assert all(getattr(hookspecs, name).__doc__ for name in HOOKS)
    assert all("return" in getattr(hookspecs, name).__annotations__ for name in HOOKS)


# --- datasets by name ----------------------------------------------------------------------------------------------


def test_a_dataset_goes_by_its_name_its_variants_and_its_hub_ids():
    board = build_switchboard()
    assert board.dataset("openai/gsm8k").name == board.dataset("gsm8k").name == "gsm8k"
    assert board.dataset("gsm8k/socratic").hub.config == "socratic"
    assert board.dataset("hendrycks/competition_math") is board.dataset("math")
    assert board.dataset("reasoning-gym/chain_sum").generate("train", 0, None) is not None
    assert board.find_dataset("owner/unknown") is None and board.universal_dataset().universal


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gsm9k", "unknown dataset 'gsm9k'; did you mean 'gsm8k'"),
        ("gsm8k/socratik", "has no variant 'socratik'; did you mean 'socratic'"),
        ("reasoning-gym/chain_sums", "did you mean 'chain_sum'"),
        ("svamp/main", "has no variant 'main'; it has none"),
    ],
)
def test_an_unknown_dataset_suggests(name, said):
    with pytest.raises(ReasonError, match=re.escape(said)) as error:
        build_switchboard().dataset(name)
    assert error.value.usage
