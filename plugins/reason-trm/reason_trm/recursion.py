"""The recursion of "Less is More: Recursive Reasoning with Tiny Networks" (arXiv 2510.04871, figure 3).

One network, one set of weights, on three inputs of one shape: x, the question; y, the answer so far; z, what is thought
of it. What the network is, and what comes of y, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]


def latent_recursion(network: Network, x: Tensor, y: Tensor, z: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """(y, z) after n updates of z from (x, y, z) and one of y from (y, z)."""
    for _ in range(n):
        z = network(x + y + z)
    return network(y + z), z


def deep_recursion(network: Network, x: Tensor, y: Tensor, z: Tensor, n: int, times: int) -> tuple[Tensor, Tensor]:
    """(y, z) after so many latent recursions, of which the last alone has gradients."""
    if times > 1:
        with torch.no_grad():
            for _ in range(times - 1):
                y, z = latent_recursion(network, x, y, z, n)
        # Autocast keeps the weights that it rounded without gradients, and would take them again.
        torch.clear_autocast_cache()
    return latent_recursion(network, x, y, z, n)
