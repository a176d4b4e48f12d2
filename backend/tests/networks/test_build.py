"""Networks from plans."""

from __future__ import annotations

import copy

import pytest
import torch

from ufseg.errors import PlanError, StorageError
from ufseg.losses import DeepSupervisionLoss, create
from ufseg.networks.build import build_network, load_weights, network_state, supports_deep_supervision
from ufseg.networks.head_names import is_supervision_head
from ufseg.plans.plan import Plan, ZScore


def test_logits_have_the_shape_of_the_input(plan: Plan) -> None:
    network = build_network(plan, 1)
    assert network(torch.zeros(2, 1, *plan.patch_size)).shape == (2, 3, *plan.patch_size)


def test_two_dimensions_channels_and_anisotropic_levels() -> None:
    plan = Plan(
        dimension=2,
        modality="other",
        spacing=(1.0, 1.0),
        patch_size=(16, 32),
        batch_size=2,
        features=(4, 8, 8),
        kernel_sizes=((3, 3),) * 3,
        strides=((1, 1), (1, 2), (2, 2)),
        normalisation=(ZScore(),) * 3,
        classes=2,
    )
    assert build_network(plan, 3)(torch.zeros(1, 3, 16, 32)).shape == (1, 2, 16, 32)


def test_too_few_levels_are_refused(plan: Plan) -> None:
    flat = plan.model_copy(update={"features": (4, 8), "kernel_sizes": ((3, 3, 3),) * 2, "strides": ((1, 1, 1),) * 2})
    with pytest.raises(PlanError, match="2 levels"):
        build_network(flat, 1)


def test_weights_travel(plan: Plan) -> None:
    torch.manual_seed(1)
    first, second = build_network(plan, 1).eval(), build_network(plan, 1).eval()
    x = torch.randn(1, 1, *plan.patch_size)
    assert not torch.equal(first(x), second(x))
    load_weights(second, network_state(first))
    assert torch.equal(first(x), second(x))
    load_weights(second, first.state_dict())  # a module's own form, with tensors under two names, is as good
    assert torch.equal(first(x), second(x))


def test_state_holds_each_tensor_once(plan: Plan) -> None:
    state = network_state(build_network(plan, 1))
    assert len({t.data_ptr() for t in state.values()}) == len(state)


def test_weights_of_another_plan_are_refused(plan: Plan) -> None:
    network = build_network(plan, 1)
    other = network_state(build_network(plan.model_copy(update={"classes": 5}), 1))
    with pytest.raises(StorageError, match=r"shape \(5"):
        load_weights(network, other)
    other.pop(next(iter(other)))
    with pytest.raises(StorageError, match="1 tensors are missing"):
        load_weights(network, other)


def test_deep_supervision_trains_several_resolutions_and_segments_at_the_full_one(plan: Plan) -> None:
    deep = plan.model_copy(
        update={
            "patch_size": (32, 32, 32),
            "features": (4, 8, 8, 8, 8),
            "kernel_sizes": ((3, 3, 3),) * 5,
            "strides": ((1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2)),
        }
    )
    network = build_network(deep, 1, deep_supervision=True)
    outputs = network(torch.randn(2, 1, 32, 32, 32))
    assert [tuple(o.shape) for o in outputs] == [(2, 3, 32, 32, 32), (2, 3, 32, 16, 16), (2, 3, 16, 8, 8)]
    loss = DeepSupervisionLoss(create("asymmetric-unified-focal"))
    loss(outputs, torch.randint(0, 3, (2, 1, 32, 32, 32))).backward()
    trained = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    heads = {n for n in network_state(network) if is_supervision_head(n)}
    assert heads
    assert heads <= trained
    assert network.eval()(torch.zeros(1, 1, 32, 32, 32)).shape == (1, 3, 32, 32, 32)
    copy.deepcopy(network)  # which torch refuses if outputs of the last step were kept


def test_weights_travel_between_supervised_and_plain_networks(plan: Plan) -> None:
    torch.manual_seed(2)
    plain, deep = build_network(plan, 1).eval(), build_network(plan, 1, deep_supervision=True).eval()
    x = torch.randn(1, 1, *plan.patch_size)
    load_weights(plain, network_state(deep))
    assert torch.equal(plain(x), deep(x))

    other = build_network(plan, 1, deep_supervision=True).eval()
    heads = {n: t for n, t in network_state(other).items() if is_supervision_head(n)}
    load_weights(other, network_state(plain))
    assert torch.equal(plain(x), other(x))
    assert all(torch.equal(network_state(other)[n], t) for n, t in heads.items())
    load_weights(other, network_state(deep))
    assert all(torch.equal(network_state(other)[n], t) for n, t in network_state(deep).items())


def test_a_missing_head_among_others_is_said(plan: Plan) -> None:
    five = {"patch_size": (16, 16, 16), "features": (4,) * 5, "kernel_sizes": ((3, 3, 3),) * 5}
    deep = plan.model_copy(update=five | {"strides": ((1, 1, 1), *((2, 2, 2),) * 4)})
    network = build_network(deep, 1, deep_supervision=True)
    state = network_state(network)
    state.pop(next(n for n in state if is_supervision_head(n)))
    with pytest.raises(StorageError, match="1 tensors are missing"):
        load_weights(network, state)


def test_the_papers_network(paper_plan: Plan) -> None:
    network = build_network(paper_plan, 2, channels_last=False)
    x = torch.randn(1, 2, *paper_plan.patch_size)
    assert network(x).shape == (1, 3, *paper_plan.patch_size)
    kinds = [type(m).__name__.rstrip("23d") for m in network.modules()]
    assert kinds.count("MaxPool") == kinds.count("ConvTranspose") == 4
    assert kinds.count("InstanceNorm") == kinds.count("ReLU") == 18
    kernels = [m for m in network.modules() if hasattr(m, "kernel_size") and hasattr(m, "weight")]
    for kernel in kernels:
        fan = (kernel.weight.shape[0] + kernel.weight.shape[1]) * kernel.weight[0, 0].numel()
        assert kernel.weight.abs().max() <= (6 / fan) ** 0.5
        assert kernel.weight.abs().max() > 0.5 * (6 / fan) ** 0.5
        assert not kernel.bias.any()
    assert not supports_deep_supervision(paper_plan)
    with pytest.raises(PlanError, match="full-size output only"):
        build_network(paper_plan, 2, deep_supervision=True)
