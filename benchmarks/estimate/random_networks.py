"""Networks of random layers, which coefficients are fitted on and whose misses make error bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.estimate.draft import Draft
from benchmarks.estimate.subjects import Subject
from edgewright.core.errors import EdgewrightError

Rng = np.random.Generator
FORMS = ("int8", "float", "bytes", "int8", "float")
_WIDTHS = (3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48)
_ACTS = ("Relu", "Relu", "Clip", "")


def random_networks(count: int, seed: int) -> Iterator[Subject]:
    """So many networks, drawn by the seed: the families take turns."""
    families = (_plain, _separable, _residual, _series, _series_separable, _dense, _alone, _alone)
    yield from _turns(families, count, seed)


def odd_networks(count: int, seed: int) -> Iterator[Subject]:
    """Yield networks of many layers, of kernels and images that are long one way, and of several filters a channel."""
    yield from _turns((_deep, _narrow), count, seed)


def wide_networks(count: int, seed: int) -> Iterator[Subject]:
    """Yield networks that answer with many numbers, as those that repeat or foretell what they read."""
    yield from _turns((_wide,), count, seed)


def _turns(families: Sequence[Callable[[Rng, str], Draft]], count: int, seed: int) -> Iterator[Subject]:
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        family, form = families[number % len(families)], FORMS[int(rng.integers(len(FORMS)))]
        try:
            yield family(rng, f"{seed}.{number} {family.__name__.strip('_')} {form}").subject(form)
        except (EdgewrightError, ValueError, ZeroDivisionError):
            # Lengths that the kernels do not allow, or layers without a form: the next number draws others.
            continue


def _width(rng: Rng, max_width: int = 48) -> int:
    return int(rng.choice([width for width in _WIDTHS if width <= max_width]))


def _act(rng: Rng) -> str:
    return str(rng.choice(_ACTS))


def _image(rng: Rng, name: str) -> Draft:
    side = int(rng.integers(6, 25))
    shape = (int(rng.choice([1, 2, 3, 4])), side, side if rng.random() < 0.6 else int(rng.integers(6, 25)))
    return Draft(name, shape, int(rng.integers(2**31)))


def _signal(rng: Rng, name: str) -> Draft:
    return Draft(name, (int(rng.integers(1, 9)), int(rng.integers(24, 161))), int(rng.integers(2**31)))


def _end(rng: Rng, draft: Draft) -> Draft:
    """Return a pool or none, dense layers or none, and classes or numbers."""
    way = rng.random()
    if way < 0.5:
        draft.pool("GlobalAveragePool")
    elif way < 0.65:
        draft.pool("GlobalMaxPool")
    if rng.random() < 0.3:
        draft.dense(_width(rng), "Relu")
    way = rng.random()
    if way < 0.5:
        return draft.classes(int(rng.integers(2, 13)))
    return draft.dense(int(rng.choice([1, 1, 2, 3, 5, 8])), "")


def _layers(rng: Rng, draft: Draft, layer: Callable[[], object], max_layers: int) -> Draft:
    for _ in range(int(rng.integers(1, max_layers))):
        layer()
        if rng.random() < 0.3 and min(draft.shape[1:]) > 3:
            draft.pool(str(rng.choice(["MaxPool", "AveragePool"])), int(rng.choice([2, 2, 3])), int(rng.choice([0, 2])))
    return _end(rng, draft)


def _wide(rng: Rng, name: str) -> Draft:
    if rng.random() < 0.7:
        draft = Draft(name, (int(rng.integers(6, 121)),), int(rng.integers(2**31)))
    else:
        draft = _signal(rng, name)
        for _ in range(int(rng.integers(1, 3))):
            draft.conv(_width(rng, 16), int(rng.choice([3, 5])), 2, act=_act(rng))
    for _ in range(int(rng.integers(1, 4))):
        draft.dense(_width(rng), "Relu")
    return draft.dense(int(rng.integers(10, 161)), "")


def _plain(rng: Rng, name: str) -> Draft:
    draft = _image(rng, name)

    def layer() -> object:
        return draft.conv(_width(rng, 32), int(rng.choice([1, 3, 3, 5])), int(rng.choice([1, 1, 2])),
                          same=bool(rng.random() < 0.7), act=_act(rng))  # fmt: skip

    return _layers(rng, draft, layer, 4)


def _separable(rng: Rng, name: str) -> Draft:
    draft = _image(rng, name)
    draft.conv(_width(rng, 24), int(rng.choice([1, 3, 5])), int(rng.choice([1, 2])), act=_act(rng))

    def layer() -> object:
        return draft.separable(_width(rng), int(rng.choice([3, 3, 5])), int(rng.choice([1, 1, 2])), act=_act(rng))

    return _layers(rng, draft, layer, 5)


def _residual(rng: Rng, name: str) -> Draft:
    draft = _image(rng, name) if rng.random() < 0.6 else _signal(rng, name)
    draft.conv(_width(rng, 24), 3, int(rng.choice([1, 2])))

    def layer() -> object:
        before = draft.value
        draft.conv(draft.shape[0], 3).conv(draft.shape[0], int(rng.choice([1, 3])), act="")
        return draft.add(before, str(rng.choice(["Relu", ""])))

    return _layers(rng, draft, layer, 3)


def _series(rng: Rng, name: str) -> Draft:
    draft = _signal(rng, name)

    def layer() -> object:
        return draft.conv(_width(rng), int(rng.choice([1, 3, 5, 7, 9, 15])), int(rng.choice([1, 1, 2, 3])),
                          dilation=int(rng.choice([1, 1, 1, 2, 4])), same=bool(rng.random() < 0.6),
                          act=_act(rng))  # fmt: skip

    return _layers(rng, draft, layer, 5)


def _series_separable(rng: Rng, name: str) -> Draft:
    draft = _signal(rng, name)
    draft.conv(_width(rng, 24), int(rng.choice([3, 5, 9])), int(rng.choice([1, 2])), act=_act(rng))

    def layer() -> object:
        return draft.separable(_width(rng), int(rng.choice([3, 5, 9])), int(rng.choice([1, 1, 2])), act=_act(rng))

    return _layers(rng, draft, layer, 4)


def _dense(rng: Rng, name: str) -> Draft:
    draft = Draft(name, (int(rng.integers(3, 129)),), int(rng.integers(2**31)))
    for _ in range(int(rng.integers(0, 5))):
        draft.dense(int(rng.choice([2, 4, 6, 8, 12, 16, 24, 32, 64, 96])), str(rng.choice(["Relu", "Relu", "Sigmoid"])))
    if rng.random() < 0.5:
        return draft.classes(int(rng.integers(2, 13)))
    return draft.dense(int(rng.choice([1, 1, 2, 4, 16, 64])), "")


def _alone(rng: Rng, name: str) -> Draft:
    """One layer of any kind, and as little as can be after it."""
    draft = _image(rng, name) if rng.random() < 0.5 else _signal(rng, name)
    way, axes = int(rng.integers(5)), len(draft.shape) - 1
    kernel = int(rng.choice([1, 3, 5] if axes == 2 else [1, 3, 7, 11]))
    if way == 0:
        draft.conv(_width(rng), kernel, int(rng.choice([1, 2])), same=bool(rng.random() < 0.5), act=_act(rng))
    elif way == 1:
        draft.conv(_width(rng, 24), 1).depthwise(max(kernel, 3), int(rng.choice([1, 2])), act=_act(rng))
    elif way == 2:
        draft.conv(8, 3, groups=1).conv(16, kernel, groups=int(rng.choice([2, 4])), act=_act(rng))
    elif way == 3:
        draft.conv(_width(rng, 16), kernel)
        draft.pool(str(rng.choice(["MaxPool", "AveragePool"])), int(rng.choice([2, 3, 4])))
    else:
        draft.conv(_width(rng, 16), 1, 2)
    return draft.dense(int(rng.choice([1, 2, 4])), "")


def _deep(rng: Rng, name: str) -> Draft:
    """Many layers of few channels."""
    draft = _image(rng, name) if rng.random() < 0.6 else _signal(rng, name)
    draft.conv(_width(rng, 12), 3, 2)
    separable = rng.random() < 0.6
    for _ in range(int(rng.integers(5, 13))):
        stride = 2 if rng.random() < 0.15 and min(draft.shape[1:]) > 3 else 1
        if separable:
            draft.separable(_width(rng, 24), 3, stride, act=_act(rng))
        else:
            draft.conv(_width(rng, 12), 3, stride, act=_act(rng))
    return _end(rng, draft)


def _narrow(rng: Rng, name: str) -> Draft:
    """Kernels along one axis of an image, which may be narrow, and several filters a channel."""
    long, short = int(rng.integers(20, 81)), int(rng.choice([1, 1, 2, 4, 6, 8]))
    turned = rng.random() < 0.5
    draft = Draft(name, (int(rng.choice([1, 2, 8])), *((short, long) if turned else (long, short))),
                  int(rng.integers(2**31)))  # fmt: skip

    def along() -> tuple[int, int]:
        kernel = int(rng.choice([3, 5, 9, 15]))
        return (1, kernel) if turned else (kernel, 1)

    draft.conv(_width(rng, 12), along(), act=_act(rng))
    for _ in range(int(rng.integers(1, 4))):
        way = int(rng.integers(3))
        if way == 0:
            draft.depthwise(along(), act=_act(rng)).conv(_width(rng, 24), 1, act=_act(rng))
        elif way == 1:
            draft.conv(2 * draft.shape[0], along(), groups=draft.shape[0], act=_act(rng))
        else:
            draft.conv(_width(rng, 16), along(), int(rng.choice([1, 2])), act=_act(rng))
    if rng.random() < 0.4 and short > 1:
        draft.conv(2 * draft.shape[0], draft.shape[1:], groups=draft.shape[0], same=False, act="")
    if rng.random() < 0.5 and min(draft.shape[1:]) == 1:
        draft.pool(str(rng.choice(["MaxPool", "AveragePool"])), 1, 2)
    return _end(rng, draft)


def branched_networks(count: int, seed: int) -> Iterator[Subject]:
    """Return networks whose window and side values go through layers of their own, and are added."""
    return _turns((_branched,), count, seed)


def _branched(rng: Rng, name: str) -> Draft:
    """Return some channels through convolutions, the others through a dense layer, the sum of both through another."""
    draft = (
        _signal(rng, name) if rng.random() < 0.7 else Draft(name, (int(rng.integers(6, 41)),), int(rng.integers(99)))
    )
    whole, cut = draft.shape[0], int(rng.integers(1, max(2, draft.shape[0])))
    units = _width(rng, 24)
    start = draft.value, draft.shape
    if cut < whole:
        draft.part(0, cut)
    if len(draft.shape) > 1:
        draft.conv(_width(rng, 24), int(rng.choice([3, 5])), int(rng.choice([1, 2]))).pool("GlobalAveragePool")
    draft.dense(units, "")
    if cut < whole:
        first = draft.value
        draft.value, draft.shape = start
        draft.part(cut, whole).dense(units, "").add(first, "Relu")
    return _end_of_rows(rng, draft)


def _end_of_rows(rng: Rng, draft: Draft) -> Draft:
    return draft.classes(int(rng.integers(2, 9))) if rng.random() < 0.6 else draft.dense(int(rng.choice([1, 2])), "")
