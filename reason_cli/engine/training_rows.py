"""The rows of a training run: read whole, cleaned, split and encoded, or prepared to be streamed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Hub, Item, Text
from reason_cli.config import NO_WEIGHT
from reason_cli.engine import processes, tokenizers
from reason_cli.engine.chat import Template, plain_texts
from reason_cli.engine.cleaning import Benchmarks, Contaminated, benchmarks, clean, without_duplicates
from reason_cli.engine.held_out import Keyed, divide, key_of, keyed, share_of, split_held_out
from reason_cli.engine.initial import initial_folder, with_template
from reason_cli.engine.job import TrainJob
from reason_cli.engine.order import Mixture
from reason_cli.engine.packing import PackedDataset, pack
from reason_cli.engine.reading import Loaded, load, settle
from reason_cli.engine.report import Reporter
from reason_cli.engine.sources import Source
from reason_cli.engine.stream import Draws, Start, Stream
from reason_cli.engine.subject import folder_of
from reason_cli.engine.token_cache import TokenCache
from reason_cli.engine.tokens import Encoder, TokenDataset, tokenise
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Reader = Callable[[TrainJob, Source, Reporter], Loaded]
SAMPLE = 20_000  # rows that a BPE is trained on, and that a stream's held-out rows come from
MOST_HELD_OUT = 1_000  # rows that watch the loss of a stream
PLACE = "StreamPlace"  # under which a checkpoint's trainer state keeps where its stream stood


@dataclass
class Lessons:
    """What a run learns from and is watched by, whatever the method, with the tokenizer that it is written with.

    `rows` have a length and, unless they are streamed, `tokens`.
    """

    tokenizer: PreTrainedTokenizerBase
    encoder: Encoder
    rows: Any
    held_out: list[Item]
    contaminated: list[Contaminated] = field(default_factory=list, kw_only=True)
    summaries: list[dict[str, Any]] = field(default_factory=list, kw_only=True)


@dataclass
class TrainingRows(Lessons):
    """The same as token ids with labels."""

    rows: TokenDataset | PackedDataset | Stream
    held_out_rows: TokenDataset | None
    mixture: Mixture | None = None
    sample: Sequence[Item] = ()


@dataclass
class Gathered:
    """The items of all sources, cleaned and split, by source, and what became of their rows."""

    loaded: list[Loaded]
    training: list[list[Item]]
    held_out: list[Item]
    contaminated: list[Contaminated]

    @property
    def summaries(self) -> list[dict[str, Any]]:
        return [part.summary() for part in self.loaded]


def training_rows(job: TrainJob, report: Reporter, resume: Path | None) -> TrainingRows:
    """The rows of a job. `resume` is a checkpoint, whose tokenizer and place in a stream are gone on with."""
    known = benchmarks_of(job, report)
    return _streamed(job, known, report, resume) if streams(job) else _whole(job, known, report, resume)


def benchmarks_of(job: TrainJob, report: Reporter) -> Benchmarks:
    """The test questions that the rows are searched for: those of every benchmark at hand that is not trained on."""
    trained = {source.label for source in job.sources}
    for source in job.benchmarks:
        if source.label in trained:
            report.warn(f"{source.label} is a benchmark's test split, and it is trained on")
    # The network is used for this where the training rows come from it too, and not else.
    online = any(isinstance(source.place, Hub) for source in job.sources)
    known = benchmarks([source for source in job.benchmarks if source.label not in trained], online=online)
    if known.known:
        missing = f" (not at hand: {', '.join(known.missing)})" if known.missing else ""
        report.say(f"rows are searched for test questions of {', '.join(known.known)}{missing}")
    return known


def streams(job: TrainJob) -> bool:
    """Whether rows are read while they are trained on: asked for, or because a source is too large."""
    asked = job.data.streaming
    return asked == "on" or (
        asked == "auto" and any(source.large and not take_of(job, source) for source in job.sources)
    )


def take_of(job: TrainJob, source: Source) -> int:
    """How many items of a source at most; 0: all."""
    return source.spec.take or (job.data.max_rows if source.endless else 0)


def load_training_rows(job: TrainJob, source: Source, report: Reporter) -> Loaded:
    """The rows of one source; of an endless one as many as `max_rows` says."""
    refuse = job.data.bad_rows == "refuse"
    return load(source, take=take_of(job, source), seed=job.train.seed, refuse_bad=refuse, report=report)


def template_of(job: TrainJob) -> Template:
    """What is put around the job's examples."""
    return Template.of(job.settings)


def tokenizer_of(
    job: TrainJob, items: Sequence[Item], resume: Path | None, report: Reporter
) -> PreTrainedTokenizerBase:
    """The tokenizer of a run: its checkpoint's own, or one that `items` are written with."""
    own = resume or initial_folder(job)
    if own is not None:
        return with_template(tokenizers.load(str(own)), own)
    texts, tokens = plain_texts(items[:SAMPLE], template_of(job)), job.architecture.tokens(job.options)
    return processes.agreed(lambda: tokenizers.build(_spec(job), texts, tokens, report))


