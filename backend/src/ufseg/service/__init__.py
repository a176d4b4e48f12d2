"""The HTTP service on loopback that 3D Slicer and scripts talk to."""
