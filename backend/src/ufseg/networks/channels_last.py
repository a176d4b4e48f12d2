"""Networks that compute with channels as the fastest axis, which spares a CPU turning every tensor around."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
_INSTANCE_NORMS = (nn.InstanceNorm2d, nn.InstanceNorm3d)


def compute_channels_last(network: nn.Module) -> None:
    """Let a network compute on the CPU with channels last; its parameters, their names and its numbers stay.

    oneDNN's convolutions work with channels last inside and turn plain tensors around before and after each. torch can
    keep that order from layer to layer, but its instance normalisation returns to the plain one. Measured on a CPU with
    AVX-512 (DynUNet, two patches of 64³): a training step takes 0.81 of the time in bfloat16 and 0.78 in float32.

    Args:
        network: takes ``[batch, channels, *space]``, returns a tensor or a tuple of such; 2D or 3D. Changed in place:
            its affine instance normalisations are replaced by `ChannelsLastInstanceNorm`, and it gets hooks that bring
            what comes in into this order and what goes out back into the plain one. On other devices than the CPU
            nothing changes.
    """
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, _INSTANCE_NORMS) and child.affine and not child.track_running_stats:
                norm = ChannelsLastInstanceNorm(child.num_features, child.eps)
                norm.load_state_dict(child.state_dict())
                setattr(module, name, norm)
    network.register_forward_pre_hook(_enter)
    network.register_forward_hook(_leave)


class ChannelsLastInstanceNorm(nn.Module):
    """Affine instance normalisation that keeps channels last.

    Each sample goes through torch's batch normalisation, which knows this order and is the same for one sample. What
    lies otherwise, or on another device than the CPU, is left to torch's instance normalisation.

    Args:
        channels: of the input.
        eps: added to the variance.

    Source: Ulyanov et al., arXiv 1607.08022.
    """

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[batch, channels, *space]`` by the mean and deviation of each sample and channel."""
        if x.device.type != "cpu" or not _is_channels_last(x):
            return nn.functional.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)
        normalised: Tensor = _InstanceNorm.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        return normalised


class _InstanceNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        out = torch.empty_like(x)
        kind = torch.promote_types(x.dtype, torch.float32)
        means, scales = x.new_empty(x.shape[:2], dtype=kind), x.new_empty(x.shape[:2], dtype=kind)
        for n in range(len(x)):
            results = (out[n : n + 1], means[n], scales[n])
            torch.native_batch_norm(x[n : n + 1], weight, bias, None, None, True, 0.0, eps, out=results)
        ctx.save_for_backward(x, weight, means, scales)
        ctx.eps = eps
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, means, scales = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=_FORMATS[x.ndim])
        of_x = []
        of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(weight)
        for n in range(len(x)):
            sample = slice(n, n + 1)
            parts = torch.ops.aten.native_batch_norm_backward(
                gradient[sample], x[sample], weight, None, None, means[n], scales[n], True, ctx.eps, [True] * 3
            )
            of_x.append(parts[0])
            of_weight += parts[1]
            of_bias += parts[2]
        return (of_x[0] if len(of_x) == 1 else torch.cat(of_x)), of_weight, of_bias, None


def _is_channels_last(x: Tensor) -> bool:
    """Whether channels are the fastest axis in memory, and by their strides no other order is meant."""
    return x.ndim in _FORMATS and x.is_contiguous(memory_format=_FORMATS[x.ndim]) and not x.is_contiguous()


def _enter(network: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(_with_channels_last(x) for x in inputs)


def _with_channels_last(x: Tensor) -> Tensor:
    if x.device.type != "cpu" or x.ndim not in _FORMATS:
        return x
    # Not `contiguous`: with one channel both orders are the same, but only the strides tell the layers which is meant.
    return torch.empty_like(x, memory_format=_FORMATS[x.ndim]).copy_(x)


def _leave(network: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> Any:
    return output.contiguous() if isinstance(output, Tensor) else tuple(part.contiguous() for part in output)
