"""`edgewright denoise` and its commands, the files of `cli/denoise`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "denoise",
    help="Take noise off a signal: train a small int8 denoiser on clean signals and noise, run and score it.",
    epilog="Example: edgewright denoise train voices --noise pink --noise fan.wav --snr 0:20 --out voice.denoiser",
)
