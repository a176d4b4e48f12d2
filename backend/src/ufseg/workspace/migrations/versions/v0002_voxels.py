"""Hashes of what images hold, so that the same study from two programs is one case.

Images from before get theirs too: else a study could come in again and be on both sides of the split.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import sqlalchemy as sa
from alembic import context, op

from ufseg.errors import ImageError
from ufseg.workspace.voxels import channel_hashes

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and fill them; an image that is missing or damaged keeps none."""
    op.add_column("files", sa.Column("voxels", sa.JSON()))
    op.add_column("cases", sa.Column("voxels", sa.String(64)))
    op.create_index("ix_cases_voxels", "cases", ["voxels"])
    connection = op.get_bind()
    folder: Path = context.config.attributes["folder"]
    files = sa.table("files", sa.column("sha256"), sa.column("voxels", sa.JSON()))
    images = sa.table("case_images", sa.column("case"), sa.column("position"), sa.column("sha256"))
    cases = sa.table("cases", sa.column("id"), sa.column("voxels"))
    hashes: dict[str, list[str] | None] = {}
    for sha256 in connection.execute(sa.select(images.c.sha256).distinct()).scalars():
        hashes[sha256] = found = _channels(folder / "files" / sha256[:2] / f"{sha256[2:]}.nrrd")
        if found is not None:
            connection.execute(sa.update(files).where(files.c.sha256 == sha256).values(voxels=found))
    of_case: dict[str, list[list[str] | None]] = {}
    for case, sha256 in connection.execute(
        sa.select(images.c.case, images.c.sha256).order_by(images.c.case, images.c.position)
    ):
        of_case.setdefault(case, []).append(hashes[sha256])
    for case, channels in of_case.items():
        known = [c for c in channels if c is not None]
        if len(known) == len(channels):
            joined = ",".join(c for file in known for c in file)
            voxels = hashlib.sha256(joined.encode()).hexdigest()
            connection.execute(sa.update(cases).where(cases.c.id == case).values(voxels=voxels))


def _channels(path: Path) -> list[str] | None:
    from ufseg.images.reading import read_image  # SimpleITK is slow to import

    try:
        return channel_hashes(read_image(path).array)
    except ImageError:
        return None
