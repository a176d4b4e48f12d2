"""A training by the processes of torchrun: ``distributed.py FOLDER``; each writes what it found there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ufseg.errors import CancelledError
from ufseg.networks.build import build_network
from ufseg.networks.device import choose_device
from ufseg.plans.plan import Plan, ZScore
from ufseg.training.cases import PreparedCase
from ufseg.training.ranks import joined, requested_device
from ufseg.training.settings import TrainingSettings
from ufseg.training.trainer import train

STOP_AFTER = 5


def main(folder: Path) -> None:
    """Train whole, and again with a stop and a resumption."""
    torch.set_num_threads(1)
    plan = Plan(
        dimension=2,
        modality="MRI",
        spacing=(1.0, 1.0),
        patch_size=(16, 16),
        batch_size=2,
        features=(4, 8, 8),
        kernel_sizes=((3, 3),) * 3,
        strides=((1, 1), (2, 2), (2, 2)),
        normalisation=(ZScore(),),
        classes=2,
    )
    rng = np.random.default_rng(0)
    cases = []
    for number in range(8):
        label = np.zeros((16, 16), np.uint8)
        label[4:9, number : number + 6] = 1
        image = (label + rng.normal(0, 0.3, label.shape))[None].astype(np.float32)
        cases.append(PreparedCase.of(str(number), image, label))
    device = choose_device(requested_device("cpu"))
    with joined(device) as ranks:
        network = build_network(plan, 1)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(0.01)
        wrapped = ranks.wrap(network, device)
        wrapped(torch.full((1, 1, 16, 16), 1.0 + ranks.rank)).square().mean().backward()
        gradient = next(network.parameters()).grad
        assert gradient is not None
        own = build_network(plan, 1)
        own.load_state_dict(network.state_dict())
        own(torch.full((1, 1, 16, 16), 1.0 + ranks.rank)).square().mean().backward()
        alone = next(own.parameters()).grad
        assert alone is not None
        mean = [value / ranks.count for value in ranks.sum(alone.double().flatten().tolist())]
        averaged = bool(torch.allclose(gradient.double().flatten(), torch.tensor(mean, dtype=torch.float64)))
        text = ranks.text_from_first(f"from {ranks.rank}: Ä")

        settings = TrainingSettings(epochs=8, checkpoint_seconds=0)
        reports = []
        whole = train(cases, plan, settings, device=device, ranks=ranks, progress=reports.append)
        asked = 0

        def stop() -> bool:
            nonlocal asked
            asked += 1
            return asked > STOP_AFTER

        stopped = False
        path = folder / "checkpoint.safetensors"
        try:
            train(cases, plan, settings, device=device, ranks=ranks, checkpoint=path, cancelled=stop)
        except CancelledError:
            stopped = True
        ranks.wait()
        resumed = train(cases, plan, settings, device=device, ranks=ranks, checkpoint=path, resume=True)
        save_file(whole.state_dict, folder / f"whole{ranks.rank}.safetensors")
        save_file(resumed.state_dict, folder / f"resumed{ranks.rank}.safetensors")
        found = {
            "count": ranks.count,
            "averaged": averaged,
            "text": text,
            "steps": whole.steps,
            "asked": asked,
            "stopped": stopped,
            "reports": len(reports),
        }
        (folder / f"{ranks.rank}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
