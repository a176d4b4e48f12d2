"""Losses compared: trained under the same plan, seeds and budget, and scored on the same cases."""
