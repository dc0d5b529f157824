"""Source files as plain documents: `the-stack-dedup` and `github-code`.

The folders of the-stack-dedup and its column `content` are from code that loads them, the other columns from the
cards of collections made of it. github-code's columns are from its card, those of its parquet files from code that
loads them (`content`, `path`, `repo_name`, `size`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import Text
from reason_datasets.fields import document_of, text_of

_EVENTS = ("stars", "issues", "forks")
STACK_COLUMNS = (
    *("hexsha", "size", "ext", "lang"),
    *(f"max_{e}_{c}" for e in _EVENTS for c in ("repo_path", "repo_name", "repo_head_hexsha", "repo_licenses")),
    *(f"max_{e}_count" for e in _EVENTS),
    *(f"max_{e}_repo_{e}_event_{end}_datetime" for e in _EVENTS for end in ("min", "max")),
    *("content", "avg_line_length", "max_line_length", "alphanum_fraction"),
)

# the-stack-dedup has a folder of the same name for each; of github-code, files with these endings are taken.
LANGUAGES = {
    "assembly": (".asm",),
    "batchfile": (".bat", ".cmd"),
    "c": (".c", ".h"),
    "c-sharp": (".cs",),
    "c++": (".cpp", ".hpp", ".c++", ".h++", ".cc", ".hh", ".C", ".H"),
    "cmake": (".cmake",),
    "css": (".css",),
    "dockerfile": (".dockerfile", "Dockerfile"),
    "fortran": (".f90", ".f", ".f03", ".f08", ".f77", ".f95", ".for", ".fpp"),
    "go": (".go",),
    "haskell": (".hs",),
    "html": (".html",),
    "java": (".java",),
    "javascript": (".js",),
    "julia": (".jl",),
    "lua": (".lua",),
    "makefile": ("Makefile",),
    "markdown": (".md", ".markdown"),
    "perl": (".pl", ".pm", ".pod", ".perl"),
    "php": (".php", ".php3", ".php4", ".php5", ".phps", ".phpt"),
    "powershell": (".ps1", ".psd1", ".psm1"),
    "python": (".py",),
    "ruby": (".rb",),
    "rust": (".rs",),
    "scala": (".scala",),
    "shell": (".sh", ".bash", ".command", ".zsh"),
    "sql": (".sql",),
    "tex": (".tex",),
    "typescript": (".ts", ".tsx"),
    "visual-basic": (".vb",),
}


def read_content(row: Mapping[str, Any], options: Any) -> Text:
    """The file as it stands."""
    return Text(document_of(row, "content"))


def read_path(row: Mapping[str, Any], language: str) -> Text | None:
    """The file as it stands; `None` for one in another language than that, if one is named."""
    code = document_of(row, "content" if isinstance(row, Mapping) and "content" in row else "code")
    return None if language and not text_of(row, "path").endswith(LANGUAGES[language]) else Text(code)
