"""Stand-in for `slicer.i18n`, as far as it matters which text is asked for by whom.

As in Slicer, `tr` finds a text's context from the file that calls it, asks the application for the translation, and
takes the text itself where a translation has other fields in braces, with which ``.format`` would fail.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
from pathlib import Path

import slicer

_FIELD = re.compile(r"(?<!\{)\{([^{}]+)\}(?!\})")


def tr(text: str) -> str:
    """The text in the application's language."""
    context = context_of(sys._getframe(1).f_code.co_filename)
    translated = translate(context, text)
    if set(_FIELD.findall(text)) != set(_FIELD.findall(translated)):
        logging.warning("in the context %r the translation of %r has other fields: %r", context, text, translated)
        return text
    return translated


def translate(context: str, text: str) -> str:
    """The text in the application's language; the text itself before the application has started."""
    return slicer.app.translate(context, text) if hasattr(slicer, "app") else text


@functools.cache
def context_of(path: str) -> str:
    """Under which name the texts of a file are translated: the file's, with its package's before it."""
    file = Path(path)
    return f"{file.parent.name}.{file.stem}" if file.with_name("__init__.py").is_file() else file.stem
