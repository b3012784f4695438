"""Pictures as a source: folders, ZIPs and lists of labels in, pixels of one size out; one line for every bad file."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgewright.core.errors import (
    FileTooLargeError,
    FolderEmptyError,
    LabelsError,
    PictureError,
    TooFewClassesError,
)
from edgewright.core.input.pictures import pixels
from edgewright.data.load import guess, load_data
from edgewright.data.samples import cut, unit_of
from edgewright.pipeline.check import check_data
from picture_folder import shape_picture, write_pictures


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(width: int, height: int, colour: tuple[int, ...] = (200, 100, 50)) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def test_a_folder_for_each_label(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "shapes", each=3)
    (folder / "notes.txt").write_text("taken on Monday")
    (folder / "disc" / ".hidden.png").write_bytes(b"no picture")
    assert guess(str(folder)) == {"kind": "pictures", "path": str(folder)}
    data = load_data({"kind": "pictures", "path": str(folder), "height": 24, "width": 24}, seed=0)
    samples = cut(data, None)
    assert samples.X.shape == (6, 3, 24, 24)
    assert samples.X.dtype == np.float32
    assert unit_of(samples.X) == "picture"
    assert samples.y.tolist() == ["disc"] * 3 + ["square"] * 3
    assert samples.sessions[0] == "disc/000.png"
    first = shape_picture("disc", np.random.default_rng(0))
    np.testing.assert_array_equal(samples.X[0], first.transpose(2, 0, 1))


def test_labels_file_in_the_folder_labels_its_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "shelf"
    folder.mkdir()
    for i in range(4):
        plain(20, 20).save(folder / f"{i}.png")
    (folder / "labels.csv").write_text("file,label,group\n0.png,disc,a\n1.png,square,a\n2.png,disc,b\n3.png,square,b\n")
    assert guess(str(folder)) == {"kind": "pictures", "path": str(folder)}
    data = load_data({"kind": "pictures", "path": str(folder), "height": 16, "width": 16}, seed=0)
    samples = cut(data, None)
    assert samples.y.tolist() == ["disc", "square", "disc", "square"]
    assert samples.groups is not None
    assert samples.groups.tolist() == ["a", "a", "b", "b"]


def test_a_zip_is_read_as_the_folder_in_it(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "shapes", each=2)
    with zipfile.ZipFile(tmp_path / "shapes.zip", "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    path = str(tmp_path / "shapes.zip")
    assert guess(path)["kind"] == "pictures"
    zipped, unpacked = (load_data({"kind": "pictures", "path": p}, seed=0).recordings[0] for p in (path, str(folder)))
    np.testing.assert_array_equal(zipped.values, unpacked.values)
    assert list(zipped.target) == list(unpacked.target)


def test_plots_beside_recordings_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,label\n1,a\n2,b\n")
    (tmp_path / "plot.png").write_bytes(encoded(plain(9, 9)))
    assert guess(str(tmp_path))["kind"] == "csv"


def test_labels_and_people_from_a_list(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.png").write_bytes(encoded(plain(8, 8)))
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label,group\na.png,cat,shop 1\nb.png,dog,shop 2\nc.png,dog,shop 2\n")
    table: dict[str, object] = {"kind": "pictures", "path": str(tmp_path), "labels": str(labels)}
    recording = load_data(table, seed=0).recordings[0]
    assert recording.target.tolist() == ["cat", "dog", "dog"]
    assert recording.groups is not None
    assert recording.groups.tolist() == ["shop 1", "shop 2", "shop 2"]
    labels.write_text("file,label\na.png,cat\na.png,dog\n")
    with pytest.raises(LabelsError, match=r"one label of a\.png, got 'cat' and 'dog' - at labels\.csv line 3"):
        load_data(table, seed=0)
    labels.write_text("file,label\nz.png,cat\n")
    with pytest.raises(LabelsError, match=r"got no label - at .*labels\.csv\. Its files must be those below"):
        load_data(table, seed=0)


@pytest.mark.parametrize(("fit", "corner"), [("crop", (200, 100, 50)), ("stretch", (200, 100, 50)), ("pad", (0, 0, 0))])
def test_other_shapes_are_fitted(fit: str, corner: tuple[int, ...]) -> None:
    resized = pixels(encoded(plain(60, 20)), "wide.png", (16, 16), colour=True, fit=fit)  # type: ignore[arg-type]
    assert resized.shape == (3, 16, 16)
    assert tuple(resized[:, 0, 0].tolist()) == corner
    assert tuple(resized[:, 8, 8].tolist()) == (200, 100, 50)


def test_a_small_picture_is_scaled_up_and_grey_has_one_channel() -> None:
    resized = pixels(encoded(plain(2, 2)), "small.png", (8, 8), colour=False)
    assert resized.shape == (1, 8, 8)
    assert set(resized.ravel().tolist()) == {round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)}


def test_a_camera_that_was_held_sideways() -> None:
    upright = plain(16, 16)
    upright.paste((0, 0, 255), (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right when shown
    sideways = upright.rotate(90)
    resized = pixels(encoded(sideways, "PNG", exif=exif), "phone.png", (16, 16), colour=True)
    assert resized[2, 2, 8] == 255
    assert resized[0, 13, 8] == 200


def test_every_mode_becomes_bytes() -> None:
    transparent = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert pixels(encoded(transparent), "t.png", (8, 8), colour=True).min() == 255
    deep = Image.fromarray(np.full((8, 8), 32_768, np.uint16))
    assert set(pixels(encoded(deep), "d.png", (8, 8), colour=False).ravel().tolist()) == {127}
    for mode in ("1", "L", "LA", "P", "CMYK"):
        kind = "TIFF" if mode == "CMYK" else "PNG"
        assert pixels(encoded(plain(8, 8).convert(mode), kind), mode, (8, 8), colour=True).shape == (3, 8, 8)


def claimed(width: int, height: int) -> bytes:
    """Return a PNG of some bytes that claims a size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + chunk + end


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "a damaged file or another format"),
        (b"GIF8", "a damaged file or another format"),
        (encoded(plain(64, 64), "JPEG")[:200], "(?i)truncated"),
        (encoded(plain(64, 64))[:-30], "."),
        (claimed(200_000, 200_000), r"at most 80,000,000 pixels, got 40,000,000,000 - at"),
        (claimed(11_000, 11_000), r"at most 80,000,000 pixels, got 11000 x 11000 - at"),
        (claimed(0, 0), "."),
    ],
)
def test_a_damaged_or_hostile_file_is_one_line(content: bytes, got: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "bad.png").write_bytes(content)
    with pytest.raises(PictureError, match=got) as caught:
        load_data({"kind": "pictures", "path": str(tmp_path)}, seed=0)
    assert "a/bad.png" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_many_pictures_for_memory_are_refused_before_they_fill_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "shapes", each=3)
    monkeypatch.setattr("edgewright.data.sources.pictures._BYTES", 4 * 3 * 16 * 16 * 5)
    with pytest.raises(FileTooLargeError):
        load_data({"kind": "pictures", "path": str(folder), "height": 16, "width": 16}, seed=0)


@pytest.mark.slow
def test_a_check_of_many_pictures_holds_them_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.core.input.recordings._BYTES", 2**20)
    folder = write_pictures(tmp_path / "shapes", each=150)
    check_data(str(folder))  # imports and caches are no pictures
    tracemalloc.start()
    try:
        assert check_data(str(folder)).quality.rows == 300
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # As bytes until all are read, then as floats; what is computed of them meanwhile takes a part at a time.
    assert peak < 1.5 * 4 * 300 * 3 * 96 * 96


def test_an_empty_folder_and_one_label(tmp_path: Path) -> None:
    with pytest.raises(FolderEmptyError, match="at least one picture, got none"):
        load_data({"kind": "pictures", "path": str(tmp_path)}, seed=0)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_bytes(encoded(plain(8, 8)))
    with pytest.raises(TooFewClassesError, match="at least two different values in the target, got only 'cat'"):
        cut(load_data({"kind": "pictures", "path": str(tmp_path)}, seed=0), None)
