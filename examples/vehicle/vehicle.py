"""Vehicle: may the car do what the policy wants?"""

from __future__ import annotations

import csv
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

import edgewright as ew
from edgewright.core.package import around
from edgewright.core.predictor import Predictor
from edgewright.core.state_machine.table import read_table
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.workflows.examples import Target, check_proof, run_example
from edgewright.workflows.intervals import band_of, write_interval_package
from episodes import look, plan
from shield import Shield, check_shield, read_envelope, write_shield
from sight import Sight
from traffic import COLUMNS, LANES, Traffic, scan

DATA = ()
_RULE = "need: no more collisions than the simulator's own driver (IDM and MOBIL) in the same episodes"
_SENSOR = "need: a sensor that fails is no reason to collide"
TARGETS = {
    "gap_inside": Target(minimum=0.95, source="need: an interval of 95 % holds in traffic never seen"),
    "closing_inside": Target(minimum=0.95, source="need: as for the gap"),
    "gap_mae": Target(maximum=2.0, source="need: no more than the margin that the shield keeps at a standstill, m"),
    "closing_mae": Target(maximum=1.0, source="need: two thirds of a cell of speeds of the shield, m/s"),
    "lanes": Target(minimum=0.98, source="need: at most one lane in fifty wrongly taken for free, or for taken"),
    "broken": Target(maximum=0, source="need: no transition into a collision that the assumptions exclude"),
    "more": Target(maximum=0, source=_RULE),
    "speed_gain": Target(minimum=0, source="need: at least the mean speed of that driver, m/s"),
    "preventable": Target(maximum=0, source="need: no collision that braking in time prevents"),
    "ratio": Target(maximum=0.1, source="need: nine of ten collisions of the policy alone are prevented"),
    "stopped": Target(maximum=0.01, source="need: at most one safe stop without a fault in a hundred episodes"),
    "dropout": Target(maximum=0, source=_SENSOR),
    "latency": Target(maximum=0, source=_SENSOR),
    "calibration": Target(maximum=0, source=_SENSOR),
    "cut_in_more": Target(maximum=0, source=f"{_RULE} when somebody cuts in"),
    "exposed": Target(maximum=0, source="need: without a reliable perception, only the state for it"),
}
HERE = Path(__file__).parent
TRAINING = ("idm at 0.8", "idm at 1", "idm at 1.2", "idm at 1.5")
EVALUATION = ("idm at 2", "aggressive at 1.2", "defensive at 0.6")
SCANNED, CALIBRATED, PLANNED = 40, 25, 40
EPISODES, BARE, FAULTY, SEED = 1000, 200, 100, 4_000_000
LEVEL, NEAR_M = 0.95, 60.0
# Share of decisions at which perception drops out, factor of ranges that are too long, first decision to cut in at.
DROPOUT, TOO_LONG, CUT_IN_FROM = 0.05, 1.1, 2
FAULTS = ("dropout", "latency", "calibration", "cut_in")


def write_scans(pool: ProcessPoolExecutor, path: Path, names: list[str], seed: int) -> dict[str, np.ndarray]:
    """Look at an episode of each named condition, and write the turns."""
    tasks = [(name, seed + number) for number, name in enumerate(names)]
    looked = list(pool.map(look, tasks, chunksize=5))
    counts = [len(gaps) for _, gaps, _ in looked]
    scans = {
        "X": np.concatenate([turns for turns, _, _ in looked]),
        "gap": np.concatenate([gaps for _, gaps, _ in looked]),
        "closing": np.concatenate([closings for _, _, closings in looked]),
        "groups": np.repeat(names, counts),
        "sessions": np.repeat([f"{name} {number}" for name, number in tasks], counts),
    }
    np.savez(path, **scans)
    return scans


