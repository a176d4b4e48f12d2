"""Parts of the UnifiedFocalSeg module of 3D Slicer.

Everything but the `widget` parts runs without Qt. Nothing here imports torch or the backend's package: the two
programs share only the HTTP interface.
"""
