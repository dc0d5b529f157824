"""What autograd really saves in a forward pass."""

import torch


def saved_bytes(model, ids, precision="fp32"):
    """Bytes that a training step's forward pass keeps, parameters left out; what several nodes keep counts once.

    Of the loss nothing counts but its index: its gradients are not activations.
    """
    return saved_by(model, lambda: model.base_model(ids, use_cache=False)[0], precision)


def saved_by(model, forward, precision):
    """Bytes that a call of `forward`, which gives something with gradients, keeps of a model."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    found = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            found[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that its address stays its own
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        given = forward()
    assert given.requires_grad
    return sum(size for size, _ in found.values())
