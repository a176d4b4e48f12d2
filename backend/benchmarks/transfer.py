"""How long a volume takes from the client's memory into the service, beside gzip-NIfTI by multipart.

    python benchmarks/transfer.py [--rounds 5] [--size 384 384 356] [--image FILE]

Ways, one after the other in every round, each with another volume of the same size:

- gzip: what MONAI Label's plugin for 3D Slicer does. The client writes the volume as ``.nii.gz`` and posts it as
  multipart/form-data; another process (FastAPI's UploadFile) saves it and reads it.
- stream: the client posts the raw volume to ``ufseg serve``.
- reference: the client writes it into the spool folder and names it to ``ufseg serve``. For "checked" it has to
  give the hash, and computes it meanwhile.

Each from the array in the client to the answer that says that the array is there: checked, hashed and, for "on disk",
synchronised with the disk. MONAI Label's way neither hashes nor synchronises. "checked" is ``durable=false``: the file
is on its way to the disk, and a case of it is answered only once it is there. The last column is the same followed by
making a case of it, which is on the disk then in either way.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import requests
import SimpleITK as sitk
from numpy.typing import NDArray

Volume = NDArray[np.int16]
_PEER = """
import shutil, sys, tempfile, uvicorn, SimpleITK as sitk
from pathlib import Path
from fastapi import FastAPI, UploadFile
app = FastAPI()

@app.get("/health")
def health() -> dict:
    return {}

@app.put("/datastore/image")
def image(file: UploadFile) -> dict:
    with tempfile.TemporaryDirectory(dir=sys.argv[2]) as folder:
        path = Path(folder) / "image.nii.gz"
        with path.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        return {"shape": list(array.shape)}

uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""


def header(volume: Volume) -> bytes:
    """NRRD header of a volume."""
    sizes = " ".join(map(str, reversed(volume.shape)))
    return (
        f"NRRD0004\ntype: int16\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
        "space origin: (0,0,0)\n\n"
    ).encode()


def by_gzip(volume: Volume, url: str) -> None:
    """As MONAI Label's plugin does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.nii.gz"
        sitk.WriteImage(sitk.GetImageFromArray(volume), str(path), True)
        # The plugin reads the whole file into the body, too.
        answer = requests.put(f"{url}/datastore/image", files={"file": path.read_bytes()}, timeout=300)
    assert answer.json()["shape"] == list(volume.shape)


class Ufseg:
    """A client of ``ufseg serve``."""

    def __init__(self, workspace: Path) -> None:
        command = [sys.executable, "-m", "ufseg.cli.main", "serve", "--workspace", str(workspace), "--device", "cpu"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        self.hello = json.loads(self.process.stdout.readline())
        self.url, self.spool = self.hello["url"], Path(self.hello["spool"])
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.hello['token']}"
        body = {"modality": "other", "channels": ["image"], "classes": [{"value": 1, "name": "organ"}]}
        self.task = self.post("/tasks", json=body | {"name": "transfer"})["id"]

    def post(self, path: str, **options: object) -> dict:
        """A JSON answer."""
        answer = self.session.post(self.url + path, timeout=300, **options)  # type: ignore[arg-type]
        assert answer.ok, answer.text
        return dict(answer.json())

    def stream(self, volume: Volume, durable: str) -> str:
        """Send a volume as the body."""
        head, voxels = header(volume), memoryview(volume.reshape(-1)).cast("B")

        class Body:
            def __len__(self) -> int:
                return len(head) + len(voxels)

            def __iter__(self):  # type: ignore[no-untyped-def]
                yield head
                for start in range(0, len(voxels), 1 << 20):
                    yield voxels[start : start + (1 << 20)]

        return str(self.post(f"/files?durable={durable}", data=Body())["sha256"])

    def reference(self, volume: Volume, durable: str) -> str:
        """Hand a volume over in the spool folder."""
        head, voxels = header(volume), memoryview(volume.reshape(-1)).cast("B")
        digest = hashlib.sha256(head)
        hashing = threading.Thread(target=digest.update, args=(voxels,))
        if durable == "false":
            hashing.start()
        path = self.spool / "benchmark.nrrd"
        with path.open("wb", buffering=0) as file:
            file.write(head)
            file.write(voxels)
        body = {"name": path.name}
        if durable == "false":
            hashing.join()
            body["sha256"] = digest.hexdigest()
        return str(self.post(f"/files/by-reference?durable={durable}", json=body)["sha256"])

    def case(self, sha256: str) -> None:
        """Make a case of a file."""
        self.post(f"/tasks/{self.task}/cases", json={"name": "case", "subject": sha256[:8], "images": [sha256]})


def volumes(size: tuple[int, int, int], image: Path | None, count: int) -> list[Volume]:
    """Different volumes of one size: an image's voxels repeated, or smooth noise as of a CT."""
    random = np.random.default_rng(0)
    shape = size[::-1]
    if image is None:
        base = np.cumsum(random.normal(0, 6, shape).astype(np.float32), axis=2) + random.normal(0, 12, shape)
    else:
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(image)))
        base = np.pad(array, [(0, max(0, n - have)) for n, have in zip(shape, array.shape, strict=True)], mode="wrap")
        base = base[tuple(slice(0, n) for n in shape)]
    first = np.clip(base, -1024, 3000).astype(np.int16)
    return [np.ascontiguousarray(np.roll(first, 5 * n, axis=1)) for n in range(count)]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=3, default=[384, 384, 356], metavar=("I", "J", "K"))
    parser.add_argument("--image", type=Path, help="whose voxels fill the volumes; smooth noise if left out")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    with_case: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = 20000 + os.getpid() % 20000
        peer = subprocess.Popen([sys.executable, "-c", _PEER, str(port), name])
        ufseg = Ufseg(folder / "workspace")
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                requests.get(f"{url}/health", timeout=1)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        time.sleep(8)  # the service loads its libraries and warms its workers
        ways: dict[str, Callable[[Volume], str | None]] = {
            "gzip-NIfTI by multipart": lambda v: by_gzip(v, url),
            "stream, on disk": lambda v: ufseg.stream(v, "true"),
            "stream, checked": lambda v: ufseg.stream(v, "false"),
            "reference, on disk": lambda v: ufseg.reference(v, "true"),
            "reference, checked": lambda v: ufseg.reference(v, "false"),
        }
        made = volumes(tuple(options.size), options.image, 4 * (options.rounds + 1))
        size = made[0].nbytes
        for number in range(options.rounds + 1):  # the first one warms up
            fresh = [made.pop() for _ in range(4)]
            for place, (way, send) in enumerate(ways.items()):
                volume = fresh[max(0, place - 1)]
                start = time.perf_counter()
                sent = send(volume)
                taken = time.perf_counter() - start
                if sent is not None:
                    ufseg.case(sent)
                whole = time.perf_counter() - start
                if number:
                    seconds.setdefault(way, []).append(taken)
                    with_case.setdefault(way, []).append(whole)
        ufseg.process.communicate()
        peer.terminate()
        peer.wait()
    base = seconds["gzip-NIfTI by multipart"]
    print(f"\n{size / 1e6:.0f} MB, {options.rounds} rounds, medians\n")
    print("| way | seconds | times faster (median of rounds) | with a case made, seconds |\n|---|---|---|---|")
    for way, taken in seconds.items():
        ratio = statistics.median(b / t for b, t in zip(base, taken, strict=True))
        print(f"| {way} | {statistics.median(taken):.3f} | {ratio:.1f} | {statistics.median(with_case[way]):.3f} |")


if __name__ == "__main__":
    main()
