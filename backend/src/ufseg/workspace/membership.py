"""Which cases train a model and which judge it."""

from __future__ import annotations

import hashlib

from ufseg.workspace.records import Membership


def membership_of(subject: str, validation_fraction: float) -> Membership:
    """Training or validation, by a hash of the subject: stable on every machine and for every later case.

    All cases of a subject fall on the same side, so that no subject is ever on both.

    Args:
        subject: who was imaged.
        validation_fraction: expected share of subjects in validation, 0 to 1.
    """
    digest = hashlib.sha256(f"ufseg:{subject}".encode()).digest()
    return "validation" if int.from_bytes(digest, "big") / 2**256 < validation_fraction else "training"
