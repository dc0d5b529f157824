"""Mamba (arXiv 2312.00752) for `reason`: the architecture plugin, its model and its selective scan."""