def perceive(pool: ProcessPoolExecutor, out: Path) -> dict[str, float]:
    """Train networks on turns of the lidar, with intervals from further episodes, evaluated in other traffic."""
    path, figures = out / "scans.npz", dict[str, float]()
    names = [name for name in (*TRAINING, *EVALUATION) for _ in range(SCANNED)]
    whole = write_scans(pool, path, names, 10_000)
    more = [name for name in TRAINING for _ in range(CALIBRATED)]
    further = write_scans(pool, out / "calibration.npz", more, 10_000 + len(names))
    test = {key: values[np.isin(whole["groups"], EVALUATION)] for key, values in whole.items()}
    # The first of three rows is about the car's own lane.
    own = np.arange(len(test["gap"])) % len(LANES) == 0
    near, tail = test["gap"] < NEAR_M, (1 - LEVEL) / 2
    for name in ("gap", "closing"):
        changes = (f"name={name}", f"data.y={name}")
        run = ew.Pipeline.from_toml(HERE / "perception.toml", data=str(path), changes=changes).run(out=out, force=True)
        package = next(judged_of(run.folder).glob("*.edge"))
        network, mine = ew.load(package), slice(None, None, len(LANES))
        band = band_of(forecasts(network, further["X"][mine]), further[name][mine], tail, tail)
        write_interval_package(package, out / f"{name}.edge", band, len(np.unique(further["sessions"])))
        predicted = forecasts(network, test["X"])
        low, high = around(band, predicted)
        inside, errors = (low <= test[name]) & (test[name] <= high), np.abs(test[name] - predicted)
        figures |= {f"{name}_inside": inside[own].mean(), f"{name}_mae": errors[own & near].mean()}
        figures["proof_pairs"] = figures.get("proof_pairs", 0) + check_proof(run.folder)["proof_pairs"]
        if name == "gap":
            figures["lanes"] = ((predicted < NEAR_M) == near).mean()
    return figures


def forecasts(network: Predictor, X: np.ndarray) -> np.ndarray:
    """Return predictions as float64."""
    return np.asarray(network.predict(X).predictions, np.float64)


class Task(NamedTuple):
    """An episode to drive: folder of the packages, seed, driver ('rule', 'policy' or 'shield') and fault."""

    out: Path
    seed: int
    driver: str
    fault: str = ""


class Drive(NamedTuple):
    """Result of an episode; `exposed` decisions had no reliable perception and were not in the safe state."""

    crashed: bool
    speed: float
    preventable: bool = False
    exposed: int = 0
    stopped: bool = False


@cache
def world() -> Traffic:
    """Make the simulator once a process."""
    return Traffic()


@cache
def load(path: Path) -> Predictor:
    """Load a package once a process."""
    return ew.load(path)


def drive(task: Task) -> Drive:
    """Drive one episode: perceive, decide, limit by the shield, act."""
    traffic, rng, lidar = world(), np.random.default_rng(task.seed), np.random.default_rng([task.seed, 7])
    seen, crashed, ended, cut = traffic.reset(task.seed), False, False, False
    if task.driver == "rule":
        traffic.give_to_rule()
    envelope = read_envelope(HERE / "envelope.toml")
    shield = Shield(envelope, read_table(task.out / "shield.toml")) if task.driver == "shield" else None
    sight = Sight(load(task.out / "gap.edge"), load(task.out / "closing.edge"), envelope.lead_brake if shield else 0.0)
    actions, states, speeds, exposed, blind, rows = list[int](), list[str](), list[float](), 0, 0, traffic.observation
    while not ended:
        number, speed, action = len(speeds), float(seen[0]), 0
        now, late, rows = number * traffic.period, rows, traffic.observation
        if task.driver != "rule":
            drops = task.fault == "dropout" and not blind and rng.random() < DROPOUT
            blind = blind - 1 if blind else int(rng.integers(1, 5)) if drops else 0
            scale = TOO_LONG if task.fault == "calibration" else 1.0
            turn = scan(late if task.fault == "latency" else rows, lidar, scale)
            names, fits = None, True
            action = actions[-1] if actions else 0
            if not blind:
                sighting = sight.look(turn, speed, now)
                names, fits = sighting.names, sighting.fits
                label = load(policy_package(task.out)).predict(sighting.seen.astype(np.float32)[None]).labels[0]
                action = traffic.actions.index(str(label))
            if shield is not None:
                limit = shield.limit(now, names, sure=not blind, fits=fits)
                action = limit if blind else min(action, limit)
                states.append(shield.state)
                exposed += (blind > 0 or not fits) and shield.state != envelope.safe
        actions.append(action)
        speeds.append(speed)
        cut = cut or (task.fault == "cut_in" and number >= CUT_IN_FROM and traffic.cut_in())
        seen, crashed, ended = traffic.step(action)
    preventable = shield is not None and crashed and is_preventable(traffic, task, actions, states)
    return Drive(crashed, float(np.mean(speeds)), preventable, exposed, shield is not None and shield.stopped)


