"""Damaged and dishonest inputs for the readers, each made from a number alone."""

from __future__ import annotations

import copy
import gzip
import json
import random
import struct
import tempfile
import zlib
from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from ufseg.images.nifti import HEADER_1, HEADER_2

Files = dict[str, bytes]
NUMBERS = ("0", "-1", "1", "2", "7", "65536", "2147483647", "4294967296", "9223372036854775807", "1e999", "nan", "-inf")
WORDS = (
    *NUMBERS,
    "",
    "none",
    "true",
    "{}",
    "[]",
    "(1,0,0)",
    "\u00e9\u0000",
    "raw",
    "gzip",
    "hex",
    "double",
    "LIST",
    "../x",
)
JUNK = (0, -1, 1, 2.5, 1e308, 10**30, float("nan"), None, True, "", "x" * 300, "\u0000", [], {}, [[]], {"a": {}})


def make(seed: int, number: int) -> tuple[str, str, Files]:
    """The input of a number.

    Returns:
        Kind, name of the file or folder to be read (empty: the folder itself), and the files by name.
    """
    random_ = random.Random(f"{seed}/{number}")
    kinds = list(KINDS)
    kind = kinds[number % len(kinds)]
    main, files = KINDS[kind](random_)
    return kind, main, files


def mutated(content: bytes, random_: random.Random) -> bytes:
    """Some bytes changed, taken out, doubled or cut off."""
    data = bytearray(content)
    for _ in range(random_.choice((1, 1, 2, 5, 20))):
        # Headers are at the start: most changes belong there.
        end = len(data) if random_.random() < 0.3 else min(len(data), 400)
        where = random_.randrange(max(end, 1))
        how = random_.randrange(6)
        if how == 0:
            data[where : where + 1] = bytes([random_.randrange(256)])
        elif how == 1:
            size = random_.choice((2, 4, 8))
            data[where : where + size] = random_.choice((b"\xff", b"\0", b"\x7f", b"\x80")) * size
        elif how == 2:
            del data[where : where + random_.randrange(1, 40)]
        elif how == 3:
            data[where:where] = data[where : where + random_.randrange(1, 60)]
        elif how == 4:
            del data[where:]
        else:
            data[where:where] = random_.randbytes(random_.randrange(1, 20))
    return bytes(data)


def _mutated_or_zipped(name: str) -> Callable[[random.Random], tuple[str, Files]]:
    def build(random_: random.Random) -> tuple[str, Files]:
        content = valid()[name]
        if name.endswith(".gz") and random_.random() < 0.7:
            return name, {name: gzip.compress(mutated(gzip.decompress(content), random_), 1)}
        return name, {name: mutated(content, random_)}

    return build


def _text_header(name: str, separator: str) -> Callable[[random.Random], tuple[str, Files]]:
    """Fields of a text header changed, doubled, lost or swapped."""

    def build(random_: random.Random) -> tuple[str, Files]:
        content = valid()[name]
        cut = content.index(b"\n\n") if b"\n\n" in content else content.index(b"LOCAL\n") + 5
        lines = content[:cut].decode("latin-1").split("\n")
        for _ in range(random_.randrange(1, 4)):
            line = random_.randrange(len(lines))
            field, found, value = lines[line].partition(separator)
            if not found or random_.random() < 0.15:
                random_.choice((lines.remove, lines.append))(lines[line])
            else:
                words = value.replace("(", " ").replace(")", " ").replace(",", " ").split(" ")
                words[random_.randrange(len(words))] = random_.choice(WORDS)
                lines[line] = f"{field}{separator}{' '.join(words)}"
            if not lines:
                break
        return name, {name: "\n".join(lines).encode() + content[cut:]}

    return build


def _nifti_header(random_: random.Random) -> tuple[str, Files]:
    layout = random_.choice((HEADER_1, HEADER_2)).newbyteorder(random_.choice("<>"))
    header = np.zeros(1, layout)
    header["sizeof_hdr"] = layout.itemsize
    header["dim"][0, :] = (3, 4, 3, 2, 1, 1, 1, 1)
    header["datatype"], header["bitpix"], header["pixdim"] = 16, 32, 1
    header["magic"] = b"n+1" if layout.itemsize == HEADER_1.itemsize else b"n+2\0\r\n\x1a\n"
    header["vox_offset"] = layout.itemsize + 4
    fields = [n for n in layout.names or () if layout[n].base.kind in "ifu" and n != "sizeof_hdr"]
    for _ in range(random_.randrange(1, 5)):
        field = random_.choice(fields)
        kind = layout[field].base
        if kind.kind == "f":
            value: Any = random_.choice((0, -1, np.nan, np.inf, 1e-30, 1e30, 352, 353.5, 2**31, 2.0**63))
        else:
            limits = np.iinfo(kind)
            choices = (0, -1, 1, 2, 3, 4, 7, 8, 16, 32, 64, 128, 512, 1024, 1536, 2304, limits.max, limits.min)
            value = max(limits.min, min(limits.max, random_.choice(choices)))
        flat = header[field].reshape(-1)
        flat[random_.randrange(len(flat))] = value
    content = header.tobytes() + bytes(4) + random_.randbytes(random_.choice((0, 50, 96, 96, 96, 200)))
    if random_.random() < 0.4:
        return "x.nii.gz", {"x.nii.gz": gzip.compress(content, 1)}
    return "x.nii", {"x.nii": content}


