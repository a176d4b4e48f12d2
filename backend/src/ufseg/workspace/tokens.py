"""Access tokens of a department's server. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import select

from ufseg.errors import ConflictError, InputError, NotFoundError
from ufseg.workspace import audit
from ufseg.workspace.database import Database, now
from ufseg.workspace.records import AccessToken, Role
from ufseg.workspace.tables import TokenRow

_LONGEST_NAME = 100


def token_hash(token: str) -> str:
    """What is kept of a token: a plain hash suffices for 256 random bits, which nobody can guess."""
    return hashlib.sha256(token.encode()).hexdigest()


class Tokens:
    """The access tokens of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, role: Role) -> tuple[AccessToken, str]:
        """Make a token.

        Args:
            name: who or what will carry it; shown in the audit log.
            role: what it allows.

        Returns:
            Its record, and the token itself, which cannot be had again.

        Raises:
            InputError: an empty or too long name.
            ConflictError: a valid token has this name.
        """
        name = name.strip()
        if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
            raise InputError(
                f"A token needs a printable name of 1 to {_LONGEST_NAME} characters; given were {len(name)}. "
                "Name the person or the workplace that will use it."
            )
        token = secrets.token_urlsafe(32)
        row = TokenRow(
            id=secrets.token_hex(8), name=name, role=role, sha256=token_hash(token), created=now(), revoked=None
        )
        with self._database.writing() as session:
            if session.scalar(select(TokenRow.id).where(TokenRow.name == name, TokenRow.revoked.is_(None))):
                raise ConflictError(
                    f"A valid token is named {name!r} already. Revoke it first, or choose another name."
                )
            session.add(row)
            audit.append(session, "token added", row.id)
            session.flush()
            return _record(row), token

    def all(self) -> list[AccessToken]:
        """All tokens, revoked ones too, oldest first."""
        with self._database.reading() as session:
            return [_record(row) for row in session.scalars(select(TokenRow).order_by(TokenRow.created, TokenRow.id))]

    def valid(self) -> dict[str, AccessToken]:
        """Hash → token of those that were not revoked."""
        with self._database.reading() as session:
            rows = session.scalars(select(TokenRow).where(TokenRow.revoked.is_(None)))
            return {row.sha256: _record(row) for row in rows}

    def revoke(self, reference: str) -> AccessToken:
        """Make a token worthless, for good; a running service refuses it within a second.

        Args:
            reference: its id, or its name.

        Raises:
            NotFoundError: no valid token has this id or name.
        """
        with self._database.writing() as session:
            named = (TokenRow.id == reference) | (TokenRow.name == reference)
            row = session.scalars(select(TokenRow).where(named, TokenRow.revoked.is_(None))).first()
            if row is None:
                raise NotFoundError(
                    f"There is no valid token with the id or name {reference[:80]!r}. See 'ufseg tokens list'."
                )
            row.revoked = now()
            audit.append(session, "token revoked", row.id)
            session.flush()
            return _record(row)


def _record(row: TokenRow) -> AccessToken:
    return AccessToken.model_validate(
        {"id": row.id, "name": row.name, "role": row.role, "created": row.created, "revoked": row.revoked}
    )
