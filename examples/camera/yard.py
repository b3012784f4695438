"""A composed yard before a still camera, whose truth is known: drawn people, other movers, weather, noise, day, night.

A picture is a function of scene and number alone. Each pixel is composed by itself, so every second pixel of a picture
costs a quarter of it and is the same as in the whole picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

HEIGHT, WIDTH = 240, 320
HORIZON = 96
Bytes = NDArray[np.uint8]
Shorts = NDArray[np.int16]
Numbers = NDArray[np.int32]
Objects = Literal["shown", "left out"]
"""Which objects a scene has: clothes and movers that training may see, or those that only judge."""

CLOTHES = {"shown": ("trousers", "shorts", "jacket"), "left out": ("coat", "dress", "umbrella")}
# Movers an hour by day and by night; 'shown' and 'left out' have one of each kind.
MOVERS = {
    "shown": {"car": (10, 3), "cat": (2, 3), "leaf": (5, 5), "bird": (4, 0), "headlights": (0, 6)},
    "left out": {"van": (10, 3), "dog": (2, 3), "bag": (5, 5), "insect": (0, 8), "torch": (0, 6)},
}
PEOPLE = (6, 2)
_PHASES, _FINE = 8, 2
_WINDY, _BEAMS = ("leaf", "bag"), ("headlights", "torch")
_SKIN = ((224, 172, 140), (198, 134, 98), (141, 85, 54), (92, 58, 40), (240, 200, 175))
# Heights of a person's length that a mover has, and its widths.
_SIZES = {"car": (0.85, 2.5), "van": (1.25, 3.0), "cat": (0.22, 0.4), "dog": (0.42, 0.62), "leaf": (0.12, 0.12),
          "bag": (0.2, 0.2), "bird": (0.16, 0.34), "insect": (0.5, 0.5)}  # fmt: skip
# Lengths a second.
_PACES = {"car": 3.0, "van": 2.6, "cat": 0.7, "dog": 1.0, "leaf": 0.9, "bag": 0.8, "bird": 2.5, "insect": 1.5}


class Sprite(NamedTuple):
    """Colours, shape (3, height, width), and how much of the picture behind they cover, 0 to 128."""

    colours: Numbers
    cover: Numbers


class Box(NamedTuple):
    """A person in pixels of the whole picture: left, top, right and bottom, where the feet are."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Mover:
    """Something that goes from one spot to another.

    Attributes:
        kind: 'person' or a key of `MOVERS`.
        clothes: of a person.
        seed: of its looks.
        start, end: seconds of the scene.
        points: where its lowest point is at the start and at the end, in pixels.
        waits: share of the way at which it stands still for a third of the time; 0 for nowhere.
    """

    kind: str
    clothes: str
    seed: int
    start: float
    end: float
    points: tuple[tuple[float, float], tuple[float, float]]
    waits: float = 0.0
    sprites: dict[tuple[int, int], Sprite] = field(default_factory=dict, compare=False, repr=False)

    def spot(self, time: float) -> tuple[float, float]:
        """Return its lowest point at a moment."""
        share = (time - self.start) / (self.end - self.start)
        if self.waits:
            share = min(share * 1.5, self.waits) if share * 1.5 < self.waits + 0.5 else share * 1.5 - 0.5
        (x, y), (to_x, to_y) = self.points
        return x + (to_x - x) * share, y + (to_y - y) * share

    def box(self, time: float) -> Box:
        """Return the box of a person at a moment."""
        x, y = self.spot(time)
        length = length_at(y)
        return Box(x - 0.2 * length, y - length, x + 0.2 * length, y)


def length_at(y: float) -> float:
    """Return the pixels of a person's length whose feet are at this row."""
    return 34.0 + 0.5 * (y - HORIZON)


class Light(NamedTuple):
    """Of a moment: daylight and lamps in 256ths, and the noise of the sensor in 16ths of a level."""

    day: int
    lamp: int
    noise: int


