"""Fully sharded training (torch's `fully_shard`, arXiv 2304.11277): each process keeps a share of every parameter, its
gradient and its optimizer's state, and a block's parameters are whole only while the block is computed.

What is saved is whole, and the same as one process writes: a checkpoint can be resumed by any number of processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from reason_cli.engine import processes
from reason_cli.engine.trainer import ReasonTrainer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from transformers import PreTrainedModel


class ShardedTrainer(ReasonTrainer):
    """The trainer of a model that is sharded once its weights are there, before its optimizer is made."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # What the library calls a model that owns its placement: it is neither moved nor wrapped.
        self.is_distributed_loading_by_transformers = True

    def create_optimizer(self, model: nn.Module | None = None) -> Optimizer:
        """The library's, of shares; what it loads is dealt out to them."""
        shard(self.model)  # type: ignore[arg-type]
        optimizer = super().create_optimizer(model)
        optimizer.register_load_state_dict_pre_hook(_deal_out_state)
        return optimizer

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> float:
        norm = super()._get_grad_norm(model, grad_norm)
        return norm.full_tensor().item() if isinstance(norm, DTensor) else norm

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        weights = whole_weights(self.model)  # type: ignore[arg-type]
        if processes.is_first():
            super()._save(output_dir, weights)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        with _whole_state(self.optimizer.optimizer):  # type: ignore[union-attr]
            super()._save_optimizer_and_scheduler(output_dir)


def shard(model: PreTrainedModel) -> None:
    """Shard a model in place over all processes, each of the blocks that its class does not split as one."""
    device = next(model.parameters()).device
    mesh = init_device_mesh(device.type, (processes.count(),))
    for parameter in model.parameters():
        distributed.broadcast(parameter.data, src=0)
    marks = {name: dict(vars(parameter)) for name, parameter in model.named_parameters()}
    blocks = set(model._no_split_modules or ())
    for module in model.modules():
        if type(module).__name__ in blocks:
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for name, parameter in model.named_parameters():
        vars(parameter).update(marks[name])  # such as that it does not decay
    model.register_load_state_dict_pre_hook(_deal_out_weights)


@contextmanager
def whole(model: PreTrainedModel) -> Iterator[None]:
    """A sharded model's parameters whole in every process, so that each may use it by itself; any other as it is."""
    shards = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for module in shards:
        module.unshard()
        module.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for module in shards:
            module.set_reshard_after_forward(module is not model, recurse=False)
            module.reshard()


def whole_weights(model: PreTrainedModel) -> dict[str, torch.Tensor] | None:
    """A sharded model's weights as one process has them, in the first process (empty in the others); None of any other.

    All processes take part.
    """
    if not isinstance(model, FSDPModule):
        return None
    gathered: dict[int, torch.Tensor] = {}  # tied weights have one parameter, and stay one tensor
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in gathered:
            gathered[id(tensor)] = _whole(tensor.detach())
        weights[name] = gathered[id(tensor)]
    return weights


def _whole(value: Any) -> Any:
    """A sharded tensor whole, on the CPU of the first process, and nothing of it in the others; all else as it is."""
    if not isinstance(value, DTensor):
        return value
    tensor = value.full_tensor()
    return tensor.cpu() if processes.is_first() else tensor.new_empty(0)


@contextmanager
def _whole_state(optimizer: Optimizer) -> Iterator[None]:
    """The optimizer's `state_dict` gives what one process would have. All processes take part."""
    state = optimizer.state_dict()
    entries = {n: {key: _whole(value) for key, value in entry.items()} for n, entry in state["state"].items()}
    hook = optimizer.register_state_dict_post_hook(lambda *_: {**state, "state": entries})
    try:
        yield
    finally:
        hook.remove()


def _deal_out_state(optimizer: Optimizer, state: Mapping[str, Any]) -> dict[str, Any]:
    """This process's share of an optimizer's whole state."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    entries = {
        number: {key: _share(value, parameter) for key, value in state["state"].get(number, {}).items()}
        for number, parameter in zip(numbers, parameters, strict=True)
    }
    return {**state, "state": entries}


def _deal_out_weights(model: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """Put this process's share in the place of each whole weight that is about to be loaded."""
    own = model.state_dict()
    for name in state.keys() & own.keys():
        state[name] = _share(state[name], own[name])


def _share(value: Any, like: torch.Tensor) -> Any:
    """A whole tensor split as the sharded one `like` it; anything of another shape as it is."""
    if not isinstance(like, DTensor) or isinstance(value, DTensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