def _spec(job: TrainJob) -> str:
    """The tokenizer to make or load; a base's own lies in its folder. Raises `ReasonError` when that cannot be had."""
    if not job.architecture.adapts or job.tokenizer != job.architecture.tokenizer(job.options):
        return job.tokenizer
    name, _, revision = job.tokenizer.partition("@")
    return str(folder_of(name, revision))


# --- read whole --------------------------------------------------------------------------------------------------


def gather(job: TrainJob, known: Benchmarks, report: Reporter, read: Reader = load_training_rows) -> Gathered:
    """All rows of a job's sources as items: cleaned, without duplicates where that was asked for, and split.

    `read` gives those of one source.
    """
    loaded = [read(job, source, report) for source in job.sources]
    cleaned = [clean(part, known, drop=job.data.decontaminate, report=report) for part in loaded]
    groups = _without_duplicates(job, loaded, [keyed(part.items) for part in cleaned], report)
    training, held_out = _split(job, groups, report, read)
    return Gathered(loaded, training, held_out, [one for part in cleaned for one in part.contaminated])


def _whole(job: TrainJob, known: Benchmarks, report: Reporter, resume: Path | None) -> TrainingRows:
    found = gather(job, known, report)
    loaded, training, held_out = found.loaded, found.training, found.held_out
    tokenizer = tokenizer_of(job, [item for group in training for item in group], resume, report)
    encoder = Encoder(tokenizer, template_of(job), job.options.max_seq_len)
    cache = TokenCache.of_user() if job.data.cache else TokenCache(None)
    refuse = job.data.too_long == "refuse"
    # What the first process has put on disk the others take from there.
    with processes.first_goes_first() if cache.folder else nullcontext():
        ids = tokenise(encoder, training, refuse_long=refuse, cache=cache, report=report)
        held_ids = tokenise(encoder, [held_out], refuse_long=refuse, cache=cache, report=report) if held_out else None
    rows = _packed(job, ids, _has_texts(training), report)
    ready = TrainingRows(tokenizer, encoder, rows, held_out, held_ids, _mixture(loaded, rows))
    ready.contaminated, ready.summaries = found.contaminated, found.summaries
    _say(ready, loaded, report)
    return ready


def _without_duplicates(
    job: TrainJob, loaded: Sequence[Loaded], groups: list[list[Keyed]], report: Reporter
) -> list[list[Keyed]]:
    """The groups as they are, their duplicates counted, or without these where that was asked for."""
    policy = job.data.duplicates
    kept, lost = without_duplicates(groups, near=policy == "drop-near")
    for part, count in zip(loaded, lost, strict=True):
        part.cleaned["duplicates"] = count
        if count:
            what = "kept; --duplicates drop leaves them out" if policy == "keep" else "dropped"
            report.say(f"{part.source.label}: {count:,} rows ask what came before, {what}")
    return groups if policy == "keep" else kept


def _split(
    job: TrainJob, groups: list[list[Keyed]], report: Reporter, read: Reader
) -> tuple[list[list[Item]], list[Item]]:
    if not job.validation:
        return split_held_out(groups, job.data.validation_split, job.train.seed)
    held = [item for source in job.validation for item in read(job, source, report).items]
    training, _ = divide(groups, {key_of(item) for item in held})
    return training, held


def _has_texts(groups: Sequence[Sequence[Item]]) -> bool:
    return any(isinstance(item, Text) for group in groups for item in group)


def _packs(job: TrainJob, texts: bool, report: Reporter) -> bool:
    """Whether rows share packed ones; an architecture that cannot tell documents apart says so."""
    wanted = job.data.packing == "all" or (job.data.packing == "text" and texts)
    if wanted and not job.architecture.packs:
        report.warn(f"packing is off: '{job.architecture.name}' cannot keep the documents of a row apart")
    return wanted and job.architecture.packs


def _packed(job: TrainJob, ids: TokenDataset, texts: bool, report: Reporter) -> TokenDataset | PackedDataset:
    if not _packs(job, texts, report):
        return ids
    packed = pack(ids, job.options.max_seq_len, job.train.seed, texts_only=job.data.packing == "text")
    full = packed.tokens / (len(packed) * job.options.max_seq_len)
    report.say(f"packing: {len(ids):,} rows in {len(packed):,} of {job.options.max_seq_len:,} tokens, {full:.0%} full")
    return packed


