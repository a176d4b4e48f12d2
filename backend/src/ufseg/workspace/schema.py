"""The layout of the tables: making it, recognising it, and bringing an older one up to date."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select

from ufseg.errors import StorageError
from ufseg.workspace import protection
from ufseg.workspace.tables import AlembicVersionRow, Base, IdentityRow, SchemaVersionRow

HEAD = "0005"
"""The newest migration under ``migrations/versions``."""

LAST_OWN_VERSION = 3
"""What programs from before Alembic read."""

_KNOWN = tuple(f"{number:04d}" for number in range(1, int(HEAD) + 1))


def create(connection: Connection, workspace_id: str | None = None) -> None:
    """Make all tables of the present layout in an empty database, of a new workspace or of the one with this id."""
    Base.metadata.create_all(connection)
    protection.install(connection)
    connection.execute(insert(SchemaVersionRow).values(version=LAST_OWN_VERSION))
    connection.execute(insert(AlembicVersionRow).values(version_num=HEAD))
    own = workspace_id or secrets.token_hex(16)
    connection.execute(insert(IdentityRow).values(id=own, created=datetime.now(timezone.utc)))


def revision(connection: Connection, shown: str) -> str | None:
    """The newest migration that the database has, None if it is empty.

    Args:
        connection: to the database.
        shown: its name for messages.

    Raises:
        StorageError: it is another program's, or was written by a newer ufseg.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if SchemaVersionRow.__tablename__ not in tables:
        raise StorageError(f"{shown} is a database, but not one of ufseg. Choose another folder as workspace.")
    if AlembicVersionRow.__tablename__ in tables:
        found = connection.execute(select(AlembicVersionRow.version_num)).scalar() or "none"
    else:
        found = f"{connection.execute(select(SchemaVersionRow.version)).scalar() or 0:04d}"
    if found == "none":
        raise StorageError(
            f"The workspace's database {shown} has lost its schema version. Restore it: 'ufseg workspace repair --from "
            "BACKUP'."
        )
    if found not in _KNOWN:
        raise StorageError(
            f"The workspace's database {shown} has schema version {found}, and this ufseg reads versions up to {HEAD}. "
            "Open it with the ufseg that wrote it last, or install a newer one."
        )
    return found


def upgrade(connection: Connection, folder: Path, found: str) -> None:
    """Bring an older layout up to date, within the transaction of `connection`.

    Args:
        connection: to the database, in a transaction that writes.
        folder: the workspace, whose files a migration may read.
        found: what `revision` said.
    """
    from alembic import command
    from alembic.config import Config

    from ufseg.workspace import migrations

    if AlembicVersionRow.__tablename__ not in inspect(connection).get_table_names():
        AlembicVersionRow.__table__.create(connection)  # type: ignore[attr-defined]
        connection.execute(insert(AlembicVersionRow).values(version_num=found))
    config = Config()
    location = str(Path(str(migrations.__file__)).parent)
    config.set_main_option("script_location", location.replace("%", "%%"))  # ConfigParser's escape
    config.attributes["connection"] = connection
    config.attributes["folder"] = folder
    protection.remove(connection)
    command.upgrade(config, "head")
    protection.install(connection)
