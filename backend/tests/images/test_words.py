"""What people write does nothing to a terminal."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from ufseg.images.words import Author, Name, Note


@pytest.mark.parametrize("kind", [Name, Author, Note])
@pytest.mark.parametrize("text", ["\x1b[2J", "a\x00b", "\x9b31m", "bell\x07"])
def test_control_characters_are_refused(kind: type[str], text: str) -> None:
    with pytest.raises(ValidationError, match="control character 0x"):
        TypeAdapter(kind).validate_python(text)


def test_only_notes_have_lines() -> None:
    text = "first\n\tsecond\r\n"
    assert TypeAdapter(Note).validate_python(text) == text
    for kind in (Name, Author):
        with pytest.raises(ValidationError, match="0x0a"):
            TypeAdapter(kind).validate_python(text)


def test_letters_of_all_scripts_are_taken() -> None:
    for text in ("Müller", "日本語", "Ж", "a\u00a0b", "🫀"):
        assert TypeAdapter(Name).validate_python(f" {text} ") == text
