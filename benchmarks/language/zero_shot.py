"""Labels from one-line descriptions: SNIPS (described once, nothing chosen on it) and CLINC150's validation part.

The descriptions of SNIPS were written once, from the names of the intents, before anything was run; those of CLINC150
are its intents' names with spaces. What 'none of these' costs was fitted on CLINC150's training part (`zero_shot_fit`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.language.intents import utterances
from benchmarks.language.row import DATA, Row, encoder_directory
from edgewright.language.embedding import Encoder, load
from edgewright.language.embedding.contract import Vectors
from edgewright.language.zero_shot.choice import labels_of, text_chooser
from edgewright.nlp.choice import Choice, Chooser
from edgewright.training.metrics import auroc_interval, wilson

FEW = 10
DESCRIPTIONS = {
    "AddToPlaylist": "somebody wants to add a song or an artist to a playlist",
    "BookRestaurant": "somebody wants to book a table at a restaurant",
    "GetWeather": "somebody asks about the weather",
    "PlayMusic": "somebody wants to listen to music",
    "RateBook": "somebody rates a book, giving it points or stars",
    "SearchCreativeWork": "somebody looks for a film, a book, a song, a game or another work by its title",
    "SearchScreeningEvent": "somebody asks when and where films are shown at the cinema",
}
SNIPS, CLINC = "SNIPS intents from descriptions", "CLINC150 val from the intents' names"
Numbers = NDArray[np.int64]


def rows() -> list[Row]:
    """Both sets; nothing without an encoder."""
    path = encoder_directory()
    if path is None:
        return [Row(SNIPS, "an encoder is absent", "-", "")]
    encoder = load(path)
    return [*_snips(encoder), *_clinc(encoder)]


def chooser_of(names: Sequence[str], encoder: Encoder) -> Chooser:
    """Of intents' names as they are, '_' as a space."""
    return text_chooser(labels_of({name: [name.replace("_", " ")] for name in names}, []), encoder)


def _snips(encoder: Encoder) -> list[Row]:
    given = utterances()
    names, truth = np.unique([one.intent for one in given], return_inverse=True)
    vectors = encoder.encode([one.text for one in given])
    whole = text_chooser(labels_of({str(n): [DESCRIPTIONS[str(n)]] for n in names}, []), encoder)
    kept, held_out = [], []
    for number, name in enumerate(names):
        # Each intent in turn is none of the others.
        without = {str(other): [DESCRIPTIONS[str(other)]] for other in names if other != name}
        held_out += text_chooser(labels_of(without, []), encoder).choose(vectors[truth == number])
    kept = whole.choose(vectors)
    return [
        _row(SNIPS, "descriptions, no labels", kept, held_out, names[truth]),
        _few(SNIPS, vectors, truth, vectors, truth),
    ]


def _clinc(encoder: Encoder) -> list[Row]:
    parts = clinc()
    names = sorted({intent for _, intent in parts["train"]})
    train, known, outside = (encoder.encode([text for text, _ in parts[p]]) for p in ("train", "val", "oos_val"))
    targets, truth = (np.searchsorted(names, [intent for _, intent in parts[p]]) for p in ("train", "val"))
    chooser = chooser_of(names, encoder)
    row = _row(CLINC, "150 names, no labels", chooser.choose(known), chooser.choose(outside), np.array(names)[truth])
    return [row, _few(CLINC, train, targets, known, truth)]


def clinc() -> dict[str, list[tuple[str, str]]]:
    """Return texts and intents by part."""
    text = (DATA / "clinc150" / "data_full.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, list[tuple[str, str]]])


def _row(task: str, model: str, known: list[Choice], outside: list[Choice], truth: NDArray[np.str_]) -> Row:
    nearest = np.array([one.nearest for one in known]) == truth
    kept, refused = ~np.array([one.none for one in known]), np.array([one.none for one in outside])
    sure = np.array([one.cosine - one.limit for one in known]), np.array([one.cosine - one.limit for one in outside])
    area = auroc_interval(*sure)
    values = np.array([one.confidence for one in known])
    right = np.where(kept, nearest, False)
    reached = (
        f"{share(nearest)} nearest; with 'none of these' {share(right)} right, {share(refused)} of others refused, "
        f"AUROC {area.value:.3f} ({area.low:.3f} to {area.high:.3f}); of labels said {share(nearest[kept])} right "
        f"where {100 * values[kept].mean():.0f} % were said"
    )
    return Row(task, model, reached, "")


def share(right: NDArray[np.bool_]) -> str:
    """Return a share with its 95 % interval."""
    interval = wilson(int(right.sum()), len(right))
    return f"{100 * right.mean():.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _few(task: str, vectors: Vectors, targets: Numbers, evaluated: Vectors, truth: Numbers) -> Row:
    """Ten labels a class, five draws, on the same vectors; where both are of one set, the drawn ones are not judged."""
    accuracies = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        picked = [random.choice(np.flatnonzero(targets == k), FEW, replace=False) for k in range(truth.max() + 1)]
        chosen = np.concatenate(picked)
        model = LogisticRegression(C=10, max_iter=300).fit(vectors[chosen], targets[chosen])
        others = np.setdiff1d(np.arange(len(truth)), chosen) if evaluated is vectors else np.arange(len(truth))
        accuracies.append(float(np.mean(model.predict(evaluated[others]) == truth[others])))
    reached = f"{100 * np.mean(accuracies):.1f} % (draws {100 * min(accuracies):.1f} to {100 * max(accuracies):.1f})"
    return Row(task, "ten labels a class, linear head", reached, "")


if __name__ == "__main__":
    for row in rows():
        print(row)
