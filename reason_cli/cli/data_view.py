"""How `reason data` draws rows and what was found in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from reason_cli.cli.display import bar, out, table

if TYPE_CHECKING:
    from reason_cli.engine.inspection import Check, Inspector, Overlap, Shown

TOKEN_STYLES = ("green", "bright_green")  # in turn, so that the borders between tokens show
WORDS = {"question": "word for word", "13-gram": "by 13 words in a row"}
OPEN, CLOSE = "⟦", "⟧"  # around what is learned, where there is no colour to tell it by


def show_rows(rows: Sequence[Shown], max_seq_len: int) -> None:
    """Each row with its tokens, and how many of them are learned."""
    plain = out.color_system is None
    legend = f"learned tokens stand between {OPEN} and {CLOSE}" if plain else "learned tokens are green, given ones dim"
    out.print(Text(legend, style="italic"))
    for number, row in enumerate(rows, 1):
        total = row.given + row.learned
        long = f", over max_seq_len {max_seq_len:,}" if total > max_seq_len else ""
        kind = type(row.item).__name__.lower()
        out.print(Text(f"\n{number}. {kind}: {total:,} tokens, {row.learned:,} learned{long}", style="bold"))
        out.print(_drawn(row, plain))


def _drawn(row: Shown, plain: bool) -> Text:
    text = Text()
    for place, tokens in enumerate(row.pieces):
        learned = place % 2 == 1
        if plain:
            said = "".join(tokens)
            text.append(f"{OPEN}{said}{CLOSE}" if learned else said)
            continue
        for number, token in enumerate(tokens):
            text.append(token, style=TOKEN_STYLES[number % 2] if learned else "dim")
    return text


def show_checks(checks: Sequence[Check], overlaps: Sequence[Overlap], inspector: Inspector) -> None:
    """The report of `reason data check`."""
    for found in checks:
        verdict = ("", "") if found.usable else (" cannot be trained on", "red")
        out.print(Text.assemble("\n", (found.source, "bold"), verdict))
        for line in _lines(found, inspector.max_seq_len, known=bool(inspector.known.known)):
            out.print(line)
        most = max(found.histogram.values(), default=0)
        rows = [(span, f"{n:,}", bar(n / most)) for span, n in found.histogram.items()]
        if rows:
            out.print(table("  tokens", "#rows", "", rows=[(f"  {span}", n, drawn) for span, n, drawn in rows]))
    for one in overlaps:
        out.print(
            f"\n{one.first} and {one.second} share {one.questions:,} questions, "
            f"{one.same_answer:,} of them with the same answer",
            style="yellow",
        )
    if inspector.known.known:
        missing = f"; not at hand: {', '.join(inspector.known.missing)}" if inspector.known.missing else ""
        out.print(f"\nsearched for test questions of {', '.join(inspector.known.known)}{missing}", style="dim")


def _lines(found: Check, max_seq_len: int, *, known: bool) -> Iterator[str | Text]:
    kinds = {"examples": found.examples, "conversations": found.conversations, "texts": found.texts}
    held = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items() if n)
    yield f"  rows        {found.rows:,}: {held or 'none that can be read'}" + (
        f", {found.left_out:,} left out on purpose" if found.left_out else ""
    )
    if found.schema:
        yield f"  schema      {found.schema}"
    yield _warned(f"  bad rows    {found.bad_rows:,}", found.bad_rows)
    for reason, count in sorted(found.bad_counts.items(), key=lambda pair: -pair[1]):
        yield _warned(f"              {count:,}: {reason} ({', '.join(found.bad[reason])})", count)
    near = "not counted" if found.near_duplicates is None else f"{found.near_duplicates:,}"
    yield _warned(f"  duplicates  {found.duplicates:,} the same, {near} nearly", found.duplicates)
    for label, how in found.contaminated.items():
        kinds_found = ", ".join(f"{n:,} {WORDS[kind]}" for kind, n in how.items())
        yield _warned(f"  contains    {sum(how.values()):,} test questions of {label} ({kinds_found})", 1)
    if not found.contaminated:
        searched = "no test question of a known benchmark" if known else "not searched: no benchmark is at hand"
        yield f"  contains    {searched}"
    if found.answers:
        yield f"  answers     {_counted(found.answers)}"
        yield _warned(f"  read back   {found.unreadable_answers:,} answers cannot be", found.unreadable_answers)
        for line in found.unreadable:
            yield _warned(f"              {line}", 1)
    if found.peculiar:
        yield f"  counted     {_counted(found.peculiar)}"
    if found.lengths:
        yield f"  lengths     {', '.join(f'{name} {n:,}' for name, n in found.lengths.items())} tokens"
        over = found.over_max_seq_len
        share = over / max(1, sum(found.histogram.values()))
        yield _warned(f"  too long    {over:,} ({share:.1%}) over max_seq_len {max_seq_len:,}", over)
        yield f"  tokens      {found.tokens:,} a pass, {found.trained_tokens:,} learned"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _warned(line: str, count: int) -> Text:
    return Text(line, style="yellow" if count else "")
