"""Whether the hub answers: found out once, so that being offline costs seconds, not minutes of retries."""

from __future__ import annotations

import socket
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies

PATIENCE = 4.0  # seconds


@cache
def ready() -> None:
    """Call before asking the hub. When nothing answers there, its clients look into their caches alone."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or getproxies() or _answers(constants.ENDPOINT):
        return
    import datasets

    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True


def _answers(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), PATIENCE):
            return True
    except OSError:
        return False
