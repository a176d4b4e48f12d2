"""Triggers by which the database itself refuses to change or delete what was acknowledged.

No mistake in the code above it can then rewrite history.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

APPEND_ONLY = (
    "classes",
    "label_revisions",
    "model_versions",
    "promotions",
    "gate_rules",
    "case_images",
    "files",
    "workspace_identity",
    "audit_entries",
)
_NEVER_DELETED = ("tasks", "cases", "access_tokens")
_FROZEN = "OLD.membership IS NOT NULL OR OLD.subject <> NEW.subject OR OLD.images_key <> NEW.images_key"
_FROZEN_MESSAGE = "subject, images and membership of a case never change"
_SPENT = (
    "OLD.revoked IS NOT NULL OR OLD.id <> NEW.id OR OLD.name <> NEW.name OR OLD.role <> NEW.role "
    "OR OLD.sha256 <> NEW.sha256"
)
_SPENT_MESSAGE = "id, name, role and hash of a token never change, nor does its revocation"

_POSTGRESQL_FUNCTIONS = {
    "ufseg_append_only": "RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, lower(TG_OP)",
    "ufseg_never_deleted": "RAISE EXCEPTION '% are never deleted', TG_TABLE_NAME",
    "ufseg_frozen": f"RAISE EXCEPTION '{_FROZEN_MESSAGE}'",
    "ufseg_spent": f"RAISE EXCEPTION '{_SPENT_MESSAGE}'",
}


@dataclass(frozen=True)
class _Trigger:
    """`action` on `table` is refused with `message`, where `condition` holds."""

    name: str
    table: str
    action: str
    function: str
    message: str
    condition: str = ""

    def sqlite(self) -> str:
        when = f"WHEN {self.condition} " if self.condition else ""
        return (
            f"CREATE TRIGGER {self.name} BEFORE {self.action} ON {self.table} {when}BEGIN "
            f"SELECT RAISE(ABORT, '{self.message}'); END"
        )

    def postgresql(self) -> str:
        each = "STATEMENT" if self.action == "TRUNCATE" else "ROW"
        when = f"WHEN ({self.condition}) " if self.condition else ""
        return (
            f"CREATE TRIGGER {self.name} BEFORE {self.action} ON {self.table} FOR EACH {each} {when}"
            f"EXECUTE FUNCTION {self.function}()"
        )


def _triggers(dialect: str) -> list[_Trigger]:
    found = []
    for table in APPEND_ONLY:
        for action in ("UPDATE", "DELETE", "TRUNCATE"):
            message = f"{table} is append-only: {action.lower()} refused"
            found.append(_Trigger(f"{table}_no_{action.lower()}", table, action, "ufseg_append_only", message))
    for table in _NEVER_DELETED:
        for action in ("DELETE", "TRUNCATE"):
            message = f"{table} are never deleted"
            found.append(_Trigger(f"{table}_no_{action.lower()}", table, action, "ufseg_never_deleted", message))
    found.append(_Trigger("cases_frozen", "cases", "UPDATE", "ufseg_frozen", _FROZEN_MESSAGE, _FROZEN))
    found.append(_Trigger("access_tokens_spent", "access_tokens", "UPDATE", "ufseg_spent", _SPENT_MESSAGE, _SPENT))
    # SQLite has no TRUNCATE.
    return [t for t in found if dialect != "sqlite" or t.action != "TRUNCATE"]


def install(connection: Connection) -> None:
    """Put every trigger that is missing in place."""
    dialect = connection.dialect.name
    missing = set(missing_triggers(connection))
    if missing and dialect == "postgresql":
        for name, body in _POSTGRESQL_FUNCTIONS.items():
            connection.execute(
                text(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$")
            )
    for trigger in _triggers(dialect):
        if trigger.name in missing:
            if dialect == "postgresql":  # one that was switched off still has the name
                connection.execute(text(f"DROP TRIGGER IF EXISTS {trigger.name} ON {trigger.table}"))
            connection.execute(text(trigger.postgresql() if dialect == "postgresql" else trigger.sqlite()))


def remove(connection: Connection) -> None:
    """Take the triggers away, for a migration; in the same transaction `install` must follow."""
    on = connection.dialect.name == "postgresql"
    missing = set(missing_triggers(connection))
    for trigger in _triggers(connection.dialect.name):
        if trigger.name not in missing:
            connection.execute(text(f"DROP TRIGGER {trigger.name}" + (f" ON {trigger.table}" if on else "")))


def missing_triggers(connection: Connection) -> list[str]:
    """Names of triggers that are absent or switched off."""
    if connection.dialect.name == "postgresql":
        query = (
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE NOT tgisinternal AND tgenabled <> 'D' AND relnamespace = current_schema()::regnamespace"
        ).replace("::", "\\:\\:")
    else:
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    present = set(connection.execute(text(query)).scalars())
    return [t.name for t in _triggers(connection.dialect.name) if t.name not in present]
