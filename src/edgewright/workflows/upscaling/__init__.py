"""Upscaling of signals and pictures: low and high pairs, training, and evaluation on what was held out."""
