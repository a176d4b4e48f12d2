"""A backend of a few kilobytes with its lock and wheels, so that a whole installation takes a second."""

from __future__ import annotations

import base64
import hashlib
import random
import zipfile
from pathlib import Path

from UnifiedFocalSegLib.environment import Wanted

_BUILDER = """
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from wheel_writer import write_wheel

def build_wheel(directory, config_settings=None, metadata_directory=None):
    here = pathlib.Path(__file__).parent
    files = {p.relative_to(here).as_posix(): p.read_bytes() for p in (here / "ufseg").rglob("*.py")}
    return write_wheel(pathlib.Path(directory), "ufseg", "0.1.0", files).name
"""
_SERVE = """
import json, sys
print(json.dumps({"url": "http://127.0.0.1:1", "token": "secret", "version": "0.1.0"}), flush=True)
sys.stdin.read()
"""
_DEVICE = """
import types
def choose_device(kind):
    return types.SimpleNamespace(name=f"tiny {kind}")
"""


def write_wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> Path:
    """A wheel as an index would serve it."""
    info = f"{name}-{version}.dist-info"
    content = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in content.items()]
    content[f"{info}/RECORD"] = ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in content.items():
            archive.writestr(member, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def write_wheels(folder: Path) -> str:
    """The wheels of what the backend needs; returns the lock."""
    folder.mkdir()
    torch = {
        "torch/__init__.py": b'from . import version\n__version__ = "2.13.0"\n',
        "torch/version.py": b"cuda = None\n",
    }
    write_wheel(folder, "torch", "2.13.0", torch)
    data = random.Random(1).randbytes(6_000_000)
    helper = write_wheel(folder, "helper", "1.0", {"helper/__init__.py": b"", "helper/data.bin": data})
    return f"torch==2.13.0\nhelper==1.0 --hash=sha256:{hashlib.sha256(helper.read_bytes()).hexdigest()}\n"


def write_sources(folder: Path, lock: str, marker: str = "first") -> Wanted:
    """Sources of the backend; `marker` is what `ufseg.MARKER` says."""
    source = folder / "src"
    modules = {
        "__init__": f"MARKER = {marker!r}\n",
        "_version": '__version__ = "0.1.0"\n',
        "cli/__init__": "",
        "cli/main": f"if __name__ == '__main__':\n{_indented(_SERVE)}",
        "service/__init__": "",
        "service/run": "import helper\n",
        "images/__init__": "",
        "images/reading": "",
        "training/__init__": "",
        "training/trainer": "import torch\n",
        "networks/__init__": "",
        "networks/device": _DEVICE,
    }
    for name, text in modules.items():
        path = source / "ufseg" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (source / "tiny_builder.py").write_text(_BUILDER, encoding="utf-8")
    (source / "wheel_writer.py").write_text(_writer(), encoding="utf-8")
    (folder / "README.md").write_text("A tiny backend.\n", encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "tiny_builder"\nbackend-path = ["src"]\n'
        '[project]\nname = "ufseg"\nversion = "0.1.0"\n',
        encoding="utf-8",
    )
    (folder / "requirements.lock").write_text(lock, encoding="utf-8")
    return Wanted(folder)


def _writer() -> str:
    """The part of this file that a build needs."""
    text = Path(__file__).read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("from UnifiedFocalSegLib")).replace(
        "-> Wanted", "-> None"
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()) + "\n"
