"""Preparation of cases, patch sampling, augmentation and the time-budgeted training loop."""
