"""`reason export hf`: folders that say what the model says, with and without this project installed."""

import ast
import json
import subprocess
import sys

import pytest
import torch
from reason_hf.exporter import HuggingFace, HuggingFaceOptions
from reason_trm.puzzle_architecture import TRMPuzzle

from reason_cli import Exportable

pytestmark = pytest.mark.xdist_group("hf")  # what one fixture exports, all of them read

# Another environment: nothing of this project can be imported.
ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("reason_"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import json, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    how = {} if json.load(open(folder + "/config.json"))["model_type"] == "mamba" else {"trust_remote_code": True}
    model = AutoModelForCausalLM.from_pretrained(folder, **how).eval()
    ids = torch.tensor([AutoTokenizer.from_pretrained(folder, **how)("2 + 2 is <think> what")["input_ids"]])
    said = model.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=None, pad_token_id=0)
    found = {"module": type(model).__module__, "logits": model(ids).logits[0, -1].tolist(), "said": said[0].tolist()}
    print(json.dumps(found))
assert not [name for name in sys.modules if name.startswith("reason_")]
"""
STOCK, CARRIED = "transformers.models.mamba.", "transformers_modules."


@pytest.fixture(scope="module")
def alone(exported, tmp_path_factory):
    """What a process without this project makes of the folders, by the model's name."""
    folders = {name: exported(name)[0] for name in ("mamba", "hybrid", "trm")}
    environment = {"HF_MODULES_CACHE": str(tmp_path_factory.mktemp("modules")), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", ALONE, *map(str, folders.values())]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return dict(zip(folders, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(("name", "module"), [("mamba", STOCK), ("hybrid", CARRIED), ("trm", CARRIED)])
def test_it_runs_where_this_project_is_not_and_says_the_same(exported, alone, models, tokenizer, name, module):
    parity = exported(name)[1]["parity"]
    assert parity["token_agreement"] == 1.0 and parity["largest_difference"] < 1e-5
    assert alone[name]["module"].startswith(module)
    model = models[name][1]
    ids = torch.tensor([tokenizer("2 + 2 is <think> what")["input_ids"]])
    with torch.no_grad():
        ours = model(ids).logits[0, -1]
        said = model.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=None, pad_token_id=0)
    assert torch.allclose(torch.tensor(alone[name]["logits"]), ours, atol=1e-5)
    assert alone[name]["said"] == said[0].tolist()


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_weights_are_rounded_and_the_states_stay_exact(source, models, tmp_path, dtype):
    from safetensors.torch import load_file

    options = HuggingFaceOptions(dtype=dtype)
    HuggingFace().export(source("mamba"), tmp_path, options)
    ids = torch.arange(50)[None]
    with torch.no_grad():
        ours = models["mamba"][1](ids).logits
    theirs, _ = HuggingFace().load(tmp_path, 1).read(ids, None, None, False)
    assert 0 < (ours - theirs).abs().max() < 0.02 * ours.abs().max() and HuggingFace().precision(options) == dtype
    tensors, folder = load_file(tmp_path / "model.safetensors"), tmp_path
    wanted = {"bf16": torch.bfloat16, "fp16": torch.float16}[dtype]
    assert tensors["backbone.layers.0.mixer.in_proj.weight"].dtype == wanted
    assert tensors["backbone.layers.0.mixer.A_log"].dtype == torch.float32
    assert json.loads((folder / "config.json").read_text())["dtype"] == str(wanted).removeprefix("torch.")


def test_mamba_is_a_stock_folder(exported):
    folder, _ = exported("mamba")
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["MambaForCausalLM"] and config["model_type"] == "mamba"
    assert "auto_map" not in config and not list(folder.glob("*.py"))
    assert (folder / "generation_config.json").is_file() and (folder / "tokenizer.json").is_file()


def test_carried_code_imports_nothing_of_ours_and_nothing_that_compiles(exported):
    folder, _ = exported("hybrid")
    code = {path.stem: path.read_text() for path in folder.glob("*.py")}
    assert {"reason_hybrid_model", "reason_mamba_model", "reason_mamba_scan_torch_engine"} <= set(code)
    for name, text in code.items():
        imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
        assert all(node.level == 1 or not node.module.startswith("reason_") for node in imported), name
        assert "import numba" not in text and "TYPE_CHECKING:" not in text and "AutoConfig.register(" not in text
    assert "cuda_engine" in code["reason_mamba_scan_engines"]
    assert "it is not part of this folder" in code["reason_mamba_scan_cuda_engine"]


def test_the_card_says_what_it_is_and_names_no_folder_of_this_machine(exported):
    folder, _ = exported("trm")
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n")
    assert "| gsm8k | 50.0% | 40.0% to 60.0% | 100 |" in card and "trust_remote_code=True" in card
    assert 'dataset = ["gsm8k"]' in card and "[data.gsm8k]" in card and "sudoku" not in card
    assert "learning_rate = 0.001" in card and '"<think>\\n"' in card
    assert "somebody" not in card
    assert 'folder = "."  # here, or the id of its repository' in card


def test_a_model_that_is_not_causal_is_refused(models, tokenizer, tmp_path):
    source = Exportable(models["mamba"][1], tokenizer, TRMPuzzle(), lambda loop: None, "it", tmp_path)
    assert "not causal" in HuggingFace().refuses(source, HuggingFaceOptions())
