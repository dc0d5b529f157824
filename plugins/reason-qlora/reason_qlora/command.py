"""`reason merge`: an adapter and its base as one model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reason_cli import ReasonError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from reason_qlora.architecture import QLoraOptions

STEPS = {
    "merging": "merged, float32, beside base + adapter",
    "rounding": "as written, loaded again, beside the same",
    "quantisation": "as written, beside the adapter on the base as it was held in training",
}


@click.command("merge")
@click.option("--checkpoint", required=True, type=click.Path(path_type=Path), help="A run of `qlora`, or an adapter.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the model goes. [CHECKPOINT-merged]")
@click.option("--dtype", default="bf16", show_default=True, type=click.Choice(["bf16", "fp16", "fp32"]))
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def merge_command(checkpoint: Path, output: Path | None, dtype: str, as_json: bool) -> None:
    """Merge an adapter into its base: one model that needs neither peft nor bitsandbytes.

    The base is loaded whole in float32, so merging needs 4 bytes of memory for each parameter, twice over when the
    result is checked. The logits of the result are compared with those of the adapter, step by step.
    """
    from dataclasses import asdict

    from rich.console import Console

    from reason_qlora.merge import merge

    folder, options = _adapter_of(checkpoint)
    output = output or checkpoint.with_name(f"{checkpoint.resolve().name}-merged")
    found = asdict(merge(folder, output, options, dtype))
    if as_json:
        click.echo(json.dumps({"output": str(output), **found}))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{output}: {dtype}")
    for name, text in STEPS.items():
        if found[name] is not None:
            largest, same = found[name]
            console.print(f"{text}: logits differ by {largest:.2g} at most, likeliest token the same in {same:.1%}")
    console.print(f"\nnext:\n  reason eval gsm8k --checkpoint {output}", style="dim")


def _adapter_of(checkpoint: Path) -> tuple[Path, QLoraOptions]:
    """The folder of an adapter and the options that it was trained with, the defaults where it has no run."""
    from dataclasses import fields

    from reason_qlora.adapter import CONFIG
    from reason_qlora.architecture import QLoraOptions

    if not checkpoint.is_dir():
        raise ReasonError(
            f"no checkpoint '{checkpoint}'", "pass a run directory or a folder with an adapter", usage=True
        )
    folder = checkpoint / "final" if (checkpoint / "final").is_dir() else checkpoint
    if not (folder / CONFIG).is_file():
        raise ReasonError(f"{checkpoint} holds no finished adapter", "pass a run of `--arch qlora`", usage=True)
    record = next((p / "run.toml" for p in (folder.parent, *folder.parents[1:2]) if (p / "run.toml").is_file()), None)
    if record is None:
        return folder, QLoraOptions(quantization="none")
    values = tomllib.loads(record.read_text(encoding="utf-8"))["model"]
    names = {field.name for field in fields(QLoraOptions)}
    own: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name in names}
    return folder, QLoraOptions(**own)
