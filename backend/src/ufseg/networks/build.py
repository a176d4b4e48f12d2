"""Networks built from a plan."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from monai.networks.nets import DynUNet
from torch import nn

from ufseg.errors import PlanError, StorageError
from ufseg.plans.plan import Plan

ARCHITECTURE = "dynunet"


def build_network(plan: Plan, in_channels: int) -> nn.Module:
    """U-Net with the plan's levels, instance normalisation and leaky ReLU, randomly initialised.

    Args:
        plan: levels, strides, kernels, classes, 2D or 3D.
        in_channels: image channels, ``len(plan.normalisation)``.

    Returns:
        A module that maps ``[batch, in_channels, *space]`` to logits ``[batch, plan.classes, *space]``; each length
        in space must be divisible by the product of the strides of its axis.

    Raises:
        PlanError: the plan has fewer than three levels, or lists of different lengths.

    Source: MONAI DynUNet, after nnU-Net (Isensee et al., Nat Methods 18, 2021).
    """
    levels = len(plan.features)
    if levels < 3 or len(plan.kernel_sizes) != levels or len(plan.strides) != levels:
        raise PlanError(
            f"The network needs at least 3 levels with a kernel and a stride each; the plan has {levels} levels, "
            f"{len(plan.kernel_sizes)} kernels and {len(plan.strides)} strides. Correct the plan."
        )
    network: nn.Module = DynUNet(
        spatial_dims=plan.dimension,
        in_channels=in_channels,
        out_channels=plan.classes,
        kernel_size=[list(k) for k in plan.kernel_sizes],
        strides=[list(s) for s in plan.strides],
        upsample_kernel_size=[list(s) for s in plan.strides[1:]],
        filters=list(plan.features),
        norm_name=("instance", {"affine": True}),
        deep_supervision=False,
    )
    return network


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

    Raises:
        StorageError: a tensor is missing, unknown or of another shape.
    """
    own = dict(network.named_parameters()) | dict(network.named_buffers())
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
