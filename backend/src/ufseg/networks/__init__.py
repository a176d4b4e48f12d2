"""Devices, network building and model folders."""