class Scene:
    """A part of a day before one camera.

    Args:
        seed: of weather, movers and noise.
        camera: seed of what stands still.
        objects: which clothes and movers it has.
        hour: of the day at which it begins.
        seconds: that it lasts.
        rate: pictures a second.
        busy: how many times as many movers as usual.
        crowd: how many times as many people among them.
    """

    def __init__(
        self,
        seed: int,
        camera: int,
        objects: Objects,
        *,
        hour: float,
        seconds: float,
        rate: float,
        busy: float = 1.0,
        crowd: float = 1.0,
    ) -> None:
        draw = np.random.default_rng([seed, 71])
        self.rate, self.seconds, self.hour, self._seed = rate, seconds, hour, seed
        self.weather = str(draw.choice(["clear", "clouds", "rain", "wind"]))
        self._still = _background(camera)
        self._lamp = _lamp(camera)
        bank = np.random.default_rng([camera, 72])
        self._views: dict[tuple[str, int], Numbers] = {}
        self._last: tuple[object, Numbers, Numbers] | None = None
        self._noise: Shorts = np.clip(bank.normal(0, 16, (2 * HEIGHT, 2 * WIDTH)), -64, 64).astype(np.int16)
        self._rain = _streaks(bank) if self.weather == "rain" else None
        self._clouds = _clouds(bank) if self.weather in ("clouds", "wind") else None
        day = 7 <= hour % 24 < 20
        self.movers = self._movers("person", PEOPLE[not day] * busy * crowd, objects, draw)
        for kind, hourly in MOVERS[objects].items():
            calm = 0.2 if kind in _WINDY and self.weather != "wind" else 1.0
            self.movers += self._movers(kind, hourly[not day] * busy * calm, objects, draw)

    def __len__(self) -> int:
        return int(self.seconds * self.rate)

    def people(self, number: int) -> list[Mover]:
        """Return who is there in a picture."""
        time = number / self.rate
        return [mover for mover in self.movers if mover.kind == "person" and mover.start <= time <= mover.end]

    def light(self, time: float) -> Light:
        """Return the light of a moment: the sun, and a lamp that turns on at dusk."""
        sun = math.sin((((self.hour + time / 3600) % 24) - 6.5) / 13.5 * math.pi)
        # By night the camera exposes longer, which lifts the darkness and the noise.
        day = int(256 * min(1.0, max(0.28, 1.6 * sun)) * (0.8 if self.weather == "rain" else 1.0))
        if self.weather in ("clouds", "wind"):
            day = int(day * (0.9 + 0.1 * math.sin(time / 37 + self._seed)))
        return Light(day, 128 if sun < 0.12 else 0, 28 + 64 * (256 - day) // 256)

    def picture(self, number: int, step: int = 1, channels: slice = slice(None)) -> Bytes:
        """Return a picture, or every `step`-th pixel of it.

        Args:
            number: of the picture, from 0.
            step: 1 or 2.
            channels: of red, green and blue.

        Returns:
            Shape (channels, HEIGHT / step, WIDTH / step).
        """
        time = number / self.rate
        light = self.light(time)
        draw = np.random.default_rng([self._seed, number])
        beams = [mover for mover in self.movers if mover.kind in _BEAMS and mover.start <= time <= mover.end]
        gain, canvas = self._lit(light, step, channels)
        if beams or self._clouds is not None:
            gain = gain.copy()
            if self._clouds is not None:
                at = int(time * 6) % (WIDTH // 2) * 2 // step
                gain -= gain * self._view("_clouds", step)[:, at : at + WIDTH // step] >> 9
            for mover in beams:
                _beam(gain, mover, time, step)
            canvas = self._view("_still", step)[channels] * gain >> 8
        else:
            canvas = canvas.copy()
        if self.weather == "wind":
            self._sway(canvas, gain, time, step, channels)
        for mover in self.movers:
            if mover.start <= time <= mover.end and mover.kind not in _BEAMS:
                self._paste(canvas, gain, mover, time, step, channels)
        spots = 2 // step * draw.integers(0, (HEIGHT // 2, WIDTH // 2), (4, 2))
        high, wide = canvas.shape[1:]
        if self._rain is not None:
            down, right = spots[3]
            canvas += self._view("_rain", step)[down : down + high, right : right + wide]
        for plane, channel in zip(canvas, range(*channels.indices(3)), strict=True):
            down, right = spots[channel]
            plane += self._view("_noise", step)[down : down + high, right : right + wide] * np.int16(light.noise) >> 8
        return np.clip(canvas, 0, 255).astype(np.uint8)

    def _view(self, name: str, step: int) -> Numbers:
        """Return every `step`-th pixel of what the scene holds, in one piece of memory."""
        if (name, step) not in self._views:
            self._views[name, step] = np.ascontiguousarray(getattr(self, name)[..., ::step, ::step])
        return self._views[name, step]

    def _lit(self, light: Light, step: int, channels: slice) -> tuple[Numbers, Numbers]:
        """Return how bright each pixel is lit, in 256ths, and what stands still in this light."""
        key = light, step, str(channels)
        if self._last is None or self._last[0] != key:
            gain = (self._view("_lamp", step) * light.lamp >> 7) + light.day
            self._last = key, gain, self._view("_still", step)[channels] * gain >> 8
        return self._last[1:]

    def _movers(self, kind: str, hourly: float, objects: Objects, draw: np.random.Generator) -> list[Mover]:
        movers = []
        for _ in range(int(draw.poisson(hourly * self.seconds / 3600))):
            clothes = str(draw.choice(CLOTHES[objects])) if kind == "person" else ""
            y, to_y = draw.uniform(HORIZON + 18, HEIGHT - 8, 2)
            if kind in ("car", "van"):
                y = to_y = HORIZON + 14
            elif kind in ("bird", "insect"):
                y, to_y = draw.uniform(30, HEIGHT - 30, 2)
            elif kind in _WINDY:
                to_y = min(HEIGHT - 4.0, max(HORIZON + 10.0, y + draw.uniform(-30, 30)))
            length = length_at((y + to_y) / 2)
            out = max(20.0, _SIZES.get(kind, (1, 0.6))[1] * length_at(max(y, to_y)))
            ends = (-out, WIDTH + out) if draw.random() < 0.5 else (WIDTH + out, -out)
            pace = _PACES.get(kind, draw.choice([0.7, 0.8, 0.9, 1.8]) if kind == "person" else 1.2)
            lasts = abs(ends[1] - ends[0]) / (pace * length)
            waits = float(draw.uniform(0.3, 0.7)) if kind == "person" and draw.random() < 0.25 else 0.0
            start = float(draw.uniform(5, max(6, self.seconds - lasts - 5)))
            movers.append(
                Mover(kind, clothes, int(draw.integers(1 << 31)), start, start + lasts * (1.5 if waits else 1.0),
                      ((ends[0], y), (ends[1], to_y)), waits)
            )  # fmt: skip
        return movers

    def _sway(self, canvas: Numbers, gain: Numbers, time: float, step: int, channels: slice) -> None:
        shift = 2 * round(1.5 * math.sin(2.1 * time) + 0.8 * math.sin(3.7 * time))
        top, bottom, left, right = (edge // step for edge in (16, HORIZON - 8, 232, 296))
        leaves = self._view("_still", step)[channels, top:bottom, left + shift // step : right + shift // step]
        canvas[:, top:bottom, left:right] = leaves * gain[top:bottom, left:right] >> 8

    def _paste(self, canvas: Numbers, gain: Numbers, mover: Mover, time: float, step: int, channels: slice) -> None:
        x, y = mover.spot(time)
        sprite = sprite_of(mover, y, time)
        high, wide = sprite.cover.shape
        left, top = round(x - wide / 2), round(y) - high
        first = (max(0, top) + step - 1) // step * step, (max(0, left) + step - 1) // step * step
        rows = slice(first[0] - top, max(first[0] - top, min(high, HEIGHT - top)), step)
        columns = slice(first[1] - left, max(first[1] - left, min(wide, WIDTH - left)), step)
        cover = sprite.cover[rows, columns]
        if not cover.size:
            return
        down, right = first[0] // step, first[1] // step
        spot = slice(down, down + cover.shape[0]), slice(right, right + cover.shape[1])
        behind = canvas[:, *spot]
        lit = 256 if mover.kind == "insect" else gain[spot]
        behind += ((sprite.colours[channels, rows, columns] * lit >> 8) - behind) * cover >> 7


def sprite_of(mover: Mover, y: float, time: float) -> Sprite:
    """Return how a mover looks at a moment, in the size of its row, to 4 pixels."""
    length = max(16, 4 * round(length_at(y) / 4))
    phase = int((time - mover.start) * 1.9 * _PHASES) % _PHASES
    known = mover.sprites.get((length, phase))
    if known is None:
        known = mover.sprites[length, phase] = _sprite(mover, length, phase / _PHASES)
    return known


def _sprite(mover: Mover, length: int, phase: float) -> Sprite:
    draw = np.random.default_rng(mover.seed)
    person = mover.kind == "person"
    tall, wide = (1.22, 1.0) if person else _SIZES[mover.kind]
    # A shadow lies below the feet.
    size = max(4, round(wide * length)), max(4, round(tall * length))
    image = Image.new("RGBA", (size[0] * _FINE, size[1] * _FINE))
    pen = ImageDraw.Draw(image)
    scale = length * _FINE
    if person:
        _person(pen, mover, scale, phase, draw)
    else:
        _other(pen, mover, image.width, image.height, phase, draw)
    if mover.kind == "insect":
        image = image.filter(ImageFilter.GaussianBlur(scale / 14))
    small = np.asarray(image.resize(size, Image.Resampling.BOX), np.int32)
    colours = small[..., :3].transpose(2, 0, 1).copy()
    # Folds and patterns: no clothes have one colour.
    colours += np.kron(draw.normal(0, 9, (-(-size[1] // 3), -(-size[0] // 3))), np.ones((3, 3))).astype(np.int32)[
        : size[1], : size[0]
    ]
    return Sprite(np.clip(colours, 0, 255), small[..., 3] * 128 // 255)


def _person(pen: ImageDraw.ImageDraw, mover: Mover, scale: float, phase: float, draw: np.random.Generator) -> None:
    """Draw a walking person: limbs that swing, a torso, a head with hair, and what the clothes add."""
    (x, _), (to_x, _) = mover.points
    way = 1.0 if to_x > x else -1.0
    skin = _SKIN[int(draw.integers(len(_SKIN)))]
    top, bottom, hair, shoe = (tuple(draw.integers(15, 235, 3).tolist()) for _ in range(4))
    stout = draw.uniform(0.8, 1.25)
    feet, middle = 1.2 * scale, 0.5 * scale

    def spot(right: float, up: float) -> tuple[float, float]:
        return middle + way * right * scale, feet - up * scale

    def limb(points: list[tuple[float, float]], colour: tuple[int, ...], thick: float) -> None:
        pen.line(points, colour, max(1, round(thick * scale)), joint="curve")
        for across, down in points:
            radius = thick * scale / 2
            pen.ellipse((across - radius, down - radius, across + radius, down + radius), colour)

    swing = math.sin(2 * math.pi * phase)
    long, wide = mover.clothes in ("coat", "dress"), 0.075 * stout
    for side in (-1, 1):
        reach = 0.17 * swing * side
        knee, foot = spot(reach * 0.55 + 0.03, 0.27), spot(reach, 0.03 + 0.05 * max(0.0, -swing * side))
        hip = spot(0.0, 0.5)
        bare = mover.clothes in ("shorts", "dress")
        limb([hip, knee], bottom if mover.clothes != "dress" else skin, wide)
        limb([knee, foot], skin if bare else bottom, wide * 0.8)
        limb([foot, (foot[0] + way * 0.06 * scale, foot[1])], shoe, 0.045)
    if long:
        flare = 0.17 * stout + 0.03 * abs(swing)
        hem = 0.22 if mover.clothes == "coat" else 0.32
        pen.polygon([spot(-0.1 * stout, 0.8), spot(0.1 * stout, 0.8), spot(flare, hem), spot(-flare, hem)], top)
    else:
        limb([spot(0, 0.52), spot(0, 0.76)], top, 0.2 * stout)
    if mover.clothes == "jacket":
        limb([spot(-0.13, 0.6), spot(-0.13, 0.74)], bottom, 0.12)
    raised = mover.clothes == "umbrella"
    for side in (-1, 1):
        reach = -0.13 * swing * side
        elbow, hand = spot(reach * 0.6, 0.62), spot(reach + 0.05, 0.48)
        if raised and side == 1:
            elbow, hand = spot(0.1, 0.66), spot(0.13, 0.8)
        limb([spot(0, 0.8), elbow], top, 0.065)
        limb([elbow, hand], skin if mover.clothes in ("shorts", "dress") else top, 0.05)
    limb([spot(0.01, 0.83), spot(0.01, 0.88)], skin, 0.06)
    head = (*spot(-0.06 * way + 0.01, 1.0), *spot(0.06 * way + 0.01, 0.86))
    pen.ellipse(head, skin)
    pen.pieslice(head, 180, 360, hair)
    if raised:
        pen.line([spot(0.13, 0.8), spot(0.13, 1.12)], shoe, max(1, round(0.02 * scale)))
        left, right = sorted((spot(-0.2, 0)[0], spot(0.42, 0)[0]))
        pen.pieslice((left, spot(0, 1.19)[1], right, spot(0, 0.86)[1]), 180, 360, bottom)


def _other(
    pen: ImageDraw.ImageDraw, mover: Mover, wide: int, high: int, phase: float, draw: np.random.Generator
) -> None:
    """Draw what is no person, over the whole picture."""
    colour, second = (tuple(draw.integers(20, 235, 3).tolist()) for _ in range(2))
    if mover.kind in ("car", "van"):
        roof = 0.25 if mover.kind == "car" else 0.05
        pen.rounded_rectangle(
            (0, high * (0.45 if mover.kind == "car" else 0.08), wide - 1, high * 0.85), high // 8, colour
        )
        if mover.kind == "car":
            pen.polygon(
                [(wide * roof, 0), (wide * 0.7, 0), (wide * 0.85, high * 0.5), (wide * 0.12, high * 0.5)], colour
            )
        pen.rectangle((wide * 0.3, high * 0.12, wide * 0.66, high * 0.42), (40, 55, 70))
        for across in (0.2, 0.78):
            pen.ellipse((wide * across - high * 0.2, high * 0.6, wide * across + high * 0.2, high - 1), (20, 20, 22))
    elif mover.kind in ("cat", "dog"):
        swing = math.sin(2 * math.pi * phase)
        pen.ellipse((wide * 0.12, high * 0.25, wide * 0.8, high * 0.68), colour)
        pen.ellipse((wide * 0.68, high * 0.02, wide * 0.98, high * 0.42), colour)
        pen.line([(wide * 0.15, high * 0.4), (0, high * 0.1)], colour, max(1, wide // 14))
        for number, across in enumerate((0.22, 0.34, 0.62, 0.74)):
            reach = 0.08 * swing * (-1) ** number
            pen.line([(wide * across, high * 0.55), (wide * (across + reach), high - 1)], colour, max(1, wide // 10))
    elif mover.kind == "bird":
        lift = 0.5 + 0.5 * math.sin(2 * math.pi * phase)
        pen.line([(0, high * lift), (wide / 2, high / 2), (wide, high * lift)], colour, max(1, high // 5))
    elif mover.kind == "insect":
        pen.ellipse((wide * 0.2, high * 0.3, wide * 0.8, high * 0.7), (235, 235, 225, 170))
    else:
        turn = 2 * math.pi * (phase + draw.random())
        spots = [(wide * (0.5 + 0.48 * math.cos(turn + n) * r), high * (0.5 + 0.48 * math.sin(turn + n) * r))
                 for n, r in zip((0.0, 1.3, 2.4, 3.3, 4.6, 5.4), draw.uniform(0.5, 1.0, 6), strict=True)]  # fmt: skip
        pen.polygon(spots, colour if mover.kind == "leaf" else (225, 225, 220), second)


def _beam(gain: Numbers, mover: Mover, time: float, step: int) -> None:
    """Brighten an ellipse on the ground that a lamp lights as it goes by."""
    x, y = mover.spot(time)
    across, down = (90, 26) if mover.kind == "headlights" else (34, 22)
    rows, columns = np.arange(0, HEIGHT, step), np.arange(0, WIDTH, step)
    near = 256 - (256 * ((columns - int(x)) ** 2 * down**2 + ((rows - int(y)) ** 2 * across**2)[:, None])
                  // (across**2 * down**2))  # fmt: skip
    gain += np.maximum(near, 0).astype(np.int32) * 3 >> 2


def _background(camera: int) -> Numbers:
    """Return a yard: sky, a house with windows, a tree, a street, a pavement and ground, shape (3, HEIGHT, WIDTH)."""
    draw = np.random.default_rng([camera, 73])
    image = Image.new("RGB", (WIDTH, HEIGHT))
    pen = ImageDraw.Draw(image)
    tone = [tuple((draw.integers(70, 190) + draw.integers(-25, 25, 3)).tolist()) for _ in range(6)]
    pen.rectangle((0, 0, WIDTH, HORIZON), (150, 175, 205))
    left, right = int(draw.integers(10, 60)), int(draw.integers(150, 220))
    pen.rectangle((left, int(draw.integers(5, 35)), right, HORIZON), tone[0])
    for across in range(left + 12, right - 18, 32):
        pen.rectangle((across, 45, across + 16, 68), (55, 65, 80))
    pen.rectangle((240, 0, 288, HORIZON), (70, 85, 60))
    for _ in range(90):
        x, y = int(draw.integers(228, 300)), int(draw.integers(8, HORIZON - 8))
        pen.ellipse((x - 7, y - 5, x + 7, y + 5), (40 + int(draw.integers(50)), 80 + int(draw.integers(60)), 45))
    pen.rectangle((0, HORIZON, WIDTH, HORIZON + 16), (88, 88, 92))
    pen.rectangle((0, HORIZON + 16, WIDTH, HORIZON + 24), (165, 162, 155))
    pen.rectangle((0, HORIZON + 24, WIDTH, HEIGHT), tone[1])
    for across in range(0, WIDTH, 40):
        pen.line((across, HORIZON + 24, 2 * across - 160, HEIGHT), tone[2], 1)
    texture = draw.normal(0, 7, (3, HEIGHT, WIDTH)) + np.kron(draw.normal(0, 5, (3, 30, 40)), np.ones((8, 8)))
    return np.clip(np.asarray(image, np.int32).transpose(2, 0, 1) + texture, 0, 255).astype(np.int32)


def _lamp(camera: int) -> Numbers:
    """Return the light of a street lamp, 0 to 160, shape (HEIGHT, WIDTH)."""
    x, y = np.random.default_rng([camera, 74]).integers((60, 130), (260, 200))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.asarray(160 * np.exp(-(((columns - x) / 130) ** 2) - ((rows - y) / 75) ** 2), np.int32)


def _streaks(draw: np.random.Generator) -> Shorts:
    """Return streaks of rain, twice as high and wide as a picture."""
    image = Image.new("L", (2 * WIDTH, 2 * HEIGHT))
    pen = ImageDraw.Draw(image)
    for x, y in draw.integers(0, (2 * WIDTH, 2 * HEIGHT), (700, 2)):
        pen.line((int(x), int(y), int(x) - 2, int(y) + int(draw.integers(6, 16))), int(draw.integers(15, 60)))
    return np.asarray(image, np.int16)


def _clouds(draw: np.random.Generator) -> Numbers:
    """Return shadows of clouds, 0 to 255, which pass once within a picture's width of pixels."""
    coarse = Image.fromarray(draw.integers(0, 256, (5, 6), dtype=np.uint8))
    shadow = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.int32)
    return np.concatenate([shadow, shadow[:, ::-1], shadow], axis=1)
