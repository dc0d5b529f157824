"""What every `reason_cli.Graph` must do: say what its model says, whatever is read how, and when it is traced too."""

import warnings

import torch

CLOSE = 1e-4
LENGTHS = (21, 1, 34)  # of the rows of a batch, and what they go on with: pieces, and steps past every small window
LATER = [1, 7, 2, 1, 12, *[1] * 30]


@torch.no_grad()
def check_graph(model, graph, vocabulary):
    """As it is, and traced on other shapes by TorchScript, twice: the second time it is optimised for what it saw."""
    torch.manual_seed(3)
    rows = [torch.randint(3, vocabulary, (length + sum(LATER),)) for length in LENGTHS]
    alone = [model(input_ids=row[None], use_cache=False).logits[0].float() for row in rows]
    check_reading(graph, rows, alone, graph.states)
    module = traced(graph, vocabulary)
    for _ in range(2):
        check_reading(module, rows, alone, graph.states)


def check_reading(graph, rows, alone, kept):
    """Rows (length,) as one batch that is padded on the left, and then on, against each row's logits alone."""
    width, later = max(LENGTHS), sum(LATER)
    ids, mask = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(2))
    for i, (row, length) in enumerate(zip(rows, LENGTHS, strict=True)):
        ids[i, width - length :], mask[i, width - length :] = row[:length], 1
    states = [state.start(len(rows)) for state in kept]
    given = [state.clone() for state in states]
    logits, *after = graph(ids, mask, torch.arange(width), *states)
    assert logits.dtype == torch.float32 and all(x.isfinite().all() for x in (logits, *after))
    assert all(torch.equal(one, other) for one, other in zip(given, states, strict=True)), (
        "it changed what it was given"
    )
    last, *_ = graph(ids, mask, torch.tensor([width - 1]), *states)
    assert last.shape[1] == 1 and (last[:, 0] - logits[:, -1]).abs().max() < CLOSE
    for i, length in enumerate(LENGTHS):
        assert (logits[i, width - length :] - alone[i][:length]).abs().max() < CLOSE, i
    said = []
    for piece in torch.stack([row[-later:] for row in rows]).split(LATER, 1):
        if piece.shape[1] == 1:
            logits, *after = graph.step(piece, *after)
        else:
            logits, *after = graph(piece, torch.ones_like(piece), torch.arange(piece.shape[1]), *after)
        said.append(logits)
    assert (torch.cat(said, 1) - torch.stack([row[-later:] for row in alone])).abs().max() < CLOSE


def traced(graph, vocabulary):
    """The graph in TorchScript, traced with two rows of five tokens after as many others."""
    ids = torch.randint(3, vocabulary, (2, 5))
    text = (ids, torch.ones_like(ids), torch.arange(5))
    states = graph(*text, *(state.start(2) for state in graph.states))[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = {"forward": (*text, *states), "step": (ids[:, :1], *states)}
        return torch.jit.trace_module(graph, inputs, check_trace=False)
