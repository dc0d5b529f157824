"""A text read by several threads: a piece of it is in one layer while the piece before it is in the next.

onnxruntime walks over a text (`Scan`) on one thread, and its parallel mode gives one thread all that runs on a
processor. So here each walk is in a graph of its own, in which one thread works alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from onnxruntime import InferenceSession

from reason_onnx.cutting import AFTER, LOGITS

PIECES = 2  # of a text for each thread: more cost more calls, fewer leave threads idle at either end
SHORTEST = 32  # tokens of a piece

Arrays = dict[str, np.ndarray]
Job = Future[tuple[np.ndarray, Arrays]]  # what a stage gives the next, and what it remembers


class Pipeline:
    """Stages of one graph, see `cutting`, and the threads that run them."""

    def __init__(self, stages: Sequence[InferenceSession], threads: int) -> None:
        self.stages = [Stage(session) for session in stages]
        self.threads, self.pool = threads, ThreadPoolExecutor(threads, "onnx")

    def run(self, names: Sequence[str], given: Arrays) -> list[np.ndarray]:
        """As `run` of a session of the whole graph: the outputs of these names."""
        texts = self.pieces(given)
        newest: dict[int, Job] = {}  # of each stage
        heads: list[Job] = []
        # Whatever a job waits for was begun before it, so that jobs that wait never keep all threads.
        for front in range(len(texts) + len(self.stages) - 1):
            for number in reversed(range(len(self.stages))):
                if 0 <= front - number < len(texts):
                    waits = newest.get(number - 1), newest.get(number)
                    run = self.stages[number].run
                    newest[number] = self.pool.submit(run, texts[front - number], given, *waits)
                    heads += [newest[number]] if number == len(self.stages) - 1 else []
        made = {LOGITS: np.concatenate([head.result()[0] for head in heads], 1)}
        for job in newest.values():
            made |= {f"{name}{AFTER}": array for name, array in job.result()[1].items()}
        return [made[name] for name in names]

    def pieces(self, given: Arrays) -> list[Arrays]:
        """A text's tokens and mask, and in each piece the columns of it that are to be scored."""
        ids, mask, kept = (given[name] for name in ("input_ids", "attention_mask", "logits_to_keep"))
        length = ids.shape[1]
        count = min(PIECES * self.threads, -(-length // SHORTEST))
        texts = []
        for start, end in pairwise(length * place // count for place in range(count + 1)):
            here = kept[(kept >= start) & (kept < end)] - start
            texts.append({"input_ids": ids[:, start:end], "attention_mask": mask[:, start:end], "logits_to_keep": here})
        return texts


class Stage:
    """One graph of a `Pipeline`."""

    def __init__(self, session: InferenceSession) -> None:
        self.session = session
        self.given, self.made = ([one.name for one in side] for side in (session.get_inputs(), session.get_outputs()))

    def run(self, text: Arrays, given: Arrays, ahead: Job | None, before: Job | None) -> tuple[np.ndarray, Arrays]:
        """Read a piece of what is given. `ahead` makes what this stage reads of it, `before` is this stage's last."""
        feed = given | text | ({} if before is None else before.result()[1])
        if ahead is not None:
            feed[self.given[0]] = ahead.result()[0]
        out, *after = self.session.run(None, {name: feed[name] for name in self.given})
        return out, {name.removesuffix(AFTER): array for name, array in zip(self.made[1:], after, strict=True)}