def _bomb(random_: random.Random) -> tuple[str, Files]:
    """A few kilobytes that unfold to tens of megabytes, or claim terabytes."""
    size = random_.choice((40, 2_000, 60_000, 2**31, 2**40))
    zeros = _zeros()
    which = random_.randrange(5)
    if which == 0:
        text = f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: {size} {size} {size}\nencoding: gzip\n\n"
        return "b.nrrd", {"b.nrrd": text.encode() + zeros}
    if which == 1:
        text = f"ObjectType = Image\nNDims = 3\nDimSize = {size} {size} {size}\nElementType = MET_DOUBLE\n"
        text += f"CompressedData = True\nCompressedDataSize = {len(zeros)}\nElementDataFile = LOCAL\n"
        return "b.mha", {"b.mha": text.encode() + zlib.compress(bytes(1000))}
    if which == 2:
        header = np.zeros(1, HEADER_1)
        header["sizeof_hdr"], header["dim"][0] = 348, (3, *[min(size, 32767)] * 3, 1, 1, 1, 1)
        header["datatype"], header["bitpix"], header["pixdim"], header["vox_offset"] = 2, 8, 1, 352
        header["magic"] = b"n+1"
        return "b.nii.gz", {"b.nii.gz": gzip.compress(header.tobytes() + bytes(4)) + zeros}
    if which == 3:
        side = min(size, 2**31 - 1)
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
        parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
        return "b.png", {"b.png": b"\x89PNG\r\n\x1a\n" + b"".join(parts)}
    side = min(size, 65535)
    return "b.gif", {"b.gif": b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + valid()["x.gif"][13:]}


@cache
def _zeros() -> bytes:
    return gzip.compress(bytes(40_000_000), 1)


def _dicom(random_: random.Random) -> tuple[str, Files]:
    files = {name: content for name, content in valid().items() if name.startswith("dicom/")}
    name = random_.choice(sorted(files))
    files[name] = mutated(files[name], random_)
    if random_.random() < 0.2:
        del files[random_.choice(sorted(files))]
    return "dicom", files


def _json(name: str) -> Callable[[random.Random], tuple[str, Files]]:
    """Values of a JSON file exchanged for others, or its text damaged."""

    def build(random_: random.Random) -> tuple[str, Files]:
        files = {n: c for n, c in valid().items() if n.startswith(f"{name.split('/')[0]}/")}
        content = json.loads(files[name])
        for _ in range(random_.randrange(1, 4)):
            _exchange(content, random_)
        text = json.dumps(content).encode()
        if random_.random() < 0.2:
            text = mutated(text, random_)
        elif random_.random() < 0.02:
            text = b'{"labels":' + b"[" * 100_000
        files[name] = text
        return name.split("/")[0], files

    return build


def _exchange(content: Any, random_: random.Random) -> None:
    places: list[tuple[Any, Any]] = []
    waiting = [content]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node))
        places += [(node, key) for key in keys]
        waiting += [node[key] for key in keys if isinstance(node[key], dict | list)]
    if not places:
        return
    node, key = random_.choice(places)
    if random_.random() < 0.2:
        del node[key]
    elif random_.random() < 0.2 and isinstance(node, dict):
        node[random_.choice(WORDS)] = node.pop(key)
    else:
        node[key] = copy.deepcopy(random_.choice(JUNK))


def _weights(random_: random.Random) -> tuple[str, Files]:
    files = {n: c for n, c in valid().items() if n.startswith("model/")}
    content = files["model/weights.safetensors"]
    if random_.random() < 0.5:
        files["model/weights.safetensors"] = mutated(content, random_)
    else:
        length = struct.unpack_from("<Q", content)[0]
        header = json.loads(content[8 : 8 + length])
        for _ in range(random_.randrange(1, 3)):
            _exchange(header, random_)
        text = json.dumps(header).encode()
        claimed = random_.choice((len(text), len(text), len(text), 2**40, 2**63, 0))
        files["model/weights.safetensors"] = struct.pack("<Q", claimed) + text + content[8 + length :]
    return "model", files


