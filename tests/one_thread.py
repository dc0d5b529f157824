"""A fixture for tests of very small models: import it, and every test of the file or folder has one thread."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Models this small are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
