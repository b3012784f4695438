"""A denoiser in C99: a step takes the samples of one frame and gives as many with less noise."""

from edgewright.export.c99_denoiser.source import DenoiserCode, write_denoiser_c99

__all__ = ("DenoiserCode", "write_denoiser_c99")
