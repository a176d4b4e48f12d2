"""Segmentation of images with a trained model."""
