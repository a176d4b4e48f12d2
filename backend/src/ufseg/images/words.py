"""What people write: without control characters, which would act on the terminal of whoever lists it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from ufseg.errors import InputError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LAYOUT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _line(text: str) -> str:
    return _without(_CONTROL, text)


def _text(text: str) -> str:
    return _without(_CONTROL_BUT_LAYOUT, text)


def _without(unfit: re.Pattern[str], text: str) -> str:
    if found := unfit.search(text):
        raise ValueError(f"character {found.start() + 1} is the control character {ord(found[0]):#04x}; leave it out")
    return text


def require_line(text: str, what: str) -> None:
    """Refuse a new name with control characters; raises InputError, which calls it `what`."""
    try:
        _line(text)
    except ValueError as error:
        raise InputError(f"{what} {text[:100]!r} cannot be taken: {error}.") from error


KeptName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
"""Of a class that is there already: files and workspaces from before may have any, and must stay readable."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_line)]
"""Of a class, channel, task, case or subject."""
Author = Annotated[str, StringConstraints(max_length=200), AfterValidator(_line)]
"""Who did something."""
Note = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_text)]
"""Why, in lines."""
