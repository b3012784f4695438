"""Parts of the training samples that stay whole when there is less of them: people, days, stretches of time, rows."""

from __future__ import annotations

import numpy as np

from edgewright.search.problem import Indices, Problem

# With fewer units a share of them is a matter of which; each is cut into stretches of time of its own then.
FEWEST = 8
WANTED = 96


def pieces_of(problem: Problem, train: Indices) -> list[Indices]:
    """The training samples in pieces; of rows there is one piece, from which any may be drawn.

    A person or a day stays whole where there are enough of them. Else each is cut into stretches that follow each other
    in time: less data then means shorter recordings.
    """
    if problem.by == "row":
        return [train]
    units = problem.units[train]
    known = np.unique(units)
    parts = 1 if len(known) >= FEWEST else -(-WANTED // len(known))
    made: list[Indices] = []
    for unit in known:
        own = train[units == unit]
        session = np.unique(problem.samples.sessions[own], return_inverse=True)[1]
        order = own[np.lexsort((problem.samples.starts[own], session))]
        made += [np.sort(part) for part in np.array_split(order, min(parts, len(order))) if len(part)]
    return made


def drawn(problem: Problem, pieces: list[Indices], count: int, pool: int, repeat: int, seed: int) -> Indices:
    """So many samples, ascending: for one repeat those of a smaller count are among those of a larger.

    Pieces are taken whole, one after the other in a random order; of the last only as many samples as still lack, so
    that every draw of a size is equally large.

    Args:
        problem: whose classes rows keep the mix of.
        pieces: of the training samples.
        count: samples wanted.
        pool: samples that are drawn from; the same whatever the repeat.
        repeat: number of the draw.
        seed: of everything random.
    """
    available = pieces
    if pool < sum(len(piece) for piece in pieces):
        available = _taken(problem, pieces, pool, np.random.default_rng((seed, 2**20)))
    return np.sort(np.concatenate(_taken(problem, available, count, np.random.default_rng((seed, repeat)))))


def _taken(problem: Problem, pieces: list[Indices], count: int, rng: np.random.Generator) -> list[Indices]:
    """Pieces in a random order until there are enough samples; the last is cut."""
    if problem.by == "row":
        rows = pieces[0]
        return [rows[_order(problem, rows, rng)[:count]]]
    taken: list[Indices] = []
    lacking = count
    for place in rng.permutation(len(pieces)):
        piece = rng.permutation(pieces[place])[:lacking]
        taken.append(piece)
        lacking -= len(piece)
        if not lacking:
            break
    return taken


def _order(problem: Problem, rows: Indices, rng: np.random.Generator) -> Indices:
    """A random order of rows; every beginning has the mix of classes of the whole."""
    if problem.task != "classification":
        return rng.permutation(len(rows)).astype(np.int64)
    y = problem.y[rows]
    key = np.empty(len(rows))
    for name in np.unique(y):
        own = np.flatnonzero(y == name)
        key[rng.permutation(own)] = (np.arange(len(own)) + rng.random()) / len(own)
    return np.argsort(key, kind="stable").astype(np.int64)
