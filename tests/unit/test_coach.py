"""A coach: its file, its network on a stream in Python and C, and the whole way from recordings to verdicts."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from coach_example import has_speech, random_coach, recordings
from edgewright.core.errors import InputError, MissingFileError, PackageDamagedError
from edgewright.core.integer.network import run_integer, to_integers
from edgewright.export.c99_host.host import compile_c99, context_of
from edgewright.export.c99_stream.stream import write_network_stream_c99
from edgewright.graph.streaming import NetworkStream
from evaluation import Cases, score_coach
from network import PhoneStream, read_coach, write_coach
from phones import OUTPUTS, SILENCE
from proof import prove
from reading import Reader
from sound import FRAMES, MELS, log_mel
from support import left_out
from takes import read_corpus
from training import CoachRequest, train_coach


def test_a_file_is_read_as_it_was_written_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    coach = random_coach()
    path = tmp_path / "tiny.coach"
    size = write_coach(path, coach)
    assert size == path.stat().st_size
    read = read_coach(path)
    assert read.spec == coach.spec
    assert 0 < read.network_bytes < size
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(PackageDamagedError, match="coach"):
        read_coach(path)
    with pytest.raises(MissingFileError):
        read_coach(tmp_path / "absent.coach")


def test_sound_in_pieces_gives_the_steps_of_the_whole() -> None:
    coach = random_coach()
    sound = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    stream = PhoneStream(coach.spec, coach.network)
    whole = stream.whole(log_mel(sound))
    stream.reset()
    cuts = [0, 100, 560, 561, 4000, 16_000]
    parts = np.concatenate([stream.push(sound[a:b]) for a, b in pairwise(cuts)])
    # The last steps wait for sound that does not come.
    assert len(whole) - len(parts) == coach.spec.delay
    np.testing.assert_allclose(parts, whole[: len(parts)], atol=1e-5)


def test_sound_is_measured_in_deviations_from_the_mean() -> None:
    coach, frames = random_coach(), np.random.default_rng(3).standard_normal((80, MELS)).astype(np.float32)

    def steps(mean: float, deviation: float) -> NDArray[np.float32]:
        spec = msgspec.structs.replace(coach.spec, mean=(mean,) * MELS, deviation=(deviation,) * MELS)
        return PhoneStream(spec, coach.network).whole(frames * np.float32(deviation) + np.float32(mean))

    np.testing.assert_array_equal(steps(0.0, 1.0), steps(-8.0, 4.0))


def test_verdicts_wait_until_it_is_clear_that_the_prompt_is_read() -> None:
    words, pronunciations = ("WE", "CALL", "IT", "BEAR"), ((((37, 15),), ((19, 2, 20),), ((16, 31),), ((7, 10, 27),)))
    scores = np.random.default_rng(5).normal(-4, 1, (200, OUTPUTS)).astype(np.float32)

    def read_with(limit: float | None) -> tuple[Reader, list[int]]:
        coach = random_coach()
        coach = replace(coach, spec=msgspec.structs.replace(coach.spec, sentence_limit=limit))
        reader = Reader(coach, words, pronunciations)
        counts = []
        for number in range(len(scores) + 1):
            reader._samples = 800 * number
            verdicts = reader.hear(scores[number : number + 1]) if number < len(scores) else reader.rest()
            assert all(verdict.known_s == reader._samples / 16_000 for verdict in verdicts)
            counts.append(len(verdicts))
        return reader, counts

    old, as_they_come = read_with(None)
    assert sum(as_they_come) == 4
    assert old.opening is not None
    reader, counts = read_with(old.opening + 0.01)
    assert sum(counts) == 4
    assert max(counts) > max(as_they_come)
    reader.check("here")
    assert not reader.other
    reader, counts = read_with(old.opening - 0.01)
    assert sum(counts) == 0
    assert reader.other
    assert reader.over
    with pytest.raises(InputError, match="You read something else"):
        reader.check("here")


def test_ten_readings_choose_the_limit_of_sentences() -> None:
    mistakes = np.array([*range(11), 20.0])
    for count, limit in ((10, 8.55), (9, None)):
        right = np.arange(12) < count
        cases = Cases(mistakes[:12], ~right, np.zeros(12, np.bool_), np.full(12, "a"))
        assert cases.border() == (None if limit is None else pytest.approx(limit))


@pytest.mark.slow
def test_c_gives_the_bytes_of_python_step_by_step(tmp_path: Path) -> None:
    coach = random_coach()
    network = coach.network
    x = to_integers(network.values[network.input], np.random.default_rng(2).standard_normal((64, MELS)))
    expected = NetworkStream(network).push(x)
    np.testing.assert_array_equal(
        expected, run_integer(network, np.ascontiguousarray(x.T)[None]).reshape(expected.shape)
    )
    files = write_network_stream_c99(network, name="phones")
    library = ctypes.CDLL(str(compile_c99(files, tmp_path, taps=False)))
    context = context_of(library, "phones_network_context")
    library.phones_init(context)
    given = np.zeros_like(expected)
    for row, answer in zip(x.reshape(-1, FRAMES * MELS), given, strict=True):
        library.phones_network(context, row.ctypes.data_as(ctypes.c_void_p), answer.ctypes.data_as(ctypes.c_void_p))
    np.testing.assert_array_equal(given, expected)


def test_espeak_says_where_each_phone_begins() -> None:
    if not has_speech():
        left_out("espeak-ng is not installed")
    from espeak import say

    spoken = say("thin", "en-us")
    phones = [phone for phone in spoken.phones if phone != SILENCE]
    assert len(phones) == 3
    assert list(spoken.begins) == sorted(spoken.begins)
    assert spoken.begins[-1] <= len(spoken.values) / 16_000 + 1e-3
    with pytest.raises(InputError, match="a voice of espeak-ng"):
        say("thin", "xx-none")


@pytest.mark.slow
def test_a_coach_is_proven(tmp_path: Path) -> None:
    write_coach(tmp_path / "tiny.coach", random_coach())
    assert prove(tmp_path / "tiny.coach") > 100


@pytest.mark.slow
def test_recordings_train_a_coach(tmp_path: Path) -> None:
    if not has_speech():
        left_out("espeak-ng is not installed")
    corpus = read_corpus(recordings(tmp_path / "recordings"))
    request = CoachRequest(name="tiny", sentences=8, epochs=(1, 1, 1), hold_out=0.4, seed=0)
    trained = train_coach(corpus, request)
    assert len(trained.judges) >= 2
    assert score_coach(trained.file, trained.judges, corpus.lexicon).speakers == 2
