"""Networks from plans."""

from __future__ import annotations

import pytest
import torch

from ufseg.errors import PlanError, StorageError
from ufseg.networks.build import build_network, load_weights, network_state
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
