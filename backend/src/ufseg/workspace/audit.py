"""Who did what: an append-only log, each entry written in the transaction of the deed it tells of."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ufseg.workspace.database import Database, now
from ufseg.workspace.records import AuditAction, AuditEntry
from ufseg.workspace.tables import AuditRow

DEFAULT_ENTRIES = 1000


@dataclass(frozen=True)
class Actor:
    """Who acts.

    Args:
        name: of the access token, ``local:LOGIN`` for a command on this computer, ``gate`` for the engine itself.
        role: of the token, ``maintainer`` for a command.
        request: id of the request, in the service's log too; None for a command.
    """

    name: str
    role: str
    request: str | None = None


GATE = Actor("gate", "engine")
_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Whatever is done in the block, and in threads that take over its context, is this actor's deed."""
    before = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(before)


def current_actor() -> Actor:
    """Who acts now; outside of `acting` the person who is logged in at this computer."""
    return _actor.get() or Actor(f"local:{_login()}", "maintainer")


def append(session: Session, action: AuditAction, subject: str, *, task: str | None = None, author: str = "") -> None:
    """Add an entry to the transaction of `session`.

    Args:
        session: one that writes.
        action: what is done.
        subject: id of what it is done to: revision, model version, job, task or token.
        task: id of the task it belongs to.
        author: whom the actor names as author.
    """
    actor = current_actor()
    session.add(
        AuditRow(
            action=action,
            subject=subject,
            task=task,
            author=author,
            actor=actor.name,
            role=actor.role,
            request=actor.request,
            created=now(),
        )
    )


class Audit:
    """The log of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, action: AuditAction, subject: str, *, task: str) -> None:
        """Add an entry about what changes nothing else in the database."""
        with self._database.writing() as session:
            append(session, action, subject, task=task)

    def entries(self, after: int = 0, limit: int = DEFAULT_ENTRIES) -> list[AuditEntry]:
        """Entries in their order.

        Args:
            after: number of the last one known already.
            limit: at most so many.
        """
        query = select(AuditRow).where(AuditRow.id > after).order_by(AuditRow.id).limit(limit)
        with self._database.reading() as session:
            return [_record(row) for row in session.scalars(query)]


def _record(row: AuditRow) -> AuditEntry:
    return AuditEntry.model_validate(
        {
            "id": row.id,
            "action": row.action,
            "subject": row.subject,
            "task": row.task,
            "author": row.author,
            "actor": row.actor,
            "role": row.role,
            "request": row.request,
            "created": row.created,
        }
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user without a name, as in some containers
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
