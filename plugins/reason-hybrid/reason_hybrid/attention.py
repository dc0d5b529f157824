"""Hierarchical attention: every token looks back at tokens, at pairs and at fours of them, through sliding windows.

Keys and values are pooled causally: entry j of scale s is the mean over tokens s(j-1) to sj-1, counted from 0, and is
seen from token sj-1 on, so the future is never in it. Entry 0 of each scale is learned and stands for "nothing": what
the first tokens see of a scale that has no whole entry yet. Token t has n = (t+1) // s whole entries behind it, itself
included, and sees those numbered n - window + 1 to n.

Glossary:

    b  batch                       z  scales, s one of them: 1, 2, 4, ...
    r  documents, see `Layout`     h  query heads of one scale
    l  length                      g  key and value heads
    n  entries                     c  head_dim
                                   w  window
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cache import HybridCache, Rings
from .config import HybridConfig
from .layout import Layout, taken

BLOCK = 64  # queries that are asked together where several tokens go on from a cache


@dataclass(frozen=True)
class Step:
    """For one token per row: slots (b, z) to write, of each scale whether its first so many slots are seen, visible
    (b, 1, 1, m), which are all that any row sees, and the means that pool the last tokens, pool (z, largest scale).
    """

    slots: Tensor
    visible: list[Tensor]
    pool: Tensor


@dataclass(frozen=True)
class Onward:
    """For several tokens per row that go on from a cache. Rows are laid out anew, (b, m): so that column 0 of keys is
    a position that all scales divide, `base`, with the last tokens before the new ones where that is not the first of
    these; and column 0 of queries the position before it, which is the first that has base / s whole entries behind it.

    queries (b, m): the new tokens, by flat index; tokens (b, l): and back. keys (b, m): the same among the tail and the
    new tokens. cos, sin (b, m, 1, c / 2): the rotation of keys. scales: what each of them needs.
    """

    queries: Tensor
    tokens: Tensor
    keys: Tensor
    cos: Tensor
    sin: Tensor
    scales: list[Span]


@dataclass(frozen=True)
class Span:
    """The entries of one scale, from number base / s - w on: those of the ring and then the new ones.

    known (b, w + 1): the ring's slots in that order; kept (b, w + 1): of each slot the entry that it holds afterwards.
    Queries are asked in blocks: near (blocks * (w + block),) are the entries that blocks look at, sees (b * blocks, 1,
    block, w + block) which of them each query sees.
    """

    known: Tensor
    kept: Tensor
    near: Tensor
    sees: Tensor


@dataclass(frozen=True)
class Place:
    """What the attention of every layer shares in one forward pass.

    positions (r or 1, l): of each token in its document. cos, sin (r or 1, l, 1, c / 2): its rotation.
    begins: whether all documents begin here, or rows go on from a cache. lengths (r,): real tokens of each, None: all.
    step, onward: what the attention to a cache needs, of one token per row or of several.
    """

    layout: Layout | None
    positions: Tensor
    cos: Tensor
    sin: Tensor
    begins: bool
    lengths: Tensor | None
    step: Step | None
    onward: Onward | None = None


def rotation(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """cos and sin (..., 1, head_dim / 2) of rotary positions (arXiv 2104.09864) of shape (...)."""
    exponents = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim
    angles = positions.unsqueeze(-1).float() * theta**-exponents
    return angles.cos().unsqueeze(-2), angles.sin().unsqueeze(-2)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x (..., heads, c), its two halves turned against each other."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def step_of(positions: Tensor, config: HybridConfig) -> Step:
    """What `HierarchicalAttention.step` needs for tokens at positions (b,)."""
    window, device = config.window, positions.device
    scales = 2 ** torch.arange(config.n_scale, device=device)  # (z,)
    slots = (positions[:, None] // scales + 1) % (window + 1)  # of the entry that this token belongs to
    longest = int(positions.max()) if device.type == "cpu" else window * 2**config.n_scale  # a device is not waited for
    visible = []
    for i in range(config.n_scale):
        whole = (positions[:, None] + 1) >> i  # n, with this token
        back = (whole - torch.arange(min(window, (longest + 1) >> i) + 1, device=device)) % (window + 1)  # entries ago
        visible.append(((back < window) & (back <= whole))[:, None, None])
    latest = torch.arange(2 ** (config.n_scale - 1) - 1, -1, -1, device=device)  # how many tokens ago
    pool = (latest < scales[:, None]) / scales[:, None]
    return Step(slots, visible, pool)


def onward_of(
    before: Tensor, padding: Tensor | int, after: Tensor, length: int, config: HybridConfig, block: int = BLOCK
) -> Onward:
    """What `HierarchicalAttention.read_on` needs for `length` columns of new tokens.

    Of each row (b,): how many tokens were read before, and are after; padding is so many columns on the left, and only
    where nothing was read before. `block` queries at most are asked together.
    """
    largest, window, device = 2 ** (config.n_scale - 1), config.window, before.device
    before, after = before[:, None], after[:, None]
    padding = padding[:, None] if isinstance(padding, Tensor) else padding
    width = ((length + largest - 1) // largest + 1) * largest  # m
    rows, columns = torch.arange(before.shape[0], device=device)[:, None], torch.arange(width, device=device)
    over = before % largest  # tokens between `base` and the first new one
    base, shift = before - over, padding - over  # new token j stands in column j - shift
    queries = (columns + shift - 1).clamp(0, length - 1) + rows * length
    tokens = (torch.arange(length, device=device) - shift + 1).clamp(min=0) + rows * width
    joined = largest - 1 + length
    keys = (columns + shift + largest - 1).clamp(max=joined - 1) + rows * joined
    cos, sin = rotation(base + columns, config.head_dim, config.rope_theta)
    block = min(block, window)
    scales = [span_of(base // s, after // s, width // s, window, block) for s in (2**i for i in range(config.n_scale))]
    return Onward(queries, tokens, keys, cos, sin, scales)


def span_of(base: Tensor, newest: Tensor, entries: int, window: int, block: int) -> Span:
    """One scale's part: the number (b, 1) of its last entry at `base` and at the end, and how many queries there are.

    Blocks are no dimension of what is computed with here: a graph traced with one of them would stay with one.
    """
    slots = torch.arange(window + 1, device=base.device)
    known = (base - window + slots) % (window + 1)
    kept = newest - (newest - slots) % (window + 1) - base + window
    blocks, wide = (entries + block - 1) // block, window + block  # not -(-a // b), which ONNX rounds the other way
    each = torch.arange(blocks * wide, device=base.device)
    near = each // wide * block + each % wide
    there = (near >= window - base).unflatten(1, (-1, wide)).flatten(0, 1)  # entry 0 is the first that there is
    behind, at = torch.arange(wide, device=base.device), torch.arange(block, device=base.device)[:, None]
    sees = there[:, None] & (behind > at) & (behind <= at + window)
    return Span(known, kept, near.clamp(max=window + entries), sees.unsqueeze(1))


class HierarchicalAttention(nn.Module):
    """Queries at full rate for each scale; keys and values shared by the scales and pooled for each."""

    def __init__(self, config: HybridConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.window, self.scales = layer, config.window, [2**i for i in range(config.n_scale)]
        self.heads, self.kv_heads, self.head_dim = config.n_head, config.n_kv_head, config.head_dim
        d, z, h, g, c = config.hidden_size, len(self.scales), self.heads, self.kv_heads, self.head_dim
        self.split = [z * h * c, g * c, g * c]
        self.qkv_proj = nn.Linear(d, sum(self.split), bias=False)
        self.q_norm = nn.LayerNorm(c, config.layer_norm_epsilon, bias=False)
        self.k_norm = nn.LayerNorm(c, config.layer_norm_epsilon, bias=False)
        self.nothing = nn.Parameter(torch.empty(2, z, g, c))  # entry 0: its key and its value
        self.o_proj = nn.Linear(z * h * c, d, bias=False)  # combines the scales

    def forward(self, hidden: Tensor, place: Place, cache: HybridCache | None) -> Tensor:
        """hidden (b, l, d) to (b, l, d)."""
        parts = self.qkv_proj(hidden).split(self.split, dim=-1)
        if place.layout is not None:
            parts = tuple(place.layout.documents(x) for x in parts)
        q, k, v = (x.unflatten(-1, (-1, self.head_dim)) for x in parts)  # (r, l, z h or g, c)
        q = rotate(self.q_norm(q).to(v.dtype), place.cos, place.sin)
        rings = None if cache is None else cache.rings[self.layer]
        if place.step is not None and rings is not None:
            y = self.step(q, k, v, place, place.step, rings)
        elif place.begins:
            y = self.read(q, k, v, place, rings)
        else:
            assert rings is not None and place.onward is not None
            y = self.read_on(q, k, v, place, place.onward, rings)
        return self.o_proj(y if place.layout is None else place.layout.rows(y))

    def read(self, q: Tensor, k: Tensor, v: Tensor, place: Place, rings: Rings | None) -> Tensor:
        """Documents from their first token: q (r, l, z h, c), k and v (r, l, g, c) to (r, l, z h c)."""
        read = []
        for i, (scale, queries) in enumerate(zip(self.scales, q.split(self.heads, dim=2), strict=True)):
            keys, values = self.entries(k, v, i, place)  # (r, g, n, c)
            y = windowed(by_entries(queries, scale), keys, values, self.window)
            read.append(by_tokens(y, scale, q.shape[1]))
            if rings is not None:
                self.remember(rings, i, keys, values, place)
        if rings is not None:
            self.remember_tail(rings, k, v, place)
        return torch.cat(read, dim=-1)

    def entries(self, k: Tensor, v: Tensor, i: int, place: Place) -> tuple[Tensor, Tensor]:
        """Keys and values (r, g, n, c) of the i-th scale: the learned one, and all that are whole by the last token."""
        scale, (rows, length) = self.scales[i], k.shape[:2]
        whole = length // scale
        k, v = (x[:, : whole * scale].unflatten(1, (whole, scale)).mean(2) if scale > 1 else x for x in (k, v))
        ends = slice(scale - 1, whole * scale, scale)
        keys = rotate(self.k_norm(k).to(v.dtype), place.cos[:, ends], place.sin[:, ends])
        nothing = self.nothing[:, i].to(v.dtype).unsqueeze(1)  # (2, 1, g, c)
        joined = [torch.cat([nothing[j].expand(rows, 1, -1, -1), x], dim=1) for j, x in enumerate((keys, v))]
        return joined[0].transpose(1, 2), joined[1].transpose(1, 2)

    def remember(self, rings: Rings, i: int, keys: Tensor, values: Tensor, place: Place) -> None:
        """Keep entries (b, g, n, c) of the i-th scale, from the learned one on, that the row's next token may see."""
        read = place.positions[:, -1].expand(len(keys)) + 1 if place.lengths is None else place.lengths
        newest = (read // self.scales[i])[:, None]
        slots = torch.arange(self.window + 1, device=keys.device)
        kept = (newest - (newest - slots) % (self.window + 1)).clamp(min=0)  # where there is none so far, any
        rings.write(i, *(rings.entries(x.detach(), kept) for x in (keys, values)))

    def remember_tail(self, rings: Rings, k: Tensor, v: Tensor, place: Place) -> Tensor:
        """Keep the last real tokens of each row; gives the keys and values (b, t + l, 2 g c) with those before them."""
        new = torch.cat([k, v], dim=2).flatten(2)
        joined = torch.cat([rings.tail.to(new.dtype), new], dim=1)
        kept = rings.tail.shape[1]
        if place.lengths is None:
            rings.write_tail(joined[:, joined.shape[1] - kept :].detach())
        else:
            columns = place.lengths[:, None] + torch.arange(kept, device=k.device)
            rings.write_tail(joined.gather(1, columns[..., None].expand(-1, -1, joined.shape[2])).detach())
        return joined

    def read_on(self, q: Tensor, k: Tensor, v: Tensor, place: Place, onward: Onward, rings: Rings) -> Tensor:
        """Several tokens after those that the rings hold: q (b, l, z h, c), k and v (b, l, g, c) to (b, l, z h c)."""
        joined = taken(self.remember_tail(rings, k, v, place), onward.keys)  # (b, m, 2 g c)
        q = taken(q, onward.queries)
        read = []
        for i, (scale, queries) in enumerate(zip(self.scales, q.split(self.heads, dim=2), strict=True)):
            span, ends = onward.scales[i], slice(scale - 1, None, scale)
            pooled = joined.unflatten(1, (-1, scale)).mean(2) if scale > 1 else joined
            pk, pv = pooled.unflatten(-1, (-1, self.head_dim)).chunk(2, dim=2)  # (b, n, g, c)
            keys = rotate(self.k_norm(pk).to(v.dtype), onward.cos[:, ends], onward.sin[:, ends])
            known = (rings.entries(x[:, i], span.known).to(v.dtype) for x in (rings.keys, rings.values))
            both = zip(known, (keys, pv), strict=True)
            keys, values = (torch.cat([old, new.transpose(1, 2)], dim=2) for old, new in both)
            y = banded(dealt(queries, scale), keys, values, span)
            read.append(together(y, scale).flatten(2))
            rings.write(i, *(rings.entries(x.detach(), span.kept) for x in (keys, values)))
        return taken(torch.cat(read, dim=-1), onward.tokens)

    def step(self, q: Tensor, k: Tensor, v: Tensor, place: Place, step: Step, rings: Rings) -> Tensor:
        """One token per row: q (b, 1, z h, c), k and v (b, 1, g, c) to (b, 1, z h c); the rings change in place."""
        latest = torch.cat([rings.tail, torch.cat([k, v], dim=2).flatten(2).to(rings.tail.dtype)], dim=1)
        rings.tail.copy_(latest[:, 1:])
        pooled = torch.matmul(step.pool.to(latest.dtype), latest)  # (b, z, 2 g c)
        pk, pv = pooled.unflatten(-1, (-1, self.head_dim)).chunk(2, dim=2)  # (b, z, g, c)
        keys = rotate(self.k_norm(pk), place.cos, place.sin)
        index = step.slots[:, :, None, None, None].expand(-1, -1, self.kv_heads, 1, self.head_dim)
        rings.keys.scatter_(3, index, keys.to(rings.keys.dtype).unsqueeze(3))
        rings.values.scatter_(3, index, pv.to(rings.values.dtype).unsqueeze(3))
        read = []
        for i, (queries, visible) in enumerate(zip(q.split(self.heads, dim=2), step.visible, strict=True)):
            known, valued = (x[:, i, :, : visible.shape[-1]].to(q.dtype) for x in (rings.keys, rings.values))
            read.append(attend(queries.transpose(1, 2), known, valued, mask=visible).flatten(1))
        return torch.cat(read, dim=1).unsqueeze(1)


def attend(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """torch's fused attention: q (r, heads, l, c), k and v (r, g, n, c); without a mask it is causal."""
    dtype, grouped = v.dtype, bool(q.shape[1] != k.shape[1])
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=mask is None, enable_gqa=grouped)
    with torch.autocast("cpu", enabled=False):  # there the fused kernel is three times slower in 16 bits
        q, k, v = q.float(), k.float(), v.float()
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=mask is None, enable_gqa=grouped).to(dtype)


