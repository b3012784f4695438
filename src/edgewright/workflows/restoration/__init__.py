"""Training and evaluation of denoisers and upscalers."""
