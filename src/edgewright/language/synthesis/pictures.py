"""Changed pictures: real ones that judge them, and files in a folder whose name marks them."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from edgewright.core.input.pictures import png
from edgewright.data.samples import cut
from edgewright.data.synthetic import marked, measured_only
from edgewright.language.synthesis.judgement import Measured
from edgewright.language.synthesis.learners import changed_pictures
from edgewright.schema.data import DataSet
from edgewright.schema.errors import InputError


def measured_pictures(data: DataSet) -> tuple[Measured, list[str]]:
    """Return real pictures with their groups, and their names; without groups each picture is one.

    Args:
        data: pictures with labels.

    Raises:
        InputError: other data than pictures.
    """
    samples, _ = measured_only(cut(data, None))
    if samples.X.ndim != 4:
        raise InputError("a folder of pictures", "other data", data.name)
    groups = samples.sessions if samples.groups is None else samples.groups
    x, y = np.asarray(samples.X, np.float32), np.asarray(samples.y, np.str_)
    by = "picture" if samples.groups is None else "group"
    return Measured(x, y, np.asarray(groups, np.str_), by), samples.sessions.tolist()


def write_pictures(
    real: Measured, names: Sequence[str], method: str, options: Mapping[str, object], copies: int, seed: int, out: Path
) -> int:
    """Write changed copies as OUT/synthetic/METHOD/NUMBER/NAME.png, and return how many.

    Where files differ in their endings alone, the copies keep those: NAME.jpg.png.

    Args:
        real: pictures, shape (n, channels, height, width).
        names: of their files, below the folder that was read.
        method: as of `changed_pictures`.
        options: of the method.
        copies: of each picture.
        seed: of all that is drawn.
        out: a new folder; it is there when all files are.
    """
    change = changed_pictures(method, options)
    rng = np.random.default_rng([seed, 1])
    targets = [PurePosixPath(name).with_suffix(".png") for name in names]
    same = Counter(targets)
    targets = [target if same[target] == 1 else PurePosixPath(f"{name}.png")
               for name, target in zip(names, targets, strict=True)]  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        for number in range(1, copies + 1):
            for target, picture in zip(targets, change(real.content, rng), strict=True):
                file = folder / marked(method, number, str(target))
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(png(picture))
        folder.chmod(0o755)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return copies * len(names)
