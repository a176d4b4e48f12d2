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
    return "validation" if place_of(subject) < validation_fraction else "training"


def place_of(subject: str) -> float:
    """The subject's hash as a number from 0 to 1."""
    return int.from_bytes(hashlib.sha256(f"ufseg:{subject}".encode()).digest(), "big") / 2**256
