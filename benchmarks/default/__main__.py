"""`python -m benchmarks.default`: `init FILE --yes` and `run`, unedited, against peers tuned by folds.

    python -m benchmarks.default [--only SET,SET] [--product-only] [--table-only] [--folder FOLDER] [--data FOLDER]

The record of each set is a JSON file of the folder. A set whose peers have a record there is not fitted by them again
while its samples are the same, so `--only ecg200 --product-only` repeats what the product does with one set.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.default.content import Array, DataSet, Items, Table
from benchmarks.default.forms import TARGET, is_wide, write
from benchmarks.default.judging import difference, ratio, score
from benchmarks.default.product import Product, run_product
from benchmarks.default.report import report
from benchmarks.default.sets import SETS
from benchmarks.table import ONE_THREAD, ROOT
from benchmarks.training.environments import environment

PEERS = ("aeon", ["aeon", "scikit-learn"])
# Tuning of all peers of a set takes minutes; more than this ends the benchmark.
LIMIT_S = 3_600.0


def main(arguments: list[str] | None = None) -> int:
    """Run the sets, and print the table of all records in the folder; 1 where a limit is missed."""
    given = _arguments(arguments)
    folder = Path(given.folder)
    for name in [] if given.table_only else given.only or SETS:
        started = time.monotonic()
        record = _record(name, SETS[name], given.data, folder / name, given.product_only)
        (folder / f"{name}.json").write_text(json.dumps(record, indent=1))
        problems = "; ".join(record["problems"]) or "no problem"
        print(f"{name}: {time.monotonic() - started:.0f} s, {problems}", file=sys.stderr, flush=True)
    records = {name: json.loads((folder / f"{name}.json").read_text())
               for name in SETS if (folder / f"{name}.json").is_file()}  # fmt: skip
    text, reached = report(records)
    print(text)
    return 0 if reached else 1


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    shared = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.default")
    parser.add_argument("--only", type=_names, default=[], help=f"sets by name, with commas, of {', '.join(SETS)}")
    parser.add_argument("--product-only", action="store_true", help="take the peers of the last record")
    parser.add_argument("--table-only", action="store_true", help="run nothing and print the table of the records")
    parser.add_argument("--folder", default=str(ROOT / ".benchmarks" / "default"), help="where files and records are")
    parser.add_argument("--data", type=Path, default=shared, help="folder of the public sets")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in SETS]:
        raise argparse.ArgumentTypeError(f"no set {unknown[0]!r}. Known: {', '.join(SETS)}")
    return names


def _record(name: str, entry: DataSet, data: Path, folder: Path, product_only: bool) -> dict[str, Any]:
    """Run the product and the peers on one set, and return what the table shows of it."""
    folder.mkdir(parents=True, exist_ok=True)
    content = entry.read(data)
    train, test = write(entry.kind, content, folder)
    target = content.target if isinstance(content, Table) else TARGET
    product = run_product(folder, train, test, target if train.is_file() else "", entry.metric)
    arrays, settings = peer_samples(entry, content, product, train, test)
    last = folder.parent / f"{name}.json"
    before = json.loads(last.read_text()) if last.is_file() else {}
    digest = fingerprint(arrays, settings)
    if before.get("samples_sha256") == digest and before.get("peers"):
        peers = before["peers"]
    elif product_only:
        peers = []
        product.problems.append("peers have no record of these samples: leave out --product-only")
    else:
        try:
            peers = _peers(folder, arrays, settings)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            peers = []
            product.problems.append(f"the peers failed: {error}")
    record: dict[str, Any] = {
        "kind": entry.kind, "metric": entry.metric, "division": entry.division, "installed": entry.installed,
        "train": len(arrays["train_y"]), "test": len(arrays["test_y"]), "problems": product.problems,
        "product": product.facts, "samples_sha256": digest, "peers": peers,
    }  # fmt: skip
    truth, groups, answers = arrays["test_y"], arrays.get("test_groups"), _answers(folder, peers)
    for peer, answer in zip(peers, answers, strict=True):
        peer["score"] = msgspec.to_builtins(score(entry.metric, truth, answer, groups))
    if len(product.truth):
        own = score(entry.metric, product.truth, product.answers, product.groups)
        record["product"]["score"] = msgspec.to_builtins(own)
        if peers:
            number = max(range(len(peers)), key=lambda index: peers[index]["cv"])
            record["ratio"] = ratio(entry.metric, own.value, peers[number]["score"]["value"])
            if np.array_equal(product.truth, truth):  # folders of sounds and pictures may be read in another order
                gap = difference(entry.metric, truth, product.answers, answers[number], groups)
                record["difference"] = msgspec.to_builtins(gap)
            record["ratio_highest"] = min(ratio(entry.metric, own.value, peer["score"]["value"]) for peer in peers)
    return record


def peer_samples(
    entry: DataSet, content: Table | Items, product: Product, train: Path, test: Path
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and settings that peers get.

    Peers take the windows that the product cut from a table. Where it cut none from a set whose samples are windows,
    they take windows of the set's own length.

    Args:
        entry: the set.
        content: its samples.
        product: what it did; takes a problem where its framing is another than the set's.
        train: file or folder of the samples that do not test.
        test: file or folder of those that test.
    """
    settings: dict[str, Any] = {"metric": entry.metric, "kind": "signals", "ordered": False}
    if isinstance(content, Table):
        settings["ordered"] = content.ordered
        if product.windows:
            if not content.window:
                product.problems.append(
                    f"cut windows of {product.windows['test_X'].shape[2]} rows from a table of rows"
                )
            return product.windows, settings
        if content.window:
            if len(product.truth):
                product.problems.append("answered rows of a stream that needs windows")
            return _own_windows(content), settings
        ignored = [*content.ignore, content.target]
        settings |= {"kind": "rows", "train": str(train), "test": str(test), "ignore": ignored}
        y = content.frame[content.target].to_numpy()
        groups = None if not content.group else content.frame[content.group].to_numpy().astype(str)
        arrays = {} if groups is None else {"train_groups": groups[~content.test], "test_groups": groups[content.test]}
        y = y.astype(np.float64) if entry.metric == "rmse" else y.astype(str)
        arrays |= {"train_y": y[~content.test], "test_y": y[content.test]}
        _count(product, len(arrays["test_y"]))
        return arrays, settings
    _count(product, int(content.test.sum()))
    settings["kind"] = {"sounds": "sounds", "pictures": "pictures"}.get(entry.kind, "signals")
    return _item_arrays(settings["kind"], content), settings


