"""TorchScript: what is written says the same through the command, in plain torch, and whatever it was traced with."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from one_thread import one_thread  # noqa: F401
from reason_hybrid.architecture import Hybrid, HybridOptions
from reason_mamba.architecture import Mamba, MambaOptions
from reason_torchscript.exporter import TorchScript
from support import run

import reason_cli
from reason_cli import Exportable, ReasonError
from reason_cli.testing import TinyLlama, TinyLlamaOptions, byte_tokenizer

pytestmark = pytest.mark.xdist_group("torchscript")  # what one fixture exports, all of them read

HYBRID = {"d_state": 4, "expand": 2, "n_head": 2, "n_kv_head": 1, "head_dim": 8, "window": 6}
MODELS = {
    "mamba": (Mamba(), MambaOptions(d_model=32, n_layer=2, d_state=4)),
    "hybrid": (Hybrid(), HybridOptions(d_model=32, n_layer=2, recursion_expand=1.0, **HYBRID)),
    "llama": (TinyLlama(), TinyLlamaOptions(max_seq_len=512)),
}


@pytest.fixture(scope="module", params=MODELS)
def written(request, tmp_path_factory):
    """A model, the folder that it is saved in, and the folder that the command wrote."""
    architecture, options = MODELS[request.param]
    torch.manual_seed(0)
    tokenizer, folder = byte_tokenizer(), tmp_path_factory.mktemp(request.param)
    model = architecture.build(options, tokenizer).eval()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(20)  # so that what it says is decided
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    record = run(
        *("export", "torchscript", "--checkpoint", folder / "model", "--output", folder / "out", "--threads", "1"),
        "--json",
    ).json()
    return model, folder / "out", record


def test_the_command_proves_what_it_wrote(written):
    _, folder, record = written
    assert record["format"] == record["backend"] == "torchscript" and record["precision"] == "fp32"
    assert record["parity"]["largest_difference"] < 1e-4 and record["parity"]["token_agreement"] == 1
    assert {"lengths", "batches", "padding", "pieces", "said"} <= set(record["parity"]["differences"])
    assert {"model.pt", "README.md", "generate.py", "tokenizer.json"} <= {path.name for path in folder.iterdir()}


@torch.no_grad()
def test_other_shapes_again_and_again_give_the_same(written):
    """What torch makes of the file after some calls, for the shapes it has seen, must hold for others too."""
    model, folder, _ = written
    exported = TorchScript().load(folder, 1)
    for rows, length in ((1, 3), (1, 3), (1, 3), (4, 50), (1, 1), (2, 90), (1, 3)):
        ids = torch.randint(0, 256, (rows, length + 8))
        whole = model(input_ids=ids, use_cache=False).logits
        logits, state = exported.read(ids[:, :length], None, None, False)
        assert (logits - whole[:, :length]).abs().max() < 1e-4
        for column in range(length, length + 8):
            logits, state = exported.read(ids[:, column : column + 1], None, state, True)
            assert (logits[:, 0] - whole[:, column]).abs().max() < 1e-4


@torch.no_grad()
def test_the_inputs_have_names(written):
    _, folder, _ = written
    script, ids = torch.jit.load(folder / "model.pt"), torch.tensor([[5, 6, 7]])
    readme = (folder / "README.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `(\w+)` \| \(", readme, re.MULTILINE)
    states = dict(zip(names, script.start(ids), strict=True))
    keep = {"attention_mask": torch.ones_like(ids), "logits_to_keep": torch.tensor([2])}
    logits, *after = script(input_ids=ids, **keep, **states)
    assert torch.equal(logits, script(ids, *keep.values(), *states.values())[0])
    assert logits.shape[1] == 1 and len(after) == len(states)
    step = script.step(input_ids=ids[:, :1], **dict(zip(names, after, strict=True)))
    assert torch.equal(step[0], script.step(ids[:, :1], *after)[0])


def test_the_program_beside_it_says_what_the_model_says_by_torch_alone(written):
    model, folder, _ = written
    prompt = [72, 101, 108, 108, 111]
    code = (
        f"import sys, runpy; sys.argv = ['generate.py', '64', *{[*map(str, prompt)]}]\n"
        f"runpy.run_path({str(folder / 'generate.py')!r}, run_name='__main__')\n"
        "assert not {'transformers', 'reason_cli', 'reason_mamba'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    text = prompt.copy()
    with torch.no_grad():
        for _ in range(64):
            text.append(int(model(input_ids=torch.tensor([text]), use_cache=False).logits[0, -1].argmax()))
    assert [int(token) for token in done.stdout.split()] == text[5:] and not done.stderr


@torch.no_grad()
def test_the_example_of_its_readme_runs(written, monkeypatch, capsys):
    _, folder, _ = written
    monkeypatch.chdir(folder)
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(code, {})
    assert len(capsys.readouterr().out.split()) == 64


def source_of(graph):
    model = TinyLlama().build(TinyLlamaOptions(), byte_tokenizer())
    return Exportable(model, byte_tokenizer(), TinyLlama(), lambda loop: graph, "mine", None)


def test_no_folder_of_the_machine_that_traced_it_is_in_the_file(written):
    _, folder, _ = written
    with zipfile.ZipFile(folder / "model.pt") as file:
        texts = {name: file.read(name) for name in file.namelist()}
    assert not [name for name in texts if "debug" in name]
    here = [str(Path(module.__file__).parent).encode() for module in (reason_cli, torch)]
    assert not [name for name, text in texts.items() if any(place in text for place in here)]
    with pytest.raises(RuntimeError) as caught:  # a token that is none: torch says where in the code
        torch.jit.load(folder / "model.pt").step(torch.tensor([[10**6]]), *())
    assert not any(place.decode() in str(caught.value) for place in here)


def test_what_has_no_graph_is_refused(tmp_path):
    source = source_of(None)
    assert "tiny-llama" in TorchScript().refuses(source, None)
    with pytest.raises(ReasonError):
        TorchScript().export(source, tmp_path, None)


def test_what_cannot_be_read_is_an_error_in_one_line(tmp_path):
    with pytest.raises(ReasonError, match=r"no model\.pt"):
        TorchScript().load(tmp_path, 1)
    (tmp_path / "model.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(ReasonError, match="cannot read"):
        TorchScript().load(tmp_path, 1)
