"""Pictures as pixels of one size."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import LateModule
from edgewright.core.errors import InputError, PictureError, SampleShapeError, error_line
from edgewright.core.records.data import Floats
from edgewright.core.records.package import Manifest

if TYPE_CHECKING:
    import PIL
    from PIL import ExifTags, Image, ImageOps
else:
    PIL, ExifTags, Image, ImageOps = map(LateModule, ("PIL", "PIL.ExifTags", "PIL.Image", "PIL.ImageOps"))

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# A larger one is a mistake or a trap: a file of some kilobytes can claim any size.
PIXELS = 80_000_000
# Orientations of a camera that lies on its side: rows are columns.
_TURNED = (5, 6, 7, 8)
Fit = Literal["crop", "stretch", "pad"]
_DO = "Replace or remove it"
T = TypeVar("T")


def opened(content: bytes, name: str, use: Callable[[Image.Image], T], kind: str = "picture") -> T:
    """Return what `use` makes of a picture.

    Args:
        content: of the file.
        name: name of the file, for messages.
        use: takes the picture; what it raises of a damaged file becomes one line.
        kind: what the file is called, for messages.

    Raises:
        InputError: it cannot be read as a picture, or is too large.
    """
    limit = f"a {kind} of at most {PIXELS:,} pixels"
    try:
        with warnings.catch_warnings():
            # Pillow only warns of sizes that are refused below, and raises from twice that on.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content))
        with image as picture:
            if picture.width * picture.height > PIXELS:
                raise PictureError(limit, f"{picture.width} x {picture.height}", name, _DO)
            return use(picture)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        size = re.search(r"\d+", str(error))
        raise PictureError(limit, f"{int(size[0]):,}" if size else "more", name, _DO) from None
    except (OSError, ValueError, SyntaxError, EOFError, ArithmeticError, MemoryError) as error:
        why = error_line(error, 120)
        if isinstance(error, PIL.UnidentifiedImageError):
            why = "a damaged file or another format"
        raise PictureError(f"a {kind} that can be read", why, name, _DO) from None


def pixels(content: bytes, name: str, size: tuple[int, int], *, colour: bool, fit: Fit = "crop") -> NDArray[np.uint8]:
    """Return a picture as bytes, shape (channels, height, width); arguments as of `measured_pixels`."""
    return measured_pixels(content, name, size, colour=colour, fit=fit)[0]


def measured_pixels(
    content: bytes, name: str, size: tuple[int, int], *, colour: bool, fit: Fit = "crop"
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return a picture as bytes, upright as its camera says, and the size it had.

    Args:
        content: of the file.
        name: name of the file, for messages.
        size: height and width.
        colour: red, green and blue, or grey.
        fit: 'crop' takes the middle of the same shape, 'stretch' all of it, 'pad' all of it between black edges.

    Returns:
        Shape (channels, height, width), and width and height before it was resized.

    Raises:
        InputError: as `opened`.
    """
    height, width = size

    def sized(picture: Image.Image) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        before = _upright_size(picture)
        if picture.format == "JPEG":
            # Decodes at a half, a quarter or an eighth of the size where that is still larger than what is asked for.
            picture.draft(None, (2 * width, 2 * height))
        upright = ImageOps.exif_transpose(picture)
        # What is transparent shows white, as in most viewers.
        if "transparency" in upright.info or upright.mode in ("LA", "RGBA", "PA"):
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
        return _sized(_eight_bits(upright).convert("RGB" if colour else "L"), size, fit), before

    return opened(content, name, sized)


def size_of(content: bytes, name: str) -> tuple[int, int]:
    """Return width and height of a picture, upright as its camera says, without decoding it.

    Raises:
        InputError: as `opened`.
    """
    return opened(content, name, _upright_size)


def _upright_size(picture: Image.Image) -> tuple[int, int]:
    lying = picture.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
    return (picture.height, picture.width) if lying else (picture.width, picture.height)


def resized(picture: NDArray[np.uint8], size: tuple[int, int], fit: Fit) -> NDArray[np.uint8]:
    """Return a picture of another size, as `pixels` does.

    Args:
        picture: shape (channels, height, width), one channel or three.
        size: height and width.
        fit: as that of `pixels`.
    """
    array = picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
    return _sized(Image.fromarray(array), size, fit)


def png(picture: Floats, draw: Callable[[Image.Image], Image.Image] = lambda image: image) -> bytes:
    """Return a picture as a PNG file.

    Args:
        picture: shape (1 or 3, height, width), 0 to 255; what is no number is black.
        draw: changes the picture before it is written.
    """
    values = np.clip(np.nan_to_num(picture), 0, 255).astype(np.uint8)
    image = Image.fromarray(values[0] if len(values) == 1 else np.ascontiguousarray(values.transpose(1, 2, 0)))
    stream = io.BytesIO()
    draw(image).save(stream, "PNG")
    return stream.getvalue()


def takes_pictures(manifest: Manifest) -> bool:
    """Return whether a sample of the package is a picture."""
    return len(manifest.shape) == 3 and len(manifest.columns) in (1, 3)


def fit_of(manifest: Manifest) -> Fit:
    """Return how a picture of another size becomes one of the package's."""
    return cast(Fit, manifest.picture.fit if manifest.picture is not msgspec.UNSET else "crop")


def fitting(pictures: Floats, manifest: Manifest) -> Floats:
    """Return pictures in the size of a package.

    Args:
        pictures: shape (n, channels, height, width), 0 to 255.
        manifest: of the package.

    Raises:
        InputError: no pictures.
    """
    if pictures.ndim != 4:
        raise SampleShapeError(
            "pictures", f"rows of {pictures.shape[1]} values", manifest.name, "Use --source camera:PATH"
        )
    height, width = manifest.shape[1:]
    resized_pictures = [resized(picture.astype(np.uint8), (height, width), fit_of(manifest)) for picture in pictures]
    return np.stack(resized_pictures).astype(np.float32)


def _sized(picture: Image.Image, size: tuple[int, int], fit: Fit) -> NDArray[np.uint8]:
    height, width = size
    if fit == "crop":
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    elif fit == "pad":
        picture = ImageOps.pad(picture, (width, height), Image.Resampling.BILINEAR)
    else:
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(picture, np.uint8)
    return np.ascontiguousarray(array.transpose(2, 0, 1) if array.ndim == 3 else array[None])


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of 16 or 32 bits a pixel as one of 8; Pillow itself would cut off what is above 255."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture, np.float64)
    top = 65_535.0 if values.max(initial=0.0) > 255.0 else 255.0
    return Image.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8))
