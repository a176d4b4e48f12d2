"""Bringing cases of a dataset folder into a workspace."""

from __future__ import annotations

from ufseg.errors import InputError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.workspace.records import Case, LabelRevision
from ufseg.workspace.revisions import RevisionRequest
from ufseg.workspace.workspace import Workspace


def import_case(
    workspace: Workspace, task_id: str, case: CaseFiles, classes: ClassTable, author: str
) -> tuple[Case, LabelRevision | None]:
    """Add a case's images and, if it has a label map that the case does not have already, a revision.

    Args:
        workspace: open workspace.
        task_id: the task.
        case: files in any format the package reads.
        classes: the meaning of the values in `case.label`; names must be classes of the task.
        author: who brings it in.

    Returns:
        The case, and the new revision or None.

    Raises:
        InputError: the images or the label map cannot be used, or the images are known under another subject; what of
            them was stored already stays unused.
    """
    from ufseg.images.reading import read_case_label, read_image

    images = [read_image(path, stacked=case.stacked) for path in case.images]
    # Before the case is made: one whose label map is refused must not stay behind without it.
    label_map = None if case.label is None else read_case_label(case, classes, images[0].geometry)
    table = workspace.tasks.get(task_id).class_table
    labelled = [] if label_map is None else classes.entries
    same_values = all(entry.value == table.value_of(entry.name) for entry in labelled)
    stored = [workspace.files.add_image(image).sha256 for image in images]
    added, _ = workspace.cases.add(task_id, case.id, case.subject, stored)
    if added.subject != case.subject:
        raise InputError(
            f"The images are those of case {added.name!r}, whose subject is {added.subject!r}, but the dataset says "
            f"{case.subject!r}. A subject decides for good between training and validation; correct subjects.json."
        )
    if label_map is None:
        return added, None
    label = workspace.files.add_label_map(label_map, classes)
    request = RevisionRequest(
        label=label.sha256,
        classes=dict(zip(classes.names, classes.values, strict=True)),
        author=author,
        origin="imported",
        region=case.region,
    )
    newest = workspace.revisions.of_case(added.id)[-1:]
    # Importing a folder twice must not give every case a second, equal revision.
    if same_values and newest and newest[0].label == label.sha256 and newest[0].region == case.region:
        return added, None
    revision = workspace.revisions.submit(added.id, request)
    return workspace.cases.get(added.id), revision
