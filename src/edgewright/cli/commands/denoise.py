"""`edgewright denoise` and its commands, the files of `cli/denoise`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "denoise",
    help="Remove noise from signals: train, run and score a small int8 denoiser.",
    epilog="Example: edgewright denoise train voices --noise pink --noise fan.wav --snr 0:20 --out voice.denoiser",
)
