"""The selective scan: every engine against a float64 reference, and what the issue promises of the fused one."""

import os
import random
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from reason_mamba.scan import ENGINE_NAMES, cpu_engine, cuda_engine, engines, jit, pool, resolve_engine, selective_scan
from reason_mamba.scan import torch_engine as torch_reference
from scan_reference import NAMES, arguments, doubled, error, reference
from torch.utils._python_dispatch import TorchDispatchMode

from reason_cli import ReasonError

TOLERANCE = 1e-4

# batch, length, d_inner, d_state: around the chunk and the vector width, at the ends of the promised range, and random
EDGES = [(1, 1, 16, 16), (2, 31, 32, 16), (1, 32, 80, 16), (3, 33, 7, 3), (1, 65, 16, 1), (1, 4097, 16, 4)]
_random = random.Random(7)
DRAWN = [
    (_random.randint(1, 3), int(4097 ** _random.random()), _random.randint(1, 90), _random.randint(1, 20))
    for _ in range(6)
]


def run_both(tensors, engine, softplus=True, mask=None, state=None):
    """(out, last state) of the engine and of the reference, after a backward pass through both outputs of each."""
    exact = doubled(tensors)
    exact_state = None if state is None else state.detach().double().requires_grad_()
    got = selective_scan(
        **tensors, delta_softplus=softplus, return_last_state=True, mask=mask, initial_state=state, engine=engine
    )
    want = reference(**exact, softplus=softplus, mask=None if mask is None else mask.double(), state=exact_state)
    weights = [torch.randn_like(part) for part in got]
    sum((part * weight).sum() for part, weight in zip(got, weights, strict=True)).backward()
    sum((part * weight.double()).sum() for part, weight in zip(want, weights, strict=True)).backward()
    return got, want, exact, exact_state


def positive_steps(tensors):
    """Without a softplus a step size must be positive by itself, or states explode."""
    return {n: t.detach().abs().requires_grad_() if n.startswith("delta") else t for n, t in tensors.items()}


@pytest.mark.parametrize("shape", EDGES + DRAWN, ids=str)
def test_forward_and_every_gradient_agree_with_float64(shape, engine):
    tensors = arguments(*shape)
    got, want, exact, _ = run_both(tensors, engine)
    assert error(got[0], want[0]) < TOLERANCE
    assert error(got[1], want[1]) < TOLERANCE
    errors = {name: error(tensors[name].grad, exact[name].grad) for name in NAMES}
    assert max(errors.values()) < TOLERANCE, errors


@pytest.mark.parametrize("absent", [("D",), ("z",), ("delta_bias",), ("D", "z", "delta_bias")], ids=str)
@pytest.mark.parametrize("softplus", [True, False])
def test_optional_arguments_may_be_absent(absent, softplus, engine):
    tensors = {name: tensor for name, tensor in arguments(2, 37, 20, 4).items() if name not in absent}
    if not softplus:
        tensors = positive_steps(tensors)
    got, want, exact, _ = run_both(tensors, engine, softplus)
    assert error(got[0], want[0]) < TOLERANCE
    assert all(error(tensor.grad, exact[name].grad) < TOLERANCE for name, tensor in tensors.items())


@pytest.mark.parametrize("softplus", [True, False])
def test_masked_steps_and_an_initial_state(softplus, engine):
    tensors = arguments(3, 70, 40, 6)
    if not softplus:
        tensors = positive_steps(tensors)
    mask = (torch.rand(3, 70) > 0.3).float()
    state = torch.randn(3, 40, 6, requires_grad=True)
    got, want, exact, exact_state = run_both(tensors, engine, softplus, mask, state)
    assert error(got[0], want[0]) < TOLERANCE
    assert error(got[1], want[1]) < TOLERANCE
    assert all(error(tensor.grad, exact[name].grad) < TOLERANCE for name, tensor in tensors.items())
    assert error(state.grad, exact_state.grad) < TOLERANCE


def test_a_fully_masked_row_keeps_its_state(engine):
    state = torch.randn(2, 24, 5)
    tensors = {name: tensor.detach() for name, tensor in arguments(2, 50, 24, 5).items()}
    mask = torch.stack([torch.zeros(50), torch.ones(50)])
    scan = {"delta_softplus": True, "return_last_state": True, "initial_state": state, "mask": mask, "engine": engine}
    _, last = selective_scan(**tensors, **scan)
    assert torch.equal(last[0], state[0])
    assert error(last[1], state[1]) > 0.01


