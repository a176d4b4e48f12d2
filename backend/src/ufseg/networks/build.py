"""Networks built from a plan."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ufseg.errors import PlanError, StorageError
from ufseg.networks.channels_last import compute_channels_last
from ufseg.networks.head_names import is_supervision_head, without_heads
from ufseg.networks.monai_networks import DynUNet
from ufseg.networks.paper import paper_unet
from ufseg.networks.supervised import SupervisedDynUNet, supervised_outputs
from ufseg.plans.plan import Plan

FEWEST_LEVELS = 3
"""DynUNet's limit: a first level, one halved, a bottleneck."""


def build_network(
    plan: Plan, in_channels: int, deep_supervision: bool = False, channels_last: bool = True
) -> nn.Module:
    """The U-Net of the plan's architecture, randomly initialised.

    "dynunet" has the plan's levels, kernels and strides, instance normalisation and leaky ReLU; "paper" is described in
    `ufseg.networks.paper.paper_unet`.

    Args:
        plan: architecture, levels, strides, kernels, features, classes, 2D or 3D.
        in_channels: image channels, ``len(plan.normalisation)``.
        deep_supervision: for training, if `supports_deep_supervision(plan)`. The weights are those of the network
            without it, under the same names, and a few more for the supervised resolutions (the heads). `load_weights`
            takes the weights of either kind of network into either; `write_model` stores them without the heads.
        channels_last: compute on CPUs as `ufseg.networks.channels_last` describes; without it, the network consists of
            MONAI's and torch's modules only, for whoever exports it.

    Returns:
        A module that maps ``[batch, in_channels, *space]`` to logits ``[batch, plan.classes, *space]``; each length
        in space must be divisible by the product of the strides of its axis. With deep supervision **and in training
        mode**, a tuple of logits ``[batch, plan.classes, *space_l]`` from the full to the coarsest supervised
        resolution, as `ufseg.losses.DeepSupervisionLoss` takes it; in evaluation mode the full resolution alone.

    Raises:
        PlanError: a DynUNet of fewer than three levels, or deep supervision of the paper's network.

    Source: MONAI DynUNet, after nnU-Net (Isensee et al., Nat Methods 18, 2021).
    """
    if deep_supervision and not supports_deep_supervision(plan):
        raise PlanError(
            "The paper's U-Net is trained on its full-size output only. Train it without deep supervision, or plan "
            "with the architecture dynunet."
        )
    network = (
        paper_unet(plan, in_channels) if plan.architecture == "paper" else _dynunet(plan, in_channels, deep_supervision)
    )
    if channels_last:
        compute_channels_last(network)
    return network


def _dynunet(plan: Plan, in_channels: int, deep_supervision: bool) -> nn.Module:
    levels = len(plan.features)
    if levels < FEWEST_LEVELS or len(plan.kernel_sizes) != levels or len(plan.strides) != levels:
        raise PlanError(
            f"The network needs at least {FEWEST_LEVELS} levels with a kernel and a stride each; the plan has {levels} "
            f"levels, {len(plan.kernel_sizes)} kernels and {len(plan.strides)} strides. Correct the plan."
        )
    options = {
        "spatial_dims": plan.dimension,
        "in_channels": in_channels,
        "out_channels": plan.classes,
        "kernel_size": [list(k) for k in plan.kernel_sizes],
        "strides": [list(s) for s in plan.strides],
        "upsample_kernel_size": [list(s) for s in plan.strides[1:]],
        "filters": list(plan.features),
        "norm_name": ("instance", {"affine": True}),
    }
    network: nn.Module = (
        SupervisedDynUNet(supervised_outputs(levels), **options) if deep_supervision else DynUNet(**options)
    )
    return network


def supports_deep_supervision(plan: Plan) -> bool:
    """Whether `build_network` can supervise several resolutions of this plan's network."""
    return plan.architecture == "dynunet"


def network_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The network's weights on the CPU, each tensor once.

    DynUNet registers its blocks under two names each; safetensors stores no tensor twice.

    Returns:
        Name → copy of the tensor, in the order of `network.named_parameters()` and then its buffers.
    """
    tensors = dict(network.named_parameters()) | dict(network.named_buffers())
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def load_weights(network: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Put `state` (from `network_state` or `state_dict()`) into `network`.

    Supervision heads that `network` lacks are left out. If `network` has heads and `state` has none, as in a model
    folder, they keep the values they have.

    Raises:
        StorageError: a tensor is missing, unknown or of another shape.
    """
    own: dict[str, torch.Tensor] = dict(network.named_parameters()) | dict(network.named_buffers())
    if not any(is_supervision_head(name) for name in own):
        state = without_heads(state)
    elif not any(is_supervision_head(name) for name in state):
        own = without_heads(own)
    missing = sorted(own.keys() - state.keys())
    unknown = sorted(state.keys() - network.state_dict().keys())
    if missing or unknown:
        raise StorageError(
            f"The weights do not fit the network: {len(missing)} tensors are missing ({', '.join(missing[:3])}), "
            f"{len(unknown)} are unknown ({', '.join(unknown[:3])}). They belong to another plan; train anew."
        )
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            raise StorageError(
                f"The weight {name} has shape {tuple(state[name].shape)}, but the network's plan gives "
                f"{tuple(tensor.shape)}. The weights belong to another plan; train anew."
            )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])
