"""Losses as sums over voxels, computed from logits and class indices without ever storing a probability.

Every loss of the catalogue that is a function of a few sums per sample and class (count, false negatives, false
positives, focal sum) takes one pass over the logits forward and one pass backward. Between the two only the logits and
the target are kept, which the network and the data loader hold anyway; the extra memory is the gradient.
"""