def _count(product: Product, samples: int) -> None:
    """Add a problem where the product answers another number of samples than the set has."""
    if len(product.truth) not in (0, samples):
        product.problems.append(f"gave {len(product.truth):,} answers for {samples:,} test samples")


def _own_windows(table: Table) -> dict[str, Array]:
    """Cut windows without overlap from stretches of one label and person."""
    channels = [name for name in table.frame.columns if name not in (table.target, table.group, *table.ignore)]
    values, label = table.frame.select(channels).to_numpy(), table.frame[table.target].to_numpy().astype(str)
    group = table.frame[table.group].to_numpy().astype(str) if table.group else np.zeros(len(label), str)
    changes = (label[1:] != label[:-1]) | (group[1:] != group[:-1]) | (table.test[1:] != table.test[:-1])
    edges = [0, *(np.flatnonzero(changes) + 1), len(label)]
    starts = np.array([
        start for first, end in itertools.pairwise(edges) if label[first]
        for start in range(first, end - table.window + 1, table.window)
    ])  # fmt: skip
    arrays: dict[str, Array] = {}
    for side, rows in (("train", starts[~table.test[starts]]), ("test", starts[table.test[starts]])):
        windows = np.stack([values[start : start + table.window].T for start in rows]).astype(np.float32)
        arrays |= {f"{side}_X": windows, f"{side}_y": label[rows], f"{side}_groups": group[rows]}
    return arrays


def _item_arrays(kind: str, items: Items) -> dict[str, Array]:
    """Return items of both sides: sounds one after the other, recordings stretched to their middle length."""
    arrays: dict[str, Array] = {"rate_hz": np.array(items.rate_hz)}
    length = int(np.median([item.shape[-1] for item in items.X]))
    for side, rows in (("train", ~items.test), ("test", items.test)):
        chosen = [items.X[row] for row in np.flatnonzero(rows).tolist()]
        arrays[f"{side}_y"] = items.y[rows]
        if items.groups is not None:
            arrays[f"{side}_groups"] = items.groups[rows]
        if kind == "sounds":
            arrays[f"{side}_lengths"] = np.array([len(item) for item in chosen])
            arrays[f"{side}_X"] = np.concatenate(chosen).astype(np.float32)
        elif kind == "pictures" or is_wide(items):
            arrays[f"{side}_X"] = np.stack(chosen)
        else:
            arrays[f"{side}_X"] = np.stack([_stretched(item, length) for item in chosen])
    return arrays


def _stretched(recording: Array, length: int) -> Array:
    places = np.linspace(0, recording.shape[1] - 1, length)
    return np.stack([np.interp(places, np.arange(recording.shape[1]), channel) for channel in recording])


def _peers(folder: Path, arrays: dict[str, Array], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Tune the peers, whose answers stay in the folder, and return the record of each family."""
    np.savez(folder / "peers.npz", **arrays)  # type: ignore[arg-type]
    (folder / "peers.json").write_text(json.dumps(settings))
    command = [environment(*PEERS), "-m", "benchmarks.default.fit_peers", str(folder)]
    threads = {**os.environ, **ONE_THREAD, "NUMBA_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=threads, cwd=ROOT, timeout=LIMIT_S, stdout=sys.stderr)
    with np.load(folder / "answers.npz") as stored:
        records: list[dict[str, Any]] = json.loads(str(stored["records"]))
    return records


def _answers(folder: Path, peers: list[dict[str, Any]]) -> list[Array]:
    """Return the answers of each family to the test samples."""
    if not peers:
        return []
    with np.load(folder / "answers.npz") as stored:
        return [stored[f"answers_{number}"] for number in range(len(peers))]


def fingerprint(arrays: dict[str, Array], settings: dict[str, Any]) -> str:
    """Return a digest of what peers get: arrays, and the files of rows."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    for side in ("train", "test"):
        if side in settings:
            digest.update(Path(settings[side]).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
