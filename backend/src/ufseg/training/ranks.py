"""Several processes that train one network together, each on a GPU of its own, started by ``torchrun``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ufseg.errors import DeviceError
from ufseg.networks.device import Device

# The first process prepares the cases while the others wait for it.
PATIENCE = timedelta(hours=24)


@dataclass(frozen=True)
class Ranks:
    """This process's place among those that train together.

    Args:
        rank: from 0; only 0 writes and reports.
        count: number of processes; 1 means that there is no other, and nothing below communicates.

    What the processes tell each other in words and numbers goes from CPU to CPU, so that no step waits for a GPU.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def wrap(self, network: nn.Module, device: Device) -> nn.Module:
        """The network with gradients averaged over the processes in each backward pass."""
        if self.count == 1:
            return network
        devices = [device.torch_device] if device.kind == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    def from_first(self, values: list[float]) -> list[float]:
        """The first process's `values`, in all of them."""
        if self.count == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64)
        distributed.broadcast(tensor, src=0)
        shared: list[float] = tensor.tolist()
        return shared

    def sum(self, values: list[float]) -> list[float]:
        """The sums of `values` over the processes."""
        if self.count == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(tensor)
        total: list[float] = tensor.tolist()
        return total

    def text_from_first(self, text: str) -> str:
        """The first process's `text`, in all of them."""
        if self.count == 1:
            return text
        content = text.encode()
        (length,) = self.from_first([float(len(content))])
        shared = torch.zeros(int(length), dtype=torch.uint8)
        if self.is_first:
            shared = torch.tensor(list(content), dtype=torch.uint8)
        distributed.broadcast(shared, src=0)
        return bytes(shared.tolist()).decode()

    def wait(self) -> None:
        """Return when every process has come here."""
        self.sum([0.0])


def requested_device(requested: str) -> str:
    """The device to ask for: under torchrun the GPU with this process's local number, if it is to be a GPU."""
    local = os.environ.get("LOCAL_RANK")
    if local is None or requested == "cpu":
        return requested
    if requested.startswith("cuda:"):
        raise DeviceError(
            f"Under torchrun every process takes a GPU of its own, but all were given {requested}. Give cuda, auto or "
            "cpu, and choose GPUs with CUDA_VISIBLE_DEVICES."
        )
    return f"cuda:{local}" if torch.cuda.is_available() else requested


@contextmanager
def joined(device: Device) -> Iterator[Ranks]:
    """Join the processes that torchrun started with this one; alone, if it did not.

    Source: https://docs.pytorch.org/docs/stable/elastic/run.html (the environment), with NCCL
    between GPUs, gloo between CPUs.

    Raises:
        DeviceError: the processes do not find each other.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "RANK" not in os.environ:
        yield Ranks()
        return
    if device.kind == "cuda":
        torch.cuda.set_device(device.torch_device)
    try:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if device.kind == "cuda" else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise DeviceError(
            f"The {count} processes could not find each other: {str(error).splitlines()[0]}. Start them with torchrun, "
            "or train without it."
        ) from error
    try:
        yield Ranks(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()
