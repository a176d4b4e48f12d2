"""Networks that compute with channels last: the same numbers in another order."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ufseg.networks.build import build_network, load_weights, network_state
from ufseg.networks.channels_last import ChannelsLastInstanceNorm, compute_channels_last
from ufseg.plans.plan import Plan

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def _norm(channels: int, kind: torch.dtype = torch.float64) -> ChannelsLastInstanceNorm:
    norm = ChannelsLastInstanceNorm(channels, 1e-5).to(kind)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    return norm


def _gradients(function: nn.Module | None, norm: ChannelsLastInstanceNorm, x: Tensor, up: Tensor) -> list[Tensor]:
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    weight, bias = norm.weight, norm.bias
    out = norm(x) if function is not None else nn.functional.instance_norm(x, weight=weight, bias=bias, eps=norm.eps)
    return [out, *torch.autograd.grad((out * up).sum(), [x, weight, bias])]


@settings(deadline=None, max_examples=40)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(2, 5),
    space=st.lists(st.integers(2, 6), min_size=2, max_size=3),
    seed=st.integers(0, 99),
)
def test_value_and_gradients_are_those_of_torch(batch: int, channels: int, space: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(batch, channels, *space, dtype=torch.float64) * 3 + 5
    up = torch.randn_like(x)
    norm = _norm(channels)
    expected = _gradients(None, norm, x, up)
    found = _gradients(norm, norm, x.contiguous(memory_format=FORMATS[x.ndim]), up)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_the_order_is_kept() -> None:
    x = torch.randn(2, 4, 6, 6, 6).contiguous(memory_format=torch.channels_last_3d)
    assert _norm(4, torch.float32)(x).is_contiguous(memory_format=torch.channels_last_3d)
    assert _norm(4, torch.float32)(x.contiguous()).is_contiguous()


def test_reduced_precision_sums_in_float32() -> None:
    torch.manual_seed(0)
    exact = torch.randn(2, 4, 32, 32, 32) + 30
    x = exact.to(torch.bfloat16).contiguous(memory_format=torch.channels_last_3d)
    norm = _norm(4, torch.float32)
    expected = nn.functional.instance_norm(x.float(), weight=norm.weight, bias=norm.bias, eps=norm.eps)
    assert norm(x).dtype == torch.bfloat16
    torch.testing.assert_close(norm(x).float(), expected, rtol=1e-2, atol=2e-2)


@pytest.mark.parametrize("supervised", [False, True])
def test_a_network_gives_the_same_as_without(plan: Plan, supervised: bool) -> None:
    torch.manual_seed(0)
    plain = build_network(plan, 2, supervised, channels_last=False).train()
    fast = build_network(plan, 2, supervised).train()
    load_weights(fast, network_state(plain))
    assert list(network_state(fast)) == list(network_state(plain))
    _same(plain, fast, torch.randn(2, 2, *plan.patch_size))


def test_the_papers_network_gives_the_same_as_without(paper_plan: Plan) -> None:
    torch.manual_seed(0)
    plain = build_network(paper_plan, 1, channels_last=False).eval()
    fast = build_network(paper_plan, 1).eval()
    load_weights(fast, network_state(plain))
    _same(plain, fast, torch.randn(1, 1, *paper_plan.patch_size))


def test_norms_without_parameters_or_with_running_values_stay() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4), nn.InstanceNorm2d(4, track_running_stats=True))
    compute_channels_last(network)
    assert [type(m) for m in network][1:] == [nn.InstanceNorm2d, nn.InstanceNorm2d]


def _same(plain: nn.Module, fast: nn.Module, x: Tensor) -> None:
    results = []
    for network in (plain, fast):
        network.double()
        output = network(x.double())
        outputs = output if isinstance(output, tuple) else (output,)
        assert all(o.is_contiguous() for o in outputs)
        sum(o.square().mean() for o in outputs).backward()
        gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        results.append((outputs, gradients))
    (outputs, gradients), (others, other_gradients) = results
    for a, b in zip(outputs, others, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
    assert gradients.keys() == other_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, other_gradients[name], rtol=1e-6, atol=1e-9)