def policy_package(out: Path) -> Path:
    """Return the package of the policy as it was evaluated."""
    return next(judged_of(out / "policy").glob("*.edge"))


def is_preventable(traffic: Traffic, task: Task, actions: list[int], states: list[str]) -> bool:
    """Return whether the episode ends without a collision if one brakes hardest from the last danger on."""
    start = len(states) - 1
    while start > 0 and states[start] != traffic.actions[-1]:
        start -= 1
    traffic.reset(task.seed)
    crashed = cut = False
    for number, action in enumerate((*actions[:start], *[0] * (len(actions) - start))):
        cut = cut or (task.fault == "cut_in" and number >= CUT_IN_FROM and traffic.cut_in())
        _, crashed, ended = traffic.step(action)
        if ended:
            break
    return not crashed


def evaluate(pool: ProcessPoolExecutor, out: Path) -> dict[str, float]:
    """Drive the same episodes with the shield, without it, by the simulator's driver, and with faults of the sensor."""
    arms = {"shield": (EPISODES, "shield", ""), "bare": (BARE, "policy", ""), "rule": (EPISODES, "rule", "")}
    arms |= {fault: (FAULTY, "shield", fault) for fault in FAULTS} | {"rule_cut_in": (FAULTY, "rule", "cut_in")}
    results: dict[str, list[Drive]] = {}
    for name, (count, driver, fault) in arms.items():
        tasks = [Task(out, SEED + number, driver, fault) for number in range(count)]
        results[name] = list(pool.map(drive, tasks, chunksize=10))
    crashes = {name: np.mean([episode.crashed for episode in arm]) for name, arm in results.items()}
    shielded = [episode for name in ("shield", *FAULTS) for episode in results[name]]
    pairs = list(zip(results["shield"], results["rule"], strict=True))
    return {
        "collisions": crashes["shield"],
        "collisions_bare": crashes["bare"],
        "collisions_rule": crashes["rule"],
        "more": crashes["shield"] - crashes["rule"],
        "speed_gain": np.mean([mine.speed - other.speed for mine, other in pairs]),
        "preventable": sum(episode.preventable for episode in results["shield"]),
        "ratio": crashes["shield"] / crashes["bare"] if crashes["bare"] else 0.0,
        "stopped": np.mean([episode.stopped for episode in results["shield"]]),
        **{fault: crashes[fault] for fault in FAULTS},
        "cut_in_more": crashes["cut_in"] - crashes["rule_cut_in"],
        "exposed": sum(episode.exposed for episode in shielded),
    }


def main(data: Path | None, out: Path) -> dict[str, float]:
    """Train perception and policy, check the shield in every state, and drive."""
    del data
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        figures, rows = perceive(pool, out), out / "episodes.csv"
        with rows.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, "action", "episode"])
            writer.writerows(row for episode in pool.map(plan, range(PLANNED)) for row in episode)
        run = ew.Pipeline.from_toml(HERE / "pipeline.toml", data=str(rows)).run(out=out, force=True)
        figures["proof_pairs"] += check_proof(run.folder)["proof_pairs"]
        envelope = read_envelope(HERE / "envelope.toml")
        check = check_shield(envelope, write_shield(envelope, out / "shield.toml"))
        figures |= {"states": check.states, "transitions": check.transitions, "broken": len(check.broken)}
        return {**figures, **evaluate(pool, out)}


if __name__ == "__main__":
    run_example(main, TARGETS, __doc__)
