"""Scores, their summary, statistical tests and the gate that decides about promotion."""
