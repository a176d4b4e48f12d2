"""Training a small U-Net in bf16 on a rare target: nothing may become NaN or infinite, and it must learn."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ufseg.losses import create, names


class SmallUNet(nn.Module):
    """Two levels, instance norm, one skip connection; [B, 1, *space] → [B, 2, *space] in 3D."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv3d(1, 8, 3, padding=1), nn.InstanceNorm3d(8, affine=True), nn.LeakyReLU())
        self.deep = nn.Sequential(
            nn.Conv3d(8, 16, 3, stride=2, padding=1), nn.InstanceNorm3d(16, affine=True), nn.LeakyReLU()
        )
        self.head = nn.Conv3d(24, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        skip = self.down(image)
        deep = F.interpolate(self.deep(skip), size=skip.shape[2:])
        return self.head(torch.cat([skip, deep], dim=1))


def rare_target(generator: torch.Generator, size: int) -> tuple[Tensor, Tensor]:
    """Noisy images [2, 1, s, s, s]: a bright lesion of about 0.1 % of the voxels in the first, none in the second."""
    labels = torch.zeros(2, size, size, size, dtype=torch.uint8)
    side = max(1, round((0.001 * size**3) ** (1 / 3)))
    i, j, k = (int(v) for v in torch.randint(0, size - side + 1, (3,), generator=generator))
    labels[0, i : i + side, j : j + side, k : k + side] = 1
    images = torch.randn(labels.shape, generator=generator) + 4 * labels
    return images.unsqueeze(1), labels


def train(name: str, steps: int, size: int) -> tuple[float, float]:
    """Mean loss of the first and of the last fifth of the steps; fails at the first number that is not finite."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SmallUNet()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    loss, history = create(name), []
    for step in range(steps):
        images, labels = rare_target(generator, size)
        optimiser.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = loss(network(images), labels)
        value.backward()
        history.append(float(value.detach()))
        assert torch.isfinite(value), f"loss {value} in step {step}"
        for key, parameter in network.named_parameters():
            assert parameter.grad is not None
            assert torch.isfinite(parameter.grad).all(), f"gradient of {key} in step {step}"
        optimiser.step()
    fifth = steps // 5
    return sum(history[:fifth]) / fifth, sum(history[-fifth:]) / fifth


@pytest.mark.parametrize("name", names())
def test_short_training_stays_finite_and_learns(name: str) -> None:
    first, last = train(name, steps=50, size=16)
    assert last < first


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_long_training_stays_finite_and_learns(name: str) -> None:
    first, last = train(name, steps=1000, size=32)
    assert last < first
