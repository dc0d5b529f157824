"""Packed rows: several documents in one row are what each is in a row of its own, forward and backward."""

import random

import pytest
import torch
from reason_mamba.model import MambaForCausalLM, document_begins, document_positions
from reason_mamba.scan import ScanEngine, cuda_engine, resolve_engine, selective_scan
from scan_reference import arguments, doubled, error, reference

TOLERANCE = 1e-4

# Documents shorter than the convolution is wide; borders at, before and after the ends of chunks of 32; one alone.
_random = random.Random(11)
ROWS = [
    (1, 2, 3, 1, 1, 5),
    (32, 32, 1),
    (31, 33, 2, 30),
    (64, 1, 31, 65),
    (100,),
    *(tuple(int(70 ** _random.random()) for _ in range(9)) for _ in range(3)),
]


def standing_in(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=True):
    """The reference with the arguments of mamba-ssm's kernel, which has no positions."""
    out, last = reference(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    return out.to(u.dtype), last


def standing_in_convolution(x, weight, bias, seq_idx, activation):
    """causal-conv1d's meaning: a tap whose step has another `seq_idx` reads zero."""
    assert activation == "silu" and seq_idx.dtype == torch.int32 and x.stride(1) == 1
    taps = torch.nn.functional.pad(x, (weight.shape[1] - 1, 0)).unfold(2, weight.shape[1], 1)
    owners = torch.nn.functional.pad(seq_idx, (weight.shape[1] - 1, 0)).unfold(1, weight.shape[1], 1)
    y = torch.einsum("bclk,ck->bcl", taps * (owners == seq_idx.unsqueeze(-1)).unsqueeze(1), weight)
    return torch.nn.functional.silu(y if bias is None else y + bias[:, None])


@pytest.fixture(params=["torch", "cpu", "cuda"])
def packing_engine(request, monkeypatch):
    """Every engine; `cuda` on a CPU, with kernels in plain PyTorch under it."""
    if request.param != "cuda":
        return resolve_engine(request.param, "cpu")
    monkeypatch.setattr(cuda_engine, "_kernels", lambda: (standing_in, standing_in_convolution))
    return ScanEngine("cuda", "", cuda_engine.scan, cuda_engine.conv_silu)


def positions_of(*rows):
    """(batch, length) for rows of documents of these lengths."""
    return torch.stack([torch.cat([torch.arange(length) for length in row]) for row in rows])


def spans(lengths):
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def compare(got, want, leaves, exact):
    """Outputs and, after a backward pass through all of them, every gradient."""
    weights = [torch.randn_like(part) for part in got]
    sum((part * weight).sum() for part, weight in zip(got, weights, strict=True)).backward()
    sum((part * weight.double()).sum() for part, weight in zip(want, weights, strict=True)).backward()
    assert all(error(one, other) < TOLERANCE for one, other in zip(got, want, strict=True))
    errors = {name: error(leaves[name].grad, exact[name].grad) for name in leaves}
    assert max(errors.values()) < TOLERANCE, errors


# ---- the scan and the convolution


def apart(tensors, lengths, **options):
    """The float64 reference, document after document: (out, the last one's state)."""
    outs = []
    for span in spans(lengths):
        own = {name: tensor[..., span] if tensor.dim() == 3 else tensor for name, tensor in tensors.items()}
        mask = options["mask"][:, span].double() if "mask" in options else None
        out, last = reference(**own, softplus=True, mask=mask)
        outs.append(out)
    return torch.cat(outs, 2), last


@pytest.mark.parametrize("lengths", ROWS, ids=str)
def test_a_packed_scan_is_a_scan_per_document(lengths, packing_engine):
    tensors = arguments(2, sum(lengths), 20, 5)
    got = selective_scan(
        **tensors, delta_softplus=True, return_last_state=True, positions=positions_of(lengths, lengths),
        engine=packing_engine,
    )  # fmt: skip
    exact = doubled(tensors)
    compare(got, apart(exact, lengths), tensors, exact)


def test_rows_of_a_batch_have_documents_of_their_own(packing_engine):
    rows = [(40, 1, 9, 50), (100,), (1, 99), (33, 33, 34)]
    tensors = arguments(4, 100, 16, 4)
    exact = doubled(tensors)
    got = selective_scan(
        **tensors, delta_softplus=True, return_last_state=True, positions=positions_of(*rows), engine=packing_engine
    )
    single = [
        apart({name: t[i : i + 1] if t.dim() == 3 else t for name, t in exact.items()}, row)
        for i, row in enumerate(rows)
    ]
    compare(got, [torch.cat(parts) for parts in zip(*single, strict=True)], tensors, exact)


def test_padding_inside_a_packed_row_leaves_the_state_as_it_is(packing_engine):
    lengths = (40, 7, 30)
    tensors, mask = arguments(2, 77, 16, 4), (torch.rand(2, 77) > 0.3).float()
    positions = positions_of(lengths, lengths)
    got = selective_scan(
        **tensors, delta_softplus=True, return_last_state=True, positions=positions, mask=mask, engine=packing_engine
    )
    exact = doubled(tensors)
    compare(got, apart(exact, lengths, mask=mask), tensors, exact)


def test_a_given_state_goes_on_in_the_first_document_alone(packing_engine):
    """Row 0 continues a document; row 1 begins one at its first step, where the state counts as zero."""
    tensors = arguments(2, 50, 16, 4)
    state, positions = torch.randn(2, 16, 4, requires_grad=True), positions_of((20, 30), (20, 30))
    positions[0, :20] += 3
    got = selective_scan(
        **tensors, delta_softplus=True, positions=positions, initial_state=state, engine=packing_engine
    )
    exact, exact_state = doubled(tensors), state.detach().double().requires_grad_()
    outs = []
    for span, before in ((slice(0, 20), exact_state * torch.tensor([1.0, 0.0])[:, None, None]), (slice(20, 50), None)):
        own = {name: tensor[..., span] if tensor.dim() == 3 else tensor for name, tensor in exact.items()}
        outs.append(reference(**own, softplus=True, state=before)[0])
    compare([got], [torch.cat(outs, 2)], tensors | {"state": state}, exact | {"state": exact_state})
    assert not state.grad[1].any()


def convolved(x, weight, bias, mask=None):
    """The convolution of one document in float64, tap by tap."""
    x = x if mask is None else x * mask.double().unsqueeze(-1)
    width, length = weight.shape[1], x.shape[1]
    taps = [torch.nn.functional.pad(x, (0, 0, k, 0))[:, :length] for k in range(width)]
    y = sum(tap * weight[:, width - 1 - k] for k, tap in enumerate(taps))
    return torch.nn.functional.silu(y if bias is None else y + bias)


@pytest.mark.parametrize("lengths", ROWS, ids=str)
@pytest.mark.parametrize(
    ("width", "biased", "masked"), [(4, True, False), (4, True, True), (2, False, False), (1, 1, 0)]
)
def test_a_packed_convolution_is_one_per_document(lengths, width, biased, masked, packing_engine):
    length = sum(lengths)
    leaves = {"x": torch.randn(2, length, 24), "weight": torch.randn(24, width)} | (
        {"bias": torch.randn(24)} if biased else {}
    )
    leaves = {name: tensor.requires_grad_() for name, tensor in leaves.items()}
    mask = (torch.rand(2, length) > 0.3).float() if masked else None
    got = packing_engine.conv_silu(
        leaves["x"], leaves["weight"], leaves.get("bias"), mask, positions_of(lengths, lengths)
    )
    exact = doubled(leaves)
    want = [
        convolved(exact["x"][:, span], exact["weight"], exact.get("bias"), None if mask is None else mask[:, span])
        for span in spans(lengths)
    ]
    compare([got], [torch.cat(want, 1)], leaves, exact)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_in_packed_rows(dtype, packing_engine):
    lengths = (3, 40, 1, 56)
    tensors = {name: tensor.detach().to(dtype).requires_grad_() for name, tensor in arguments(2, 100, 16, 4).items()}
    got = selective_scan(
        **tensors, delta_softplus=True, positions=positions_of(lengths, lengths), engine=packing_engine
    )
    assert got.dtype == dtype
    assert error(got, apart(doubled(tensors), lengths)[0]) < 2 * torch.finfo(dtype).eps
    got.sum().backward()
    assert all(tensor.grad.dtype == dtype and tensor.grad.isfinite().all() for tensor in tensors.values())


@pytest.mark.parametrize("poison", [3.0, float("nan"), float("inf")])
def test_nothing_of_a_document_reaches_another_one(poison, packing_engine):
    """Not even a NaN, nor by the gradients."""
    if packing_engine.name == "cuda" and poison != 3.0:
        pytest.skip("a NaN times a decay of zero is a NaN")
    lengths, middle = (37, 30, 33), slice(37, 67)
    positions = positions_of(lengths)
    found = []
    for value in (0.5, poison):
        torch.manual_seed(1)
        tensors = arguments(1, 100, 16, 4)
        with torch.no_grad():
            tensors["u"][..., middle] *= value
            tensors["B"][..., middle] += value
        scanned = selective_scan(**tensors, delta_softplus=True, positions=positions, engine=packing_engine)
        weight = torch.randn(16, 4)
        out = packing_engine.conv_silu(scanned.transpose(1, 2), weight, None, None, positions)
        out[:, :37].sum().backward(retain_graph=True)
        assert not any(tensors[name].grad[..., 67:].any() for name in ("u", "delta", "B", "C", "z"))
        out[:, 67:].sum().backward()
        grads = [tensors[name].grad for name in ("u", "delta", "B", "C", "z")]
        found.append(
            [part[..., where] for part in (out.transpose(1, 2), *grads) for where in (slice(37), slice(67, None))]
        )
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_operators_pass_torch_s_own_check_on_packed_rows(dtype):
    operators, check = torch.ops.reason, torch.library.opcheck
    positions = positions_of((1, 30, 9), (33, 2, 5))
    u, delta, z, dout = (torch.randn(2, 40, 32, dtype=dtype) for _ in range(4))
    B, C, A, state = torch.randn(2, 40, 4), torch.randn(2, 40, 4), -torch.rand(4, 32), torch.randn(2, 4, 32)
    D, bias, weight = torch.randn(32), torch.randn(32), torch.randn(4, 32)
    inputs = u, delta, A, B, C, D, z, bias, None, positions
    leaves = [x.clone().requires_grad_() if x is not None and x.is_floating_point() else x for x in inputs]
    check(operators.scan_forward, (*leaves, state.clone().requires_grad_(), True))
    check(operators.scan_inference, (*inputs, state, True))
    _, last, borders = operators.scan_forward(*inputs, state, True)
    check(operators.scan_backward, (dout, torch.randn_like(last), borders, *inputs, True))
    check(operators.conv_forward, (leaves[0], weight.clone().requires_grad_(), bias, None, positions))
    check(operators.conv_backward, (dout, u, weight, bias, None, positions))


def test_positions_of_another_shape_are_refused_and_not_read():
    tensors = arguments(2, 20, 16, 4)
    with pytest.raises(ValueError, match=r"expected torch\.int64 of shape \(2, 20\)"):
        selective_scan(**tensors, positions=torch.zeros(2, 19, dtype=torch.long), engine="cpu")
    with pytest.raises(ValueError, match=r"expected torch\.int64 of shape \(2, 20\)"):
        torch.ops.reason.conv_forward(torch.randn(2, 20, 16), torch.randn(4, 16), None, None, torch.zeros(1, 20).long())


def test_the_cuda_engine_puts_a_free_column_before_every_document():
    columns, width = cuda_engine.spread_columns(positions_of((3, 1, 2), (6,)))
    assert width == 9
    assert columns.tolist() == [[1, 2, 3, 5, 7, 8], [3, 4, 5, 6, 7, 8]]


# ---- the model


def pack(rows):
    """(ids, position ids) of one packed row, each (1, length)."""
    return torch.cat(list(rows))[None], positions_of([len(row) for row in rows])


@pytest.fixture
def documents(config):
    return [torch.randint(3, config.vocab_size, (length,)) for length in (1, 33, 2, 3, 40, 1, 20)]


def test_a_packed_row_equals_its_documents_in_logits(model, documents):
    ids, positions = pack(documents)
    with torch.no_grad():
        got = model(ids, position_ids=positions).logits[0]
        want = torch.cat([model(row[None]).logits[0] for row in documents])
        mixed = model(ids).logits[0]
    assert (got - want).abs().max() < 1e-5
    assert (got - mixed).abs().max() > 1e-2  # and the positions are what does it


def test_changing_a_document_changes_no_logit_of_another(model, documents):
    others = [(row + 1) % 80 + 3 if i % 2 else row for i, row in enumerate(documents)]
    with torch.no_grad():
        one, other = (model(ids, position_ids=at).logits[0] for ids, at in (pack(documents), pack(others)))
    for i, span in enumerate(spans([len(row) for row in documents])):
        assert torch.equal(one[span], other[span]) != (i % 2 == 1)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("marked", [False, True])
def test_a_packed_row_equals_its_documents_in_loss_and_gradients(model, documents, checkpointing, marked):
    """With the first token of each document trained by the labels (`marked` false), it is left out all the same."""
    model.train()
    if checkpointing:
        model.gradient_checkpointing_enable()

    def gradients(batches):
        model.zero_grad()
        loss = sum(model(**batch, num_items_in_batch=50).loss for batch in batches)
        loss.backward()
        return [loss.detach(), *(parameter.grad.clone() for parameter in model.parameters())]

    ids, positions = pack(documents)
    labels = ids.masked_fill(positions == 0, -100) if marked else ids
    packed = gradients([{"input_ids": ids, "position_ids": positions, "labels": labels}])
    alone = gradients([{"input_ids": row[None], "labels": row[None]} for row in documents])
    for one, other in zip(packed, alone, strict=True):
        assert (one - other).abs().max() <= 1e-4 * other.abs().max() + 1e-7


def test_the_mean_loss_of_a_packed_row_is_that_over_its_tokens(model, documents):
    ids, positions = pack(documents)
    long = [row[None] for row in documents if len(row) > 1]
    with torch.no_grad():
        total = sum(model(row, labels=row).loss * (row.shape[1] - 1) for row in long)
        want = total / sum(row.shape[1] - 1 for row in long)
        assert model(ids, position_ids=positions, labels=ids).loss.item() == pytest.approx(want.item(), rel=1e-5)
        model.train()
        assert model(ids, position_ids=positions, labels=ids).loss.item() == pytest.approx(want.item(), rel=1e-5)


def test_packing_works_in_bfloat16(config, documents, engine):
    model = MambaForCausalLM(config).to(torch.bfloat16).eval()
    model.set_scan_engine(engine)
    ids, positions = pack(documents)
    with torch.no_grad():
        got = model(ids, position_ids=positions).logits[0]
        want = torch.cat([model(row[None]).logits[0] for row in documents])
    assert (got - want).abs().max() <= 0.02 * want.abs().max()
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        model(ids, position_ids=positions, labels=ids).loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_packed_rows_compile_without_a_graph_break(model, documents):
    model.set_scan_engine("cpu")
    ids, positions = pack(documents)
    compiled = torch.compile(lambda at: model(ids, position_ids=at).logits, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        assert (compiled(positions) - model(ids, position_ids=positions).logits).abs().max() < 1e-5
        assert (compiled(torch.arange(100)[None]) - model(ids).logits).abs().max() < 1e-5


# ---- positions that pack nothing


@pytest.mark.parametrize("start", [0, 1, 17])
def test_positions_that_go_on_change_nothing_and_cost_nothing(model, ids, start):
    positions = torch.arange(start, start + ids.shape[1])[None]
    assert document_positions(positions, None, ids.shape) is None
    output = model(ids, position_ids=positions)
    assert torch.equal(output.logits, model(ids).logits)
    assert output.cache_params.seen == ids.shape[1]


@pytest.mark.parametrize("filler", [0, 1])
def test_positions_under_padding_begin_no_document(model, ids, filler):
    """As transformers makes them from a mask: 0 or 1 under the padding, the first real token at 0."""
    mask = torch.ones_like(ids)
    mask[0, :9] = 0
    positions = (mask.cumsum(1) - 1).masked_fill(mask == 0, filler)
    assert document_positions(positions, mask, ids.shape) is None
    right = mask.flip(1)
    assert document_positions((right.cumsum(1) - 1).masked_fill(right == 0, filler), right, ids.shape) is None
    with torch.no_grad():
        want = model(ids, attention_mask=mask, use_cache=True)
        got = model(ids, attention_mask=mask, position_ids=positions, use_cache=True)
    assert torch.equal(got.logits, want.logits)
    greedy = {"attention_mask": mask, "max_new_tokens": 8, "do_sample": False}
    assert torch.equal(model.generate(ids, position_ids=positions, **greedy), model.generate(ids, **greedy))


def test_tokens_after_a_state_continue_it_whatever_their_position(model, ids):
    with torch.no_grad():
        cache = model(ids[:, :-1], use_cache=True).cache_params
        got = model(ids[:, -1:], position_ids=torch.zeros(1, 1).long(), cache_params=cache).logits
        assert (got - model(ids).logits[:, -1:]).abs().max() < 1e-5


def test_a_packed_row_and_padding_stand_in_one_row(model, documents):
    ids, positions = pack(documents)
    before = torch.zeros(1, 6, dtype=torch.long)
    mask = torch.cat([before, torch.ones_like(ids), before], 1)
    wide = [torch.cat([before, part, before], 1) for part in (ids, positions)]
    with torch.no_grad():
        got = model(wide[0], attention_mask=mask, position_ids=wide[1]).logits[:, 6:-6]
        assert (got - model(ids, position_ids=positions).logits).abs().max() < 1e-5
    begins = document_begins(wide[1], mask, mask.shape)
    assert begins.sum() == len(documents) - 1


def test_a_packed_row_has_no_state_to_go_on_from(model, documents):
    ids, positions = pack(documents)
    assert model(ids, position_ids=positions).cache_params is None
    with pytest.raises(ValueError, match="leave no state"):
        model(ids, position_ids=positions, use_cache=True)
    cache = model(ids, use_cache=True).cache_params
    with pytest.raises(ValueError, match="leave no state"):
        model(ids, position_ids=positions, cache_params=cache)
    assert cache.seen == ids.shape[1]