def test_two_pieces_equal_the_whole(engine):
    tensors = {name: tensor.detach() for name, tensor in arguments(2, 90, 24, 5).items()}
    cut = {name: tensor for name, tensor in tensors.items() if tensor.dim() == 3}
    whole, last = selective_scan(**tensors, return_last_state=True, delta_softplus=True, engine=engine)
    state, parts = None, []
    for span in (slice(0, 41), slice(41, 90)):
        piece = tensors | {name: tensor[:, :, span] for name, tensor in cut.items()}
        out, state = selective_scan(
            **piece, return_last_state=True, delta_softplus=True, initial_state=state, engine=engine
        )
        parts.append(out)
    assert error(torch.cat(parts, 2), whole) < 1e-6
    assert error(state, last) < 1e-6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype, engine):
    tensors = {name: tensor.detach().to(dtype).requires_grad_() for name, tensor in arguments(2, 300, 16, 4).items()}
    got = selective_scan(**tensors, delta_softplus=True, engine=engine)
    want, _ = reference(**doubled(tensors), softplus=True)
    assert got.dtype == dtype
    assert error(got, want) < 2 * torch.finfo(dtype).eps
    got.sum().backward()
    assert all(tensor.grad.dtype == dtype for tensor in tensors.values())


@pytest.mark.parametrize("slope", [1e-6, 60.0], ids=["remembers", "forgets"])
def test_extreme_decays_stay_exact(slope, engine):
    tensors = arguments(1, 500, 16, 4)
    tensors["A"] = torch.full((16, 4), -slope, requires_grad=True)
    got, want, exact, _ = run_both(tensors, engine)
    assert error(got[0], want[0]) < TOLERANCE
    assert error(tensors["u"].grad, exact["u"].grad) < TOLERANCE


def test_a_nan_is_not_hidden(engine):
    tensors = {name: tensor.detach() for name, tensor in arguments(1, 40, 16, 4).items()}
    tensors["delta"][0, 3, 20] = float("nan")
    out = selective_scan(**tensors, delta_softplus=True, engine=engine)
    assert out[0, 3, 20:].isnan().all()
    assert not out[0, 3, :20].isnan().any()
    assert not out[0, 4].isnan().any()


# ---- the fused engine


class Copies(TorchDispatchMode):
    """Collects the sizes of what is copied."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if any(word in str(function) for word in ("clone", "copy", "contiguous", "pad")):
            self.sizes.append(args[0].numel())
        return function(*args, **(kwargs or {}))


def test_transposed_views_and_slices_are_not_copied():
    xz, narrow = torch.randn(2, 100, 64), torch.randn(2, 100, 16)
    u, z = (half.transpose(1, 2) for half in xz.chunk(2, -1))
    B, C = (half.transpose(1, 2) for half in narrow.split([8, 8], -1))
    with Copies() as copies:
        selective_scan(u, torch.randn(2, 100, 32).transpose(1, 2), -torch.rand(32, 8), B, C, z=z, engine="cpu")
    assert max(copies.sizes, default=0) < narrow.numel() // 2
    with Copies() as copies:  # and the collector does see a copy where one is needed
        selective_scan(u.contiguous(), u, -torch.rand(32, 8), B, C, engine="cpu")
    assert u.numel() in copies.sizes


def operands(batch=2, length=40, channels=32, states=4, requires_grad=True, dtype=torch.float32):
    """The forward operator's own arguments: time-major, A by states first, a state before the first step."""
    rows = [torch.randn(batch, length, channels, dtype=dtype) for _ in range(3)]
    narrow = [torch.randn(batch, length, states) for _ in range(2)]
    u, delta, z, B, C = (tensor.requires_grad_(requires_grad) for tensor in (*rows, *narrow))
    A = (-torch.rand(states, channels)).requires_grad_(requires_grad)
    D, bias = (torch.randn(channels).requires_grad_(requires_grad) for _ in range(2))
    state = torch.randn(batch, states, channels).requires_grad_(requires_grad)
    return u, delta, A, B, C, D, z, bias, (torch.rand(batch, length) > 0.2).float(), None, state, True


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_operators_pass_torch_s_own_check(dtype):
    operators, check = torch.ops.reason, torch.library.opcheck
    check(operators.scan_forward, operands(dtype=dtype))
    *inputs, state, _ = operands(requires_grad=False, dtype=dtype)
    check(operators.scan_inference, (*inputs, state, True))
    _, last, borders = operators.scan_forward(*inputs, state, True)
    u, bias, mask = inputs[0], inputs[7], inputs[8]
    gradients = torch.randn_like(u), torch.randn_like(last)
    check(operators.scan_backward, (*gradients, borders, *inputs, True))
    weight = torch.randn(4, 32, requires_grad=True)
    check(operators.conv_forward, (u.clone().requires_grad_(), weight, bias, mask, None))
    check(operators.conv_backward, (gradients[0], u, weight.detach(), bias, mask, None))


