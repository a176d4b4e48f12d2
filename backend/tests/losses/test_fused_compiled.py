"""The compiled passes against those in PyTorch, and their arithmetic against NumPy's."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_batches import batch, confident_logits
from numpy.typing import NDArray
from torch import Tensor

from ufseg.losses import create
from ufseg.losses.fused import choice, torch_passes, voxel_sums
from ufseg.losses.fused.batch import Batch

numba = pytest.importorskip("numba", reason="the compiled losses need numba: pip install ufseg[fast]")
from ufseg.losses.fused import compiled_math, compiled_passes  # noqa: E402

EXPONENTS = [None, (0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.7, 0.7, 0.7), (0.25, 0.0, 2.0)]


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def random_batch(voxels: int, seed: int = 0, scale: float = 3.0, **parts: Any) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, voxels, generator=generator) * scale
    target = torch.randint(0, 3, (2, voxels), generator=generator, dtype=torch.uint8)
    return Batch(**({"logits": logits, "target": target, "weight": None, "ignore_index": None} | parts))


def assert_same_passes(batch_: Batch, exponents: tuple[float, ...] | None, region: bool) -> None:
    assert compiled_passes.suits(batch_)
    exact = Batch(batch_.logits.double(), batch_.target, batch_.weight, batch_.ignore_index)
    sums = compiled_passes.sum_voxels(batch_, exponents, region=region)
    expected = torch_passes.sum_voxels(exact, exponents, region=region)
    assert sums.dtype == torch.float64
    torch.testing.assert_close(sums, expected, rtol=2e-6, atol=1e-6)
    slopes = torch.randn(sums.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradient = compiled_passes.logit_gradient(batch_, exponents, slopes, region=region)
    wanted = torch_passes.logit_gradient(exact, exponents, slopes, region=region)
    assert gradient.dtype == torch.float32
    torch.testing.assert_close(gradient.double(), wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("exponents", EXPONENTS, ids=str)
@pytest.mark.parametrize("region", [True, False])
@pytest.mark.parametrize("voxels", [1, 1023, 70_000])
def test_same_sums_and_gradient(exponents: tuple[float, ...] | None, region: bool, voxels: int) -> None:
    assert_same_passes(random_batch(voxels), exponents, region)


@settings(deadline=None)  # the first example waits for the compiler
@given(
    voxels=st.integers(1, 2100),
    seed=st.integers(0, 99),
    scale=st.sampled_from([1e-3, 1.0, 30.0]),
    dtype=st.sampled_from([torch.uint8, torch.int64, torch.int32, torch.bool]),
    weighted=st.booleans(),
    ignore=st.sampled_from([None, 0, 1, 255]),
)
def test_labels_of_any_type_weights_and_ignored_voxels(
    voxels: int, seed: int, scale: float, dtype: torch.dtype, weighted: bool, ignore: int | None
) -> None:
    drawn = random_batch(voxels, seed, scale)
    target = drawn.target.to(dtype)
    if ignore == 255 and dtype != torch.bool:
        target = target.masked_fill(drawn.logits[:, 0] > scale, 255)
    elif ignore == 255:
        ignore = None
    weight = torch.rand(2, voxels, generator=torch.Generator().manual_seed(seed)) if weighted else None
    assert_same_passes(Batch(drawn.logits, target, weight, ignore), (0.5, 0.0, 0.0), True)


def test_one_channel_is_the_foregrounds_logit() -> None:
    drawn = random_batch(5000)
    one = Batch(drawn.logits[:, :1].contiguous(), drawn.target.clamp(max=1), None, None)
    assert_same_passes(one, (0.5, 0.0), True)


@pytest.mark.parametrize("size", [20.0, 1e4, -20.0, -1e4])
def test_confident_voxels_keep_value_and_gradient(size: float) -> None:
    _, labels = batch((1, 3, 6, 6))
    leaf = confident_logits(labels, 3, size).requires_grad_()
    exact = leaf.detach().double().requires_grad_()
    value, expected = (create("asymmetric-unified-focal")(z, labels) for z in (leaf, exact))
    value.backward()
    expected.backward()
    assert leaf.grad is not None
    assert exact.grad is not None
    assert torch.isfinite(leaf.grad).all()
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(leaf.grad.double(), exact.grad, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_hidden(value: float) -> None:
    logits, labels = batch((1, 3, 6, 5), dtype=torch.float32)
    logits[0, 1, 2, 3] = value
    assert not torch.isfinite(create("dice", implementation="fused")(logits, labels))


def test_the_number_of_threads_does_not_matter(threads: Callable[[int], None], monkeypatch: Any) -> None:
    monkeypatch.setattr(compiled_passes, "PART", 300)
    drawn = random_batch(5000)
    results = []
    for number in (1, 2, 5):
        threads(number)
        sums = compiled_passes.sum_voxels(drawn, (0.5, 0.0, 0.0), region=True)
        results.append((sums, compiled_passes.logit_gradient(drawn, (0.5, 0.0, 0.0), sums, region=True)))
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


def test_a_label_without_a_channel_is_refused() -> None:
    drawn = random_batch(5000)
    with pytest.raises(ValueError, match="from 0 to 7"):
        compiled_passes.sum_voxels(
            Batch(drawn.logits, drawn.target + 5 * (drawn.target == 2), None, None), None, region=True
        )
    with pytest.raises(ValueError, match="from 0 to"):
        compiled_passes.sum_voxels(Batch(drawn.logits, drawn.target.long() << 32, None, None), None, region=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_starts_threads_of_its_own(threads: Callable[[int], None], monkeypatch: Any) -> None:
    monkeypatch.setattr(compiled_passes, "PART", 300)
    threads(2)
    drawn = random_batch(5000)
    expected = compiled_passes.sum_voxels(drawn, None, region=True)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if torch.equal(compiled_passes.sum_voxels(drawn, None, region=True), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def passes(logits: Tensor) -> str:
    target = torch.zeros(logits.shape[0], *logits.shape[2:], dtype=torch.uint8)
    return voxel_sums.passes(voxel_sums.read_batch(logits, target, None, None)).__name__.rpartition(".")[2]


def test_when_the_compiled_passes_are_taken(monkeypatch: Any) -> None:
    logits = torch.zeros(1, 3, 4, 4, 4)
    assert passes(logits) == "compiled_passes"
    assert passes(logits.double()) == "torch_passes"
    assert passes(logits.bfloat16()) == "torch_passes"
    assert passes(logits.to(memory_format=torch.channels_last_3d)) == "torch_passes"
    monkeypatch.setattr(voxel_sums, "has_numba", lambda: False)
    assert passes(logits) == "torch_passes"


def test_a_numba_that_cannot_be_imported_is_reported(monkeypatch: Any) -> None:
    def broken(_: str) -> None:
        raise ImportError("Numba needs NumPy 2.3 or less")

    monkeypatch.setattr(choice, "import_module", broken)
    with pytest.warns(UserWarning, match="plain PyTorch: Numba needs NumPy 2.3"):
        assert not choice.has_numba.__wrapped__()


@numba.njit
def _apply(values: NDArray[np.float32], out: NDArray[np.float32], which: int) -> None:
    for i in range(values.shape[0]):
        if which == 0:
            out[i] = compiled_math.exp(values[i])
        elif which == 1:
            out[i] = compiled_math.log(values[i])
        else:
            out[i] = compiled_math.log1p(values[i])


def worst(values: NDArray[np.float64], which: int, reference: Callable[[Any], Any]) -> float:
    """Largest error in units of the last place."""
    x = values.astype(np.float32)
    out = np.empty_like(x)
    _apply(x, out, which)
    exact = reference(x.astype(np.float64))
    return float((np.abs(out - exact) / np.spacing(np.abs(exact).astype(np.float32))).max())


def test_arithmetic_is_exact_to_the_last_digits() -> None:
    assert worst(-np.linspace(0, 87, 400_001), 0, np.exp) < 1.5
    assert worst(-np.logspace(-30, 1.9, 100_001), 0, np.exp) < 1.5
    assert worst(np.logspace(-37.9, 5, 400_001), 1, np.log) < 1.5
    assert worst(np.linspace(0.5, 2, 100_000), 1, np.log) < 1.5
    assert worst(np.logspace(-30, 2, 400_001), 2, np.log1p) < 1.5


def test_exponentials_too_small_to_matter_are_zero() -> None:
    x = np.array([-87.4, -1000, -np.inf, 0], dtype=np.float32)
    out = np.empty_like(x)
    _apply(x, out, 0)
    assert out.tolist() == [0, 0, 0, 1]
