"""Memory: fewer rows where it is short, half of them where it is full."""

from __future__ import annotations

import pytest

from reason_cli.engine import room
from reason_cli.engine.generate import Decoding, Request, answer, answers
from reason_cli.errors import ReasonError

PROMPTS = [f"question {n}" for n in range(11)]


@pytest.fixture
def free(monkeypatch):
    """Sets how much memory is free."""
    return lambda count: monkeypatch.setattr(room, "free_bytes", lambda device: count)


def test_as_many_rows_as_fit_and_one_at_least(free):
    import torch

    cpu = torch.device("cpu")
    each = 1_000 + 4 * room.LOGITS * 100
    free(int(10.5 * each / room.SHARE))
    assert room.fitting(64, 1_000, 100, cpu) == 10
    assert room.fitting(4, 1_000, 100, cpu) == 4
    free(0)
    assert room.fitting(64, 1_000, 100, cpu) == 1


def test_free_memory_is_the_machines_own():
    import psutil
    import torch

    assert 0 < room.free_bytes(torch.device("cpu")) <= psutil.virtual_memory().total


def rows_of_calls(model):
    """The number of rows of each forward pass; the prompts' and those that fill up a batch included."""
    sizes = []
    model.register_forward_pre_hook(lambda _, args, given: sizes.append(len(given["input_ids"])), with_kwargs=True)
    return sizes


def test_a_batch_is_no_larger_than_memory_allows(model, tokenizer, free):
    from reason_cli.engine.batched import memory_bytes

    each = memory_bytes(model, max(map(len, PROMPTS)) + 4) + 4 * room.LOGITS * len(tokenizer)
    want = answer(model, tokenizer, PROMPTS, Decoding(max_new_tokens=4))
    counts = []
    free(int(3.5 * each / room.SHARE))
    assert answer(model, tokenizer, PROMPTS, Decoding(max_new_tokens=4), counts.append) == want
    sizes = rows_of_calls(model)
    answer(model, tokenizer, PROMPTS, Decoding(max_new_tokens=4))
    assert len([size for size in sizes if size > 1]) == 4 * 4  # batches of 3, 3, 3 and 2, each of 4 steps


class Full:
    """Work that finishes rows one by one and has no memory for more than `most` at a time."""

    def __init__(self, most, after=0):
        self.most, self.after, self.sizes = most, after, []

    def __call__(self, rows, size):
        import torch

        self.sizes.append((len(rows), size))
        for count, row in enumerate(rows):
            if size > self.most and count == self.after:
                raise torch.OutOfMemoryError("CUDA out of memory")
            assert not row.said
            row.said.append(row.index)
            yield row


def made(count):
    from reason_cli.engine.row import Endings, Row

    endings = Endings(None, frozenset(), (), 5)
    return [Row(index, [1], index, endings) for index in range(count)]


def test_where_memory_is_full_half_as_many_go_on_with_what_is_left():
    work = Full(most=16, after=3)
    done = list(room.with_less_when_full(work, made(40), 64))
    assert work.sizes == [(40, 64), (37, 32), (34, 16)]
    assert sorted(row.index for row in done) == list(range(40))


def test_one_that_does_not_fit_is_an_error_with_a_next_step():
    with pytest.raises(ReasonError, match="memory is full") as error:
        list(room.with_less_when_full(Full(most=0), made(4), 4))
    assert "--max-new-tokens" in error.value.hint


def test_answers_that_were_under_way_begin_anew_and_are_the_same(model, tokenizer, monkeypatch):
    import torch

    how = Decoding(batch_size=8, max_new_tokens=6, temperature=1.0)
    requests = [Request(prompt, seed) for seed, prompt in enumerate(PROMPTS)]
    want = dict(answers(model, tokenizer, requests, how))
    forward, calls = model.forward, []

    def short_of_memory(**given):
        calls.append(len(given["input_ids"]))
        if len(calls) == 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(**given)

    monkeypatch.setattr(model, "forward", short_of_memory)
    assert dict(answers(model, tokenizer, requests, how)) == want