def test_it_compiles_without_a_graph_break():
    tensors = arguments(2, 40, 32, 4)
    engine = resolve_engine("cpu")

    def loss(**tensors):
        return selective_scan(**tensors, delta_softplus=True, engine=engine).square().sum()

    eager = torch.autograd.grad(loss(**tensors), list(tensors.values()))
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    traced = torch.autograd.grad(compiled(**tensors), list(tensors.values()))
    assert all(error(got, want) < 1e-5 for got, want in zip(traced, eager, strict=True))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc, which is not here")
def test_memory_grows_with_length_but_never_by_states():
    """Peak growth for 16,384 steps of 256 channels and 16 states, where all states would take 268 MB."""
    program = """
        import torch
        from pathlib import Path
        from reason_mamba.scan import selective_scan
        def step(length):
            rows = [torch.randn(1, length, 256).transpose(1, 2).requires_grad_() for _ in range(2)]
            narrow = [torch.randn(1, length, 16).transpose(1, 2).requires_grad_() for _ in range(2)]
            A = (-torch.rand(256, 16)).requires_grad_()
            selective_scan(*rows, A, *narrow, delta_softplus=True, engine="cpu").sum().backward()
        def peak():
            return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
        step(64)
        before = peak()
        step(16384)
        print(peak() - before)
    """
    grown = int(run_python(program))
    rows = 16384 * 256 * 4 / 2**20  # 16 MiB: u, delta, out, their gradients and the borders are such tensors
    assert rows < grown < 9 * rows


