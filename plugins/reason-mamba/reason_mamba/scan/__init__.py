"""The selective scan of Mamba (arXiv 2312.00752, section 3), one meaning and several engines.

`selective_scan` has the shapes and the semantics of mamba-ssm's function of that name. `resolve_engine` picks what
computes it, by device and by what is installed, or says why a forced one cannot run.
"""

from .engines import ENGINE_NAMES, ScanEngine, resolve_engine
from .interface import selective_scan

__all__ = ["ENGINE_NAMES", "ScanEngine", "resolve_engine", "selective_scan"]
