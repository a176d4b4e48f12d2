"""Names that identify a patient stay where a person put them: in the records, nowhere else."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from service_process import ServiceProcess, nrrd
from tiny_models import write_squares_model
from workspace_samples import sample

from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.reading import read_image
from ufseg.images.writing import write_image
from ufseg.workspace import Workspace
from ufseg.workspace.backup import back_up
from ufseg.workspace.importing import import_case

# Words that occur nowhere else. Of DICOM tags: name, id, accession, institution, physician, description.
TAGS = {
    "0010|0010": "Quastelbein^Wunnhilde", "0010|0020": "PIDXQ77310", "0008|0050": "ACCXQ55021",
    "0008|0080": "Klinikum Zappelfurt", "0008|0090": "Doktor^Murkelhoff", "0008|1030": "Knirpsuntersuchung",
    "0010|0030": "19270231", "0010|1040": "Strubbelgasse",
}  # fmt: skip
OF_TAGS = (
    "Quastelbein", "Wunnhilde", "PIDXQ77310", "ACCXQ55021", "Zappelfurt", "Murkelhoff", "Knirpsuntersuchung",
    "19270231", "Strubbelgasse",
)  # fmt: skip
OF_FILES = ("Fuddelmann", "Hopsenau")
OF_RECORDS = ("Krambambuli", "Pumpernickl")


def _dicom(folder: Path) -> Path:
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    uid = "1.2.826.0.1.3680043.2.1125.77"
    voxels = np.random.default_rng(3).integers(0, 500, (4, 16, 16)).astype(np.int16)
    for k in range(4):
        image = sitk.GetImageFromArray(voxels[k : k + 1])
        geometry = {"0020|0032": f"0\\0\\{2.5 * k}", "0020|0037": "1\\0\\0\\0\\1\\0", "0020|0013": str(k)}
        ids = {"0008|0060": "CT", "0020|000d": f"{uid}.1", "0020|000e": f"{uid}.2", "0008|0018": f"{uid}.3.{k}"}
        for tag, value in {**TAGS, **geometry, **ids}.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{OF_FILES[0]}-{k}.dcm"))
        writer.Execute(image)
    return folder


def _found(words: tuple[str, ...], folder: Path, skip: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Word and place of every word in the name or the content of a file under `folder`."""
    found = []
    for path in sorted(folder.rglob("*")):
        own = str(path.relative_to(folder))
        content = path.read_bytes() if path.is_file() and not path.name.startswith(skip or ("\0",)) else b""
        found += [(w, own) for w in words if w in own or w.encode() in content or w.encode("utf-16-le") in content]
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="reads the service's log while it is open")
def test_names_are_neither_in_files_nor_logs_nor_metrics(tmp_path: Path) -> None:
    dicom = _dicom(tmp_path / "in" / OF_FILES[1])
    assert _found(OF_TAGS, tmp_path / "in")  # they are planted
    converted = tmp_path / "in" / f"{OF_FILES[0]}.nrrd"
    write_image(converted, read_image(dicom))
    folder = tmp_path / "workspace"
    write_squares_model(tmp_path / "models" / "squares")
    with ServiceProcess(folder, "--models", str(tmp_path / "models")) as service:
        # What a careless client might send: the tags among the header's own fields, as ITK keeps them in NRRD.
        head, _, voxels = nrrd(sample(0).image, tmp_path).partition(b"\n\n")
        for extra in (
            *(f"{tag.replace('|', '_')}:={value}" for tag, value in TAGS.items()),
            f"# {OF_TAGS[0]}",
            f"content: {OF_TAGS[0]}",
            f'labels: "{OF_TAGS[0]}" "b" "c"',
            f'space units: "{OF_TAGS[0]}" "mm" "mm"',
            f"sample units: {OF_TAGS[0]}",
            f"patient: {OF_TAGS[0]}",
            f"# on {OF_TAGS[0]}",
            f"# http://pacs.example/{OF_TAGS[0]}",
        ):
            said = service.refused("POST", "/files", 422, data=head + f"\n{extra}\n\n".encode() + voxels)
            assert "may tell who was imaged" in said
        volume = service.upload(converted.read_bytes())
        task = service.fill("Squares", training=2, validation=1)
        body = {
            "name": OF_RECORDS[0],
            "subject": OF_RECORDS[1],
            "images": [service.upload(nrrd(sample(9).image, tmp_path))],
        }
        case = service.post(f"/tasks/{task['id']}/cases", body)
        service.submit(case, sample(9).label)
        # Refusals, too, must not carry names into the log.
        service.refused("POST", f"/tasks/{task['id']}/cases", 422, json=body | {"images": [volume, volume]})
        service.refused("POST", "/tasks", 422, json={"name": OF_RECORDS[0], "modality": OF_RECORDS[1]})
        service.answer("GET", f"/cases/{OF_RECORDS[0]}")
        version = service.post("/models/install", {"name": "squares", "task": "Squares"})["model_version"]
        prediction = {"case": case["id"], "model_version": version["id"]}
        assert service.wait(service.post(f"/tasks/{task['id']}/predictions", prediction))["state"] == "succeeded"
        metrics = service.answer("GET", "/metrics").text
        audit = service.answer("GET", "/audit?limit=10000").text
    assert not [w for w in (*OF_TAGS, *OF_FILES, *OF_RECORDS) if w in metrics + audit]
    assert _found((*OF_TAGS, *OF_FILES), folder) == []
    assert _found(OF_RECORDS, folder, skip=("workspace.sqlite",)) == []
    with closing(sqlite3.connect(folder / "workspace.sqlite")) as connection:
        assert connection.execute("SELECT subject FROM cases WHERE id = ?", (case["id"],)).fetchone() == (
            OF_RECORDS[1],
        )


def test_what_is_imported_from_dicom_has_no_names(tmp_path: Path) -> None:
    dicom = _dicom(tmp_path / "in" / OF_FILES[1])
    with Workspace(tmp_path / "workspace") as workspace:
        task = workspace.tasks.create("Bone", "CT", ["CT"], ClassTable.of({"bone": 1}))
        files = CaseFiles(id="case 1", subject="subject 1", images=(dicom,))
        case, _ = import_case(workspace, task.id, files, task.class_table, "reader")
        assert case.geometry.spacing[2] == 2.5
        assert back_up(workspace, tmp_path / "backup").whole
    for folder in ("workspace", "backup"):
        assert _found((*OF_TAGS, *OF_FILES), tmp_path / folder) == []
