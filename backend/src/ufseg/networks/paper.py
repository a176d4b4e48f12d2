"""The U-Net that the Unified Focal loss was published with."""

from __future__ import annotations

import torch
from torch import nn

from ufseg.networks.monai_networks import BasicUNet
from ufseg.plans.plan import Plan


def paper_unet(plan: Plan, in_channels: int) -> nn.Module:
    """2D or 3D U-Net: two convolutions of width 3 a level, max pooling, transposed convolutions, skip connections.

    Instance normalisation and ReLU follow each convolution; kernels are drawn by Xavier (Glorot uniform), biases are 0.
    The output is logits; the softmax that the paper lists is the loss's and the predictor's.

    What differs from the layout of Ronneberger and Çiçek: convolutions are padded, so that the output is as large as
    the input, and the transposed convolution of the last level keeps its number of features (MONAI's BasicUNet).

    Args:
        plan: of the architecture "paper"; its features are those of the five levels.
        in_channels: image channels.

    Source: Yeung et al., Comput Med Imaging Graph 95, 2022 (arXiv 2102.04525), section 4; the levels and features are
    the defaults of the library it names, MIScnn (Müller and Kramer, BMC Med Imaging 21, 2021); Ronneberger et al.,
    MICCAI 2015 (2D); Çiçek et al., MICCAI 2016 (3D); Glorot and Bengio, AISTATS 2010.
    """
    network: nn.Module = BasicUNet(
        spatial_dims=plan.dimension,
        in_channels=in_channels,
        out_channels=plan.classes,
        features=(*plan.features, plan.features[0]),
        act="relu",
        norm=("instance", {"affine": True}),
        upsample="deconv",
    )
    network.apply(_xavier)
    return network


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
