"""Slice and 3D pictures of the MRML scene, rendered without a screen by Slicer's own displayable managers."""
