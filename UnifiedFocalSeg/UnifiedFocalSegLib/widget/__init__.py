"""Parts of the module's panel: each connects some controls of the .ui file with the logic.

They use `qt` in the way that PythonQt and PySide share: properties are read as attributes and written with setters.
"""