def by_entries(q: Tensor, scale: int) -> Tensor:
    """Queries of tokens (r, l, h, c) as queries of entries (r, h * scale, n, c).

    The tokens that have n whole entries behind them, at positions scale * n - 1 to scale * n + scale - 2, are dealt out
    to `scale` heads: so each head asks once per entry, and what it may see is plain causal attention over entries.
    """
    length = q.shape[1]
    entries = length // scale + 1
    return dealt(F.pad(q, (0, 0, 0, 0, 1, entries * scale - length - 1)), scale)


def by_tokens(y: Tensor, scale: int, length: int) -> Tensor:
    """What `by_entries` made, back as tokens (r, l, h c)."""
    return together(y, scale).flatten(2)[:, 1 : length + 1]


def dealt(q: Tensor, scale: int) -> Tensor:
    """q (r, n * scale, h, c) with the tokens of each entry side by side, as heads: (r, h * scale, n, c)."""
    return q.unflatten(1, (-1, scale)).permute(0, 3, 2, 1, 4).flatten(1, 2)


def together(y: Tensor, scale: int) -> Tensor:
    """What `dealt` made, one after another again."""
    return y.unflatten(1, (-1, scale)).permute(0, 3, 2, 1, 4).flatten(1, 2)


def banded(q: Tensor, k: Tensor, v: Tensor, span: Span) -> Tensor:
    """Attention of queries (b, heads, n, c), in blocks, to k and v (b, g, w + 1 + n, c), in the order of `span`."""
    rows, _, entries, _ = q.shape
    block, wide = span.sees.shape[-2:]
    q = F.pad(q, (0, 0, 0, (entries + block - 1) // block * block - entries)).unflatten(2, (-1, block))
    k, v = (x.index_select(2, span.near).unflatten(2, (-1, wide)) for x in (k, v))
    y = attend(*(x.transpose(1, 2).flatten(0, 1) for x in (q, k, v)), mask=span.sees)
    return y.unflatten(0, (rows, -1)).transpose(1, 2).flatten(2, 3)[:, :, :entries]


def windowed(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Causal attention of q (r, heads, n, c) to the last `window` of k and v (r, g, n, c), itself included.

    Longer inputs are cut into blocks of one window, each of which sees itself and the block before: work and memory
    grow with the length alone.
    """
    entries = q.shape[2]
    if entries <= window:
        return attend(q, k, v)
    blocks = -(-entries // window)
    q, k, v = (F.pad(x, (0, 0, 0, blocks * window - entries)).unflatten(2, (blocks, window)) for x in (q, k, v))
    first = attend(q[:, :, 0], k[:, :, 0], v[:, :, 0])
    pairs = [torch.cat([x[:, :, :-1], x[:, :, 1:]], dim=3).transpose(1, 2).flatten(0, 1) for x in (k, v)]
    at, behind = torch.arange(window, device=q.device)[:, None], torch.arange(2 * window, device=q.device)
    band = (behind > at) & (behind <= at + window)
    later = attend(q[:, :, 1:].transpose(1, 2).flatten(0, 1), *pairs, mask=band)  # (r * (blocks - 1), heads, window, c)
    later = later.unflatten(0, (-1, blocks - 1)).transpose(1, 2).flatten(2, 3)
    return torch.cat([first, later], dim=2)[:, :, :entries]
