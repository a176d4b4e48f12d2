"""Every sentence of the sources that a user can see is there for Slicer's translators."""

from __future__ import annotations

import ast
import string
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from translatable import MODULE, Source, sources

ALL = "*"
# Whole files whose texts are not for the panel's users.
NOT_FOR_USERS = {
    "UnifiedFocalSegLib/environment/__main__.py": "the terminal program",
    "UnifiedFocalSegLib/self_test.py": "developers read it",
    "UnifiedFocalSegLib/self_test_loop.py": "developers read it",
}
# Texts of several words that are no sentences for users, by file; NUL stands for what is filled in.
NO_SENTENCES = {
    "backend_process.py": {"finish trainings\n": "protocol"},
    "client.py": {"Bearer \0": "protocol"},
    "comparison.py": {"label maps of the shapes \0 and \0 cannot be compared": "a defect of the program"},
    "places.py": {"Application Support": "folder of macOS"},
    "probing.py": {"import json, platform, sys": "the program that is tried out"},
    "nrrd.py": {ALL: "words of the file format; its errors are among what is shown"},
    "runner.py": {
        "wait() was called while events are processed; connect to `finished` instead.": "a defect of the program"
    },
    "sample_data.py": {"SyntheticCT1 reference": "a name"},
    "terminology.py": {"Segmentation category and type - 3D Slicer General Anatomy list": "Slicer's key"},
}
# Single words that are set or returned but not for users.
NOT_READ = {
    "identity.py": {"subject-": "kept in the workspace", "unknown": "kept in the workspace"},
    "scene.py": {"ImageScalars": "name of an array"},
    "torch_builds.py": {"cpu": "option", "cuda": "option"},
    "training_part.py": {"promoted": "protocol"},
    "wanted.py": {"unknown": "part of a folder's name"},
}


def where(source: Source, line: int, what: str) -> str:
    return f"UnifiedFocalSeg/{source.name}:{line}: {what}"


def allowed(table: dict, source: Source) -> set:
    """The texts that a file may have as they are, by their first lines."""
    return {text for name, texts in table.items() if source.path.name == name for text in texts}


def first_line(text: str) -> str:
    return text.lstrip("\n").partition("\n")[0] if text.startswith("\n") else text


@pytest.fixture(scope="module", name="sources")
def _sources() -> list[Source]:
    return [source for source in sources() if source.name not in NOT_FOR_USERS]


def test_sentences_are_translated(sources):
    wrong = []
    for source in sources:
        exceptions = allowed(NO_SENTENCES, source)
        wrong += [
            where(source, found.line, f"{found.text!r} is not in _()")
            for found in source.sentences()
            if ALL not in exceptions and first_line(found.text) not in exceptions
        ]
    assert not wrong, "\n".join(wrong)


def test_what_is_shown_is_translated(sources):
    wrong = [
        where(source, found.line, f"{found.text!r} is shown and not in _()")
        for source in sources
        for found in source.shown()
        if found.text not in allowed(NOT_READ, source)
    ]
    assert not wrong, "\n".join(wrong)


def test_translators_get_one_literal_with_named_fields(sources):
    wrong = []
    for source in sources:
        for call in source.calls:
            line = call.lineno
            if any(isinstance(above, ast.JoinedStr) for above in source.outer(call)):
                wrong.append(where(source, line, "_() inside an f-string is not found by Slicer's tools"))
            if len(call.args) != 1 or call.keywords or not isinstance(call.args[0], ast.Constant):
                wrong.append(where(source, line, "_() takes one literal, no f-string and nothing that varies"))
            elif unnamed := [name for name in fields(call.args[0].value) if not name.isidentifier()]:
                wrong.append(where(source, line, f"fields {unnamed} need names that translators can move"))
    assert not wrong, "\n".join(wrong)


def test_texts_are_asked_for_when_a_language_is_loaded(sources):
    functions = (ast.FunctionDef, ast.Lambda)
    wrong = [
        where(source, call.lineno, "_() at import")
        for source in sources
        for call in source.calls
        if not any(isinstance(above, functions) for above in source.outer(call))
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_else_is_called_by_the_name(sources):
    wrong = []
    for source in sources:
        for node in ast.walk(source.tree):
            stored = isinstance(node, ast.Name) and node.id == "_" and not isinstance(node.ctx, ast.Load)
            if source.calls and (stored or (isinstance(node, ast.arg) and node.arg == "_")):
                line = getattr(node, "lineno", 0)
                if not any(isinstance(above, ast.Lambda) for above in source.outer(node)):
                    wrong.append(where(source, line, "hides the translation"))
    assert not wrong, "\n".join(wrong)


def test_every_exception_is_needed():
    everything = sources()
    assert set(NOT_FOR_USERS) <= {source.name for source in everything}
    for table, kind in ((NO_SENTENCES, Source.sentences), (NOT_READ, Source.shown)):
        for name, texts in table.items():
            found = {first_line(f.text) for s in everything if s.path.name == name for f in kind(s)}
            assert found, f"{name} needs no exception"
            assert set(texts) - {ALL} <= found, name


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('raise SceneError("Choose.")', ["Choose."]),
        ('words = f"{name} is gone"\n    raise SceneError(words)', ["\0 is gone"]),
        ('raise SceneError(_("{what} is gone").format(what=name or "it"))', ["it"]),
        ('control.report(0.5, "Sending" if name else _("Waiting"))', ["Sending"]),
        ('ui.statusLabel.setText(_("Done") + " now")', [" now"]),
        ('ui.statusLabel.text = "Done"', ["Done"]),
        ('offer(ui.button, "", {"a": "Go"}[name])', ["Go"]),
        ('return "Done"', ["Done"]),
        ('raise BackendError(_("Gone."), "NotFoundError", 404)', []),
        ('raise SceneError(_("{name} is gone.").format(name=name))', []),
        ('raise SceneError(explain("code", name))', []),
    ],
)
def test_the_test_sees(tmp_path, line, found):
    path = tmp_path / "example.py"
    path.write_text(f"def example(name) -> str:\n    {line}\n", encoding="utf-8")
    assert [f.text for f in Source(path, {"SceneError", "BackendError"}).shown()] == found


def test_names_in_ui_files_are_not_for_translators():
    """Qt translates every text of a .ui file that is not marked, types of nodes and names of parameters too."""
    wrong = []
    for path in sorted((MODULE / "Resources" / "UI").glob("*.ui")):
        for entry in ElementTree.parse(path).iter("property"):
            texts = [child for child in entry if child.tag in ("string", "stringlist")]
            if entry.get("name") in ("SlicerParameterName", "nodeTypes", "hideChildNodeTypes"):
                wrong += [f"{path.name}: {entry.get('name')}" for text in texts if text.get("notr") != "true"]
    assert not wrong, wrong


def test_the_terminal_program_is_in_english_and_loads_nothing_of_slicer():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from UnifiedFocalSegLib.environment.space import words; print(words(2_500_000_000), 'slicer' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(MODULE)], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("2.5 GB False", "")


def test_without_translations_the_texts_stay_english():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import slicer\n"
        "from UnifiedFocalSegLib.environment.space import words; print(words(2_500_000_000))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(MODULE)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["2.5 GB"], done.stderr


def fields(text: str) -> list[str]:
    return [name for _text, name, _format, _conversion in string.Formatter().parse(text) if name is not None]