KINDS: dict[str, Callable[[random.Random], tuple[str, Files]]] = {
    "NIfTI bytes": _mutated_or_zipped("x.nii.gz"),
    "NIfTI header": _nifti_header,
    "NRRD bytes": _mutated_or_zipped("x.nrrd"),
    "NRRD fields": _text_header("x.nrrd", ": "),
    "seg.nrrd fields": _text_header("x.seg.nrrd", ":="),
    "MetaImage bytes": _mutated_or_zipped("x.mha"),
    "MetaImage fields": _text_header("x.mha", " = "),
    "PNG bytes": _mutated_or_zipped("x.png"),
    "TIFF bytes": _mutated_or_zipped("x.tif"),
    "GIF bytes": _mutated_or_zipped("x.gif"),
    "JPEG bytes": _mutated_or_zipped("x.jpg"),
    "bombs": _bomb,
    "DICOM folder": _dicom,
    "dataset.json": _json("nnunet/dataset.json"),
    "classes.json": _json("plain/classes.json"),
    "model.json": _json("model/model.json"),
    "safetensors": _weights,
}


@cache
def valid() -> Files:
    """Small files that are read without complaint."""
    with tempfile.TemporaryDirectory() as folder:
        _write_valid(Path(folder))
        return {
            p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()
        }


def _write_valid(folder: Path) -> None:
    from PIL import Image as Picture

    from ufseg.images.class_table import ClassTable
    from ufseg.images.geometry import Geometry
    from ufseg.images.image import LabelMap
    from ufseg.images.segmentation_file import write_segmentation

    generator = np.random.default_rng(0)
    volume = sitk.GetImageFromArray(generator.integers(0, 3, (3, 4, 5)).astype(np.int16))
    volume.SetSpacing((0.5, 0.75, 2.0))
    for name in ("x.nii.gz", "x.nrrd", "x.mha"):
        sitk.WriteImage(volume, str(folder / name), name == "x.nii.gz")
    label = LabelMap(generator.integers(0, 3, (3, 4, 5)).astype(np.uint8), Geometry.of(volume))
    write_segmentation(folder / "x.seg.nrrd", label, ClassTable.of({"a": 1, "b": 2}))
    picture = generator.integers(0, 255, (9, 8)).astype(np.uint8)
    for name in ("x.png", "x.tif", "x.jpg"):
        sitk.WriteImage(sitk.GetImageFromArray(picture), str(folder / name))
    Picture.fromarray(picture).save(folder / "x.gif")
    (folder / "dicom").mkdir()
    for k in range(3):
        image = volume[:, :, k : k + 1]
        tags = {
            "0008|0060": "CT", "0020|000e": "1.2.3", "0020|000d": "1.2.4", "0008|0018": f"1.2.3.{k}",
            "0020|0032": f"0\\0\\{2 * k}", "0020|0037": "1\\0\\0\\0\\1\\0", "0008|0008": "ORIGINAL",
        }  # fmt: skip
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / "dicom" / f"{k}.dcm"))
        writer.Execute(image)
    _write_datasets(folder, volume)
    _write_model(folder / "model")


def _write_datasets(folder: Path, volume: Any) -> None:
    for place in ("nnunet/imagesTr/c1_0000", "nnunet/labelsTr/c1", "plain/images/c1", "plain/labels/c1"):
        path = folder / f"{place}.nrrd"
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.Cast(volume, sitk.sitkUInt8), str(path))
    description = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "a": 1, "b": 2},
        "numTraining": 1,
        "file_ending": ".nrrd",
    }
    (folder / "nnunet" / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    (folder / "plain" / "classes.json").write_text('{"a": 1, "b": 2}', encoding="utf-8")


def _write_model(folder: Path) -> None:
    from ufseg.images.class_table import ClassTable
    from ufseg.networks.model_folder import LossChoice, ModelDescription, write_model
    from ufseg.plans.plan import Plan, ZScore

    plan = Plan(
        dimension=2, modality="other", spacing=(1, 1), patch_size=(8, 8), batch_size=1, features=(4, 8),
        kernel_sizes=((3, 3), (3, 3)), strides=((1, 1), (2, 2)), normalisation=(ZScore(),), classes=2,
    )  # fmt: skip
    description = ModelDescription(
        name="m", task="t", plan=plan, classes=ClassTable.of({"a": 1}), channel_names=["MRI"],
        loss=LossChoice(name="dice"), trained_on=[], seconds=1, device="cpu",
        created=datetime(2026, 1, 1, tzinfo=timezone.utc), ufseg_version="0",
    )  # fmt: skip
    write_model(folder, description, {"a": torch.ones(3, 4), "b": torch.zeros(2)})
