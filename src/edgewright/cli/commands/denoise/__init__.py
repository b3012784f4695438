"""Remove noise from signals: train, run and score a small int8 denoiser."""

EXAMPLE = "train voices --noise pink --noise fan.wav --snr 0:20 --out voice.denoiser"
