"""The database's tables; `protection` keeps what was acknowledged in them from ever changing."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its time zone; SQLite itself keeps none."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To naive UTC."""
        return None if value is None else value.astimezone(timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From naive UTC."""
        return None if value is None else value.replace(tzinfo=timezone.utc)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData()
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
        list[dict[str, Any]]: JSON(),
    }


Id = String(32)
Hash = String(64)


class AlembicVersionRow(Base):
    """One row: the newest migration that this database has; its name and column are Alembic's."""

    __tablename__ = "alembic_version"
    version_num: Mapped[str] = mapped_column(Id, primary_key=True)


class SchemaVersionRow(Base):
    """One row that says 3 for ever: programs from before Alembic read it, and leave such a workspace alone."""

    __tablename__ = "schema_version"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class IdentityRow(Base):
    """One row: the workspace's own id, by which a folder, its database and its backups are told from others."""

    __tablename__ = "workspace_identity"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    created: Mapped[datetime]


class FileRow(Base):
    """Content-addressed images and label maps; `voxels` has a hash for each channel of an image."""

    __tablename__ = "files"
    sha256: Mapped[str] = mapped_column(Hash, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    channels: Mapped[int]
    dtype: Mapped[str]
    geometry: Mapped[dict[str, Any]]
    voxels: Mapped[list[str] | None]
    created: Mapped[datetime]


class TaskRow(Base):
    """Tasks."""

    __tablename__ = "tasks"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    modality: Mapped[str]
    channels: Mapped[list[str]]
    validation_fraction: Mapped[float]
    created: Mapped[datetime]


class ClassRow(Base):
    """Classes of tasks; a value never changes its meaning."""

    __tablename__ = "classes"
    __table_args__ = (UniqueConstraint("task", "name"),)
    task: Mapped[str] = mapped_column(ForeignKey("tasks.id"), primary_key=True)
    value: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    color: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)
    terminology: Mapped[str | None]


class CaseRow(Base):
    """Cases. `membership` is null until the first label and then fixed."""

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("task", "images_key"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    task: Mapped[str] = mapped_column(ForeignKey("tasks.id"), index=True)
    name: Mapped[str]
    subject: Mapped[str]
    images_key: Mapped[str]
    voxels: Mapped[str | None] = mapped_column(Hash, index=True)
    geometry: Mapped[dict[str, Any]]
    membership: Mapped[str | None]
    created: Mapped[datetime]


class CaseImageRow(Base):
    """The image files of cases, in channel order."""

    __tablename__ = "case_images"
    case: Mapped[str] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(ForeignKey("files.sha256"))


class RevisionRow(Base):
    """Label revisions, append-only."""

    __tablename__ = "label_revisions"
    __table_args__ = (UniqueConstraint("case", "number"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    case: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    number: Mapped[int]
    label: Mapped[str] = mapped_column(ForeignKey("files.sha256"))
    classes: Mapped[dict[str, Any]]
    author: Mapped[str]
    note: Mapped[str]
    origin: Mapped[str]
    parent: Mapped[str | None] = mapped_column(ForeignKey("label_revisions.id"))
    model_version: Mapped[str | None] = mapped_column(ForeignKey("model_versions.id"))
    region: Mapped[dict[str, Any] | None]
    created: Mapped[datetime]
    restored_from: Mapped[str | None] = mapped_column(ForeignKey("label_revisions.id"))


class ModelVersionRow(Base):
    """Model versions, append-only."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("task", "number"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    task: Mapped[str] = mapped_column(ForeignKey("tasks.id"), index=True)
    number: Mapped[int]
    parent: Mapped[str | None] = mapped_column(ForeignKey("model_versions.id"))
    weights: Mapped[str] = mapped_column(Hash)
    description: Mapped[str] = mapped_column(Hash)
    plan: Mapped[dict[str, Any]]
    classes: Mapped[list[dict[str, Any]]]
    trained_on: Mapped[list[str]]
    loss: Mapped[dict[str, Any]]
    scores: Mapped[dict[str, Any]]
    gate: Mapped[dict[str, Any] | None]
    notes: Mapped[list[str]]
    author: Mapped[str]
    note: Mapped[str]
    created: Mapped[datetime]
    job: Mapped[str | None] = mapped_column(Id)


class PromotionRow(Base):
    """Promotions, append-only; `id` gives their order."""

    __tablename__ = "promotions"
    id: Mapped[int] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(ForeignKey("tasks.id"), index=True)
    model_version: Mapped[str] = mapped_column(ForeignKey("model_versions.id"))
    reason: Mapped[str]
    author: Mapped[str]
    rollback: Mapped[bool]
    created: Mapped[datetime]


class GateRuleRow(Base):
    """Rules of tasks' gates, append-only; `id` gives their order and the newest one counts."""

    __tablename__ = "gate_rules"
    id: Mapped[int] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(ForeignKey("tasks.id"), index=True)
    rule: Mapped[dict[str, Any]]
    author: Mapped[str]
    note: Mapped[str]
    created: Mapped[datetime]


class JobRow(Base):
    """Jobs; unlike labels and versions they change while they run."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    task: Mapped[str] = mapped_column(ForeignKey("tasks.id"), index=True)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    progress: Mapped[dict[str, Any]]
    request: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    created: Mapped[datetime]
    started: Mapped[datetime | None]
    finished: Mapped[datetime | None]
    version: Mapped[int]
    resumes: Mapped[bool]
    interruptions: Mapped[int]
    resumed_from: Mapped[int | None]
    notes: Mapped[list[str]]


class AuditRow(Base):
    """Who did what, append-only; `id` gives the order. It names ids, and refers to nothing that could be lost."""

    __tablename__ = "audit_entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(Hash)
    task: Mapped[str | None] = mapped_column(Id)
    author: Mapped[str]
    actor: Mapped[str]
    role: Mapped[str]
    request: Mapped[str | None] = mapped_column(Id)
    created: Mapped[datetime]


class TokenRow(Base):
    """Access tokens, as hashes. All that ever changes is `revoked`, once."""

    __tablename__ = "access_tokens"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    role: Mapped[str]
    sha256: Mapped[str] = mapped_column(Hash, unique=True)
    created: Mapped[datetime]
    revoked: Mapped[datetime | None]
