"""The architecture `hybrid`: options, presets, counts. Torch comes in only when a model is built or loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_mamba.architecture import Mamba, MambaOptions
from reason_mamba.cost import model_estimate

from reason_cli import Estimate, Graph, Load, ReasonError, option
from reason_hybrid.cost import hybrid_layer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class HybridOptions(MambaOptions):
    """The shape of a hybrid: Mamba's, and that of the recursive processor and the attention."""

    d_model: int = option(608, "width of the residual stream", minimum=1)
    n_layer: int = option(10, "number of layers", minimum=1)
    expand: int = option(4, "d_inner of the Mamba block is expand times d_model", minimum=1)
    max_recursion_depth: int = option(3, "passes of the recursive processor; 0: no processor", minimum=0)
    recursion_expand: float = option(
        2.5, "inner width of the recursive transform over d_model, rounded up to 32", minimum=0.01
    )
    depth_gate: bool = option(True, "weigh each pass by a gate, per token; off: each pass counts whole")
    adaptive_depth: float = option(
        0.0, "outside of training, skip passes whose gate is under this; 0: none", minimum=0.0, maximum=1.0
    )
    ponder_cost: float = option(0.0, "what a pass adds to the loss, times its gate", minimum=0.0)
    n_scale: int = option(3, "scales of attention, of 1, 2, 4, ... tokens per entry; 0: no attention", minimum=0)
    window: int = option(256, "entries that a token sees of each scale", minimum=1)
    n_head: int = option(4, "query heads of one scale", minimum=1)
    n_kv_head: int = option(2, "key and value heads, shared by the query heads and by all scales", minimum=1)
    head_dim: int = option(64, "width of a head", minimum=2)

    def __post_init__(self) -> None:
        """Raises `ReasonError` for heads that do not fit."""
        if self.n_scale and self.n_head % self.n_kv_head:
            problem, mend = f"n_head {self.n_head} is no multiple of n_kv_head {self.n_kv_head}", "set one to fit"
            raise ReasonError(problem, mend, usage=True)
        if self.n_scale and self.head_dim % 2:
            raise ReasonError(f"head_dim {self.head_dim} is odd, and positions turn pairs", "make it even", usage=True)

    @property
    def recursion_size(self) -> int:
        """Inner width of the recursive transform."""
        return -(-round(self.recursion_expand * self.d_model) // 32) * 32


def _size(d_model: int, n_layer: int, recursion_expand: float, n_head: int = 4, depth: int = 3) -> HybridOptions:
    return HybridOptions(
        d_model=d_model,
        n_layer=n_layer,
        recursion_expand=recursion_expand,
        n_head=n_head,
        max_recursion_depth=depth,
    )


# The inner widths put about 23 d_model^2 parameters into a layer, of which a quarter is applied several times: a token
# then takes 1.3 times the products of a Mamba with as many parameters, and reads a third of its states.
PRESETS = {
    "hybrid-small": _size(512, 8, 2.5),
    "hybrid-small-mini": _size(576, 9, 2.5),
    "hybrid-small-standard": _size(608, 10, 2.5),
    "hybrid-small-plus": _size(640, 10, 2.5),
    "hybrid-small-pro": _size(704, 11, 2.5, n_head=6),
    "hybrid-medium": _size(768, 12, 3.5, n_head=6),
    "hybrid-large": _size(1024, 16, 6.0, n_head=8, depth=4),
}


class Hybrid(Mamba):
    """The hybrid trained from scratch."""

    name = "hybrid"
    help = "Mamba, hierarchical attention and a recursive processor in each layer; linear in length"
    model_type = "reason_hybrid"
    Options = HybridOptions
    presets = PRESETS

    def classes(self) -> tuple[Any, Any]:
        """The config and the model."""
        from reason_hybrid.config import HybridConfig
        from reason_hybrid.model import HybridForCausalLM

        return HybridConfig, HybridForCausalLM

    def shape(self, options: HybridOptions) -> dict[str, Any]:
        """What the config holds beyond Mamba's: the recursive processor and the attention."""
        names = (
            "max_recursion_depth", "recursion_size", "depth_gate", "adaptive_depth", "ponder_cost",
            "n_scale", "window", "n_head", "n_kv_head", "head_dim",
        )  # fmt: skip
        return {name: getattr(options, name) for name in names}

    def load(self, path: Path, options: MambaOptions) -> PreTrainedModel:
        """The model of a folder; scan engine and threshold of the depth are as the options say."""
        model: Any = super().load(path, options)
        assert isinstance(options, HybridOptions)
        model.set_adaptive_depth(options.adaptive_depth)
        return model

    def graph(self, model: PreTrainedModel, loop: str) -> Graph:
        """The model as a graph of tensors: Mamba's states, and the rings of its attention."""
        from reason_hybrid.graph import HybridGraph

        return HybridGraph(model, loop)  # type: ignore[arg-type]

    def figures(self, model: PreTrainedModel) -> Mapping[str, float]:
        """The mean depth of each layer's recursion since this was last asked: the sum of a token's gates."""
        backbone: Any = model.base_model
        return backbone.take_depths()

    def estimate(self, options: Any, load: Load) -> Estimate:
        """The exact parameter count, the operations of products, convolution and scan, and memory by part."""
        return model_estimate(hybrid_layer(options, load), options.n_layer, options.d_model, load)
