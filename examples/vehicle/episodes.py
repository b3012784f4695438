"""Episodes to learn from: turns of the lidar with their truth, and decisions labelled by a planner."""

from __future__ import annotations

import copy

import numpy as np

from traffic import LANES, REACH, Traffic, of_lane, scan

# A planner holds each action for two decisions in copies of the simulator; a fifth of its decisions are random.
AHEAD, EXPLORE = 2, 0.2
# Share of decisions at which a driver by chance changes its action.
CHANGES = 0.3


def look(task: tuple[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drive an episode by chance; return turns of the lidar as asked about each lane, true gaps and closing speeds."""
    condition, seed = task
    traffic, rng = Traffic(condition), np.random.default_rng(seed)
    seen, ended, action = traffic.reset(seed), False, int(rng.integers(4))
    turns, truths = [], []
    while not ended:
        turn = scan(traffic.observation, rng)
        turns += [of_lane(turn, lane) for lane in LANES]
        ahead = [(gap, lead - seen[0]) for gap, lead in seen[1:].reshape(len(LANES), 2)]
        truths += [(gap, change) if gap < REACH else (REACH, 0.0) for gap, change in ahead]
        if rng.random() < CHANGES:
            action = int(rng.integers(4))
        seen, _, ended = traffic.step(action)
    gaps, closings = np.array(truths).T
    return np.array(turns), gaps, closings


def plan(seed: int) -> list[list[object]]:
    """Play an episode as a planner does that tries each action in copies of the simulator; return labelled rows."""
    traffic, rng = Traffic(), np.random.default_rng(seed)
    seen, rows, ended = traffic.reset(seed), [], False
    while not ended:
        totals = [held_reward(traffic, action) for action in range(4)]
        action = int(np.argmax(totals))
        rows.append([*(f"{value:.6g}" for value in seen), traffic.actions[action], f"seed {seed}"])
        if rng.random() < EXPLORE:
            action = int(rng.integers(4))
        seen, _, ended = traffic.step(action)
    return rows


def held_reward(traffic: Traffic, action: int) -> float:
    """Return the reward of an action that is held for two decisions, in a copy of the simulator."""
    future, total = copy.deepcopy(traffic.env.unwrapped), 0.0
    for _ in range(AHEAD):
        _, reward, terminated, truncated, _ = future.step(action)
        total += float(reward)
        if terminated or truncated:
            break
    return total
