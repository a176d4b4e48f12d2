"""Slicer without its application, for tests and scripts.

`boot` starts a real MRML scene with Slicer's real logics from the `slicer-core` wheel. The other modules stand in for
what that wheel lacks (Qt bindings, ctk and qMRML widgets, the scripted-module base classes), on PySide6, so that the
module file of the extension can be loaded and clicked. They prove wiring and logic; they do not prove PythonQt's
object ownership or the layout in the real application.
"""