def _mixture(loaded: Sequence[Loaded], rows: TokenDataset | PackedDataset) -> Mixture | None:
    weights = [part.source.weight for part in loaded]
    if all(weight == NO_WEIGHT for weight in weights):
        return None
    mixture = Mixture(rows.sources, [1.0 if weight == NO_WEIGHT else weight for weight in weights])
    for number, count in enumerate(mixture.counts()):
        if count and not (rows.sources == number).any():
            raise ReasonError(f"no row of '{loaded[number].source.label}' is left", "leave it out, or give it weight 0")
    return mixture


def _say(ready: TrainingRows, loaded: Sequence[Loaded], report: Reporter) -> None:
    rows = ready.rows
    assert not isinstance(rows, Stream)
    report.say(
        f"data: {len(rows):,} rows, {rows.tokens:,} tokens ({rows.trained_tokens:,} trained), "
        f"{len(ready.held_out):,} rows held out; tokenizer of {len(ready.tokenizer):,}"
    )
    counts = ready.mixture.counts() if ready.mixture else [int((rows.sources == n).sum()) for n in range(len(loaded))]
    if len(loaded) > 1:
        for part, count in zip(loaded, counts, strict=True):
            report.say(f"  {part.source.label}: {count:,} rows of a pass, {count / sum(counts):.1%}")


# --- streamed ----------------------------------------------------------------------------------------------------


def _streamed(job: TrainJob, known: Benchmarks, report: Reporter, resume: Path | None) -> TrainingRows:
    if job.data.duplicates != "keep":
        hint = "leave --duplicates out, or pass --streaming off"
        raise ReasonError("rows that are streamed are not all known, so duplicates cannot be dropped", hint, usage=True)
    settled = [settle(source, job.train.seed, report) for source in job.sources]
    sources = [source for source, _ in settled]
    start = Start.first(len(sources))
    sample = [drawn.item for drawn in islice(_draws(job, sources)(start.position), SAMPLE)]
    held_out, is_held = _held_out(job, sample, report)
    tokenizer = tokenizer_of(job, [item for item in sample if not is_held(item)], resume, report)
    encoder = Encoder(tokenizer, template_of(job), job.options.max_seq_len)
    stream = Stream(
        _draws(job, sources),
        encoder,
        lambda item: not is_held(item) and not (job.data.decontaminate and known.search(item)),
        batch_size=job.train.micro_batch_size,
        window_rows=job.data.window_rows,
        refuse_long=job.data.too_long == "refuse",
        pack_size=job.options.max_seq_len if _packs(job, _has_texts([sample]), report) else 0,
        texts_only=job.data.packing == "text",
        start=_start(resume) or start,
        rank=processes.place().rank,
        processes=processes.count(),
    )
    held_ids = (
        tokenise(encoder, [held_out], refuse_long=False, cache=TokenCache(None), report=report) if held_out else None
    )
    ready = TrainingRows(tokenizer, encoder, stream, held_out, held_ids, sample=sample)
    ready.summaries = [_stream_summary(job, source, instead_of, known) for source, instead_of in settled]
    report.say(
        f"data: streamed in windows of {job.data.window_rows:,} rows from {', '.join(s.label for s in sources)}, "
        f"{len(held_out):,} rows held out; tokenizer of {len(tokenizer):,}"
    )
    return ready


def _draws(job: TrainJob, sources: Sequence[Source]) -> Draws:
    """Rows as they come; those that are made on the spot never end."""
    takes = [source.spec.take for source in sources]
    return Draws(sources, takes, job.train.seed, refuse_bad=job.data.bad_rows == "refuse")


def _stream_summary(job: TrainJob, source: Source, instead_of: str, known: Benchmarks) -> dict[str, Any]:
    """What `run.toml` keeps of a source that is streamed. Its test questions are left out, or not looked for."""
    searched_for = list(known.known) if job.data.decontaminate else []
    replaced = {"instead_of": instead_of} if instead_of else {}
    found = {"contaminated": {}, "dropped": 0, "searched_for": searched_for}
    return {"dataset": source.label, **replaced, "streamed": True, **found}


def _held_out(job: TrainJob, sample: Sequence[Item], report: Reporter) -> tuple[list[Item], Callable[[Item], bool]]:
    """(the rows that watch the loss, whether an item of the stream asks what one of these might)."""
    if job.validation:
        held = [item for source in job.validation for item in load_training_rows(job, source, report).items]
        keys = {key_of(item) for item in held}
        return held, lambda item: key_of(item) in keys
    share, seed = job.data.validation_split, job.train.seed
    if not share:
        return [], lambda item: False

    def is_held(item: Item) -> bool:
        return share_of(key_of(item), seed) < share

    return list(islice(filter(is_held, sample), MOST_HELD_OUT)), is_held


def _start(resume: Path | None) -> Start | None:
    """Where the stream of a checkpoint stood."""
    if resume is None:
        return None
    state = json.loads((resume / "trainer_state.json").read_text(encoding="utf-8"))
    place = state["stateful_callbacks"].get(PLACE)
    return Start.from_json(place["attributes"]["start"]) if place else None