def run_python(program, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_numba_is_imported_by_the_first_scan_and_not_before():
    program = """
        import sys, torch
        from reason_mamba.scan import resolve_engine, selective_scan
        resolve_engine("cpu")
        print("numba" in sys.modules, end=" ")
        selective_scan(torch.ones(1, 16, 3), torch.ones(1, 16, 3), -torch.ones(16, 2), *torch.ones(2, 1, 2, 3))
        print("numba" in sys.modules)
    """
    assert run_python(program) == "False True"


def test_compiled_code_goes_to_the_user_s_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert jit.cache_folder().parent == tmp_path / "reason" / "numba"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    folder = jit.cache_folder()
    assert folder.parent == tmp_path / "chosen"
    jit.kernel(_nothing)
    assert list(folder.rglob("*.nbc"))
    source = os.path.dirname(jit.__file__)
    assert not [name for _, _, names in os.walk(source) for name in names if name.endswith((".nbi", ".nbc"))]


def test_without_a_writable_cache_it_still_compiles(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert jit.kernel(_nothing).address


def _nothing(address):
    return


def test_scans_from_several_python_threads_do_not_disturb_each_other():
    tensors = {name: tensor.detach() for name, tensor in arguments(2, 200, 64, 8).items()}
    want = selective_scan(**tensors, delta_softplus=True, engine="cpu")
    with ThreadPoolExecutor(4) as threads:
        jobs = [threads.submit(selective_scan, **tensors, delta_softplus=True, engine="cpu") for _ in range(40)]
    assert all(torch.equal(job.result(), want) for job in jobs)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("runtime", ["torch's", "python's"])
def test_any_number_of_threads_gives_the_same(threads, runtime, monkeypatch):
    if runtime == "python's":
        monkeypatch.setattr(pool, "_openmp_entry", lambda: None)
    tensors = {name: tensor.detach() for name, tensor in arguments(3, 100, 200, 8).items()}
    want, _ = reference(**doubled(tensors), softplus=True)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert error(selective_scan(**tensors, delta_softplus=True, engine="cpu"), want) < TOLERANCE
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_can_scan():
    program = """
        import os, torch
        from reason_mamba.scan import selective_scan
        scan = lambda: selective_scan(torch.ones(2, 64, 99), torch.ones(2, 64, 99), -torch.ones(64, 4),
                                      torch.ones(2, 4, 99), torch.ones(2, 4, 99), engine="cpu")
        want = scan()
        child = os.fork()
        if child == 0:
            os._exit(0 if torch.equal(scan(), want) else 3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run_python(program) == "0"


# ---- which engine


def test_the_engine_follows_the_device_and_what_is_installed(monkeypatch):
    assert resolve_engine("auto", "cpu").name == "cpu"
    assert resolve_engine("auto", "meta").name == "torch"
    monkeypatch.setattr(cpu_engine, "find_spec", lambda name: None)
    assert resolve_engine("auto", "cpu").name == "torch"


@pytest.mark.parametrize(
    ("name", "device", "why"),
    [
        ("warp", "cpu", "unknown scan engine 'warp'"),
        ("cuda", "cpu", "it needs a CUDA device, and the model is on 'cpu'"),
        ("cpu", "meta", "it runs on a CPU, and the model is on 'meta'"),
    ],
)
def test_a_forced_engine_that_cannot_run_says_why(name, device, why):
    with pytest.raises(ReasonError, match=why) as caught:
        resolve_engine(name, device)
    assert caught.value.hint


def test_a_forced_engine_without_its_library_says_why(monkeypatch):
    monkeypatch.setattr(cpu_engine, "find_spec", lambda name: None)
    with pytest.raises(ReasonError, match=r"numba is not installed.*pip install numba"):
        selective_scan(*[torch.ones(1, 2, 2)] * 2, -torch.ones(2, 2), *[torch.ones(1, 2, 2)] * 2, engine="cpu")


def test_cuda_that_is_not_there_is_explained(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cuda_engine.why_not(torch.device("cuda")) == "torch finds no CUDA device"


def test_every_engine_is_described():
    assert list(engines.DESCRIPTIONS) == list(ENGINE_NAMES[1:])
    assert resolve_engine("auto", "cpu").description


def test_the_cuda_engine_translates_its_arguments_rightly(monkeypatch):
    """With the reference standing in for mamba-ssm's kernel: layout, mask and bias arrive as they should."""

    def kernel(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state):
        assert return_last_state
        out, last = reference(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
        return out.to(u.dtype), last

    monkeypatch.setattr(cuda_engine, "_kernels", lambda: (kernel, None))
    engine = engines.ScanEngine("cuda", "", cuda_engine.scan, cuda_engine.conv_silu)
    mask = (torch.rand(2, 50) > 0.3).float()
    for softplus in (True, False):
        tensors = positive_steps(arguments(2, 50, 12, 4))
        got, want, exact, _ = run_both(tensors, engine, softplus, mask)
        assert error(got[0], want[0]) < TOLERANCE
        assert error(got[1], want[1]) < TOLERANCE
        assert all(error(tensor.grad, exact[name].grad) < TOLERANCE for name, tensor in tensors.items())


def test_the_cuda_engine_agrees_with_the_reference_on_a_gpu():
    device = torch.device("cuda")
    if why := cuda_engine.why_not(device):
        pytest.skip(f"the cuda engine cannot run here: {why}")
    tensors = {name: tensor.detach().to(device) for name, tensor in arguments(2, 300, 64, 16).items()}
    want = selective_scan(**tensors, delta_softplus=True, engine="torch")
    assert error(selective_scan(**tensors, delta_softplus=True, engine="cuda"), want) < 1e-3


# ---- the convolution before the scan


CONVOLUTIONS = [(1, 16, 4), (3, 24, 4), (70, 33, 4), (200, 64, 2), (50, 16, 1)]


@pytest.mark.parametrize(("length", "channels", "width"), CONVOLUTIONS)
@pytest.mark.parametrize("masked", [False, True])
def test_convolution_agrees_with_float64(length, channels, width, masked, engine):
    xz = torch.randn(2, length, 2 * channels, requires_grad=True)
    weight, bias = torch.randn(channels, width, requires_grad=True), torch.randn(channels, requires_grad=True)
    mask = (torch.rand(2, length) > 0.3).float() if masked else None
    got = resolve_engine(engine, "cpu").conv_silu(xz.chunk(2, -1)[0], weight, bias, mask)
    exact = [tensor.detach().double().requires_grad_() for tensor in (xz, weight, bias)]
    x = exact[0][..., :channels] * (1 if mask is None else mask.double().unsqueeze(-1))
    taps = [torch.nn.functional.pad(x, (0, 0, k, 0))[:, :length] for k in range(width)]
    want = torch.nn.functional.silu(sum(tap * exact[1][:, width - 1 - k] for k, tap in enumerate(taps)) + exact[2])
    weights = torch.randn_like(got)
    (got * weights).sum().backward()
    (want * weights.double()).sum().backward()
    assert error(got, want) < TOLERANCE
    for tensor, double in zip((xz, weight, bias), exact, strict=True):
        assert error(tensor.grad, double.grad) < TOLERANCE


def test_convolution_without_a_bias(engine):
    x, weight = torch.randn(2, 20, 16), torch.randn(16, 4)
    got = resolve_engine(engine, "cpu").conv_silu(x, weight)
    assert error(got, torch_reference.conv_silu(x.double(), weight.double())) < TOLERANCE


@pytest.mark.parametrize("wrong", ["delta", "A", "B", "D", "z", "delta_bias"])
def test_wrong_shapes_are_refused_and_not_read(wrong):
    tensors = arguments(2, 20, 16, 4)
    tensors[wrong] = tensors[wrong][..., :-1]
    with pytest.raises(ValueError, match=r"expected torch\.float32 of shape"):
        selective_scan(**tensors, engine="cpu")
