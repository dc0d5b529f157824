"""`columns`: any file, folder or hub id, by the names of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reason_datasets.late import Published, late


class Columns(Published):
    """Rows with a question and an answer, conversations, or plain documents.

    A column after the question whose values are short is an answer (`Example`). One that holds prose is a reply
    (`Chat`), unless a mark in it or an option says where its answer stands.
    """

    name = "columns"
    help = "any file, folder or hub id, by its columns: questions and answers, conversations or plain documents"
    universal = True
    Options = late("column_rows:ColumnsOptions")
    read = late("column_rows:read")

    def fit(self, rows: Sequence[Mapping[str, Any]], options: Any) -> Any:
        """The options with every column named. Raises `ReasonError` when the rows can be read in several ways."""
        from reason_datasets.schema import detect

        return detect(rows, options) if rows else options

    def describe(self, options: Any) -> str:
        """Such as `question <- instruction + input, answer <- output`."""
        kinds = ("messages", "text", "question", "reasoning", "answer", "reply")
        parts = [f"{kind} <- {getattr(options, kind).replace(',', ' + ')}" for kind in kinds if getattr(options, kind)]
        return ", ".join(parts) + (f" after {options.mark!r}" if options.mark and options.answer else "")
