"""Edge Impulse exports, in files as that tool writes them: info.labels, JSON and CBOR."""

from __future__ import annotations

import json
from pathlib import Path

import cbor2
import numpy as np
import pytest

from edgewright.core.errors import EdgeImpulseError, InputError, MissingFileError
from edgewright.core.records.data import DataSet
from edgewright.data.load import load_data


def _load(path: Path, **keys: object) -> DataSet:
    return load_data({"kind": "edge_impulse", "path": str(path), **keys}, seed=0)


def _acquisition(
    values: list[object], interval: float = 16.0, names: tuple[str, ...] = ("accX", "accY")
) -> dict[str, object]:
    sensors = [{"name": name, "units": "m/s2"} for name in names]
    payload = {
        "device_name": "aa:bb",
        "device_type": "BOARD",
        "interval_ms": interval,
        "sensors": sensors,
        "values": values,
    }
    return {"protected": {"ver": "v1", "alg": "none", "iat": 1700000000}, "signature": "00", "payload": payload}


def _export(root: Path, labels: list[dict[str, object]]) -> None:
    root.mkdir(exist_ok=True)
    files = [{"name": str(f["path"]), "category": "training", "length": 1, **f} for f in labels]
    (root / "info.labels").write_text(json.dumps({"version": 1, "files": files}))


def test_an_edge_impulse_export_in_json_and_cbor(tmp_path: Path) -> None:
    _export(tmp_path, [
        {"path": "walk.1.json", "label": {"type": "label", "label": "walk"}, "metadata": {"person": "ann"}},
        {"path": "mix.2.cbor", "category": "testing", "metadata": {"person": "bob"},
         "label": {"type": "multi-label", "labels": [{"label": "sit", "startIndex": 0, "endIndex": 1}]}},
    ])  # fmt: skip
    (tmp_path / "walk.1.json").write_text(json.dumps(_acquisition([[1, 2.5], [3, None]])))
    (tmp_path / "mix.2.cbor").write_bytes(cbor2.dumps(_acquisition([[1, 2], [3, 4], [5, 6]])))
    data = _load(tmp_path, group_key="person")
    assert [r.target.tolist() for r in data.recordings] == [["walk", "walk"], ["sit", "sit", ""]]
    np.testing.assert_array_equal(data.recordings[0].values, [[1, 2.5], [3, np.nan]])
    assert (data.rate, data.group_name, data.columns[0].unit) == (62.5, "person", "m/s2")
    assert len(_load(tmp_path, category="testing").recordings) == 1


def test_an_export_without_info_labels_is_labelled_by_names(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    single = _acquisition([1, 2, 3], names=("mic",))
    (tmp_path / "training" / "noise.abc.json").write_text(json.dumps(single))
    (recording,) = _load(tmp_path, group_key="device_name").recordings
    assert recording.values.tolist() == [[1], [2], [3]]
    assert recording.target.tolist() == ["noise"] * 3
    assert recording.groups is not None
    assert recording.groups[0] == "aa:bb"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"payload":\n {"values": [1,,2]}}',
            "expected JSON, got invalid character - at a.json line 2, column 16",
        ),
        ('{"payload": ', "expected JSON, got Input data was truncated - at a.json line 1"),
        (
            json.dumps(_acquisition([[1, 2], [3]])),
            "expected 2 values, one for each sensor, got 1 - at a.json values[1]",
        ),
        (json.dumps(_acquisition([[1, "x"]])), "expected a number, got 'x' - at a.json values[0]"),
        (json.dumps(_acquisition([])), "expected a list of rows in payload.values"),
        (json.dumps(_acquisition([[1, 2]], interval=0)), "expected an interval above 0 ms"),
        (json.dumps({"payload": {"interval_ms": 1}}), "expected the key `sensors`, got none - at a.json payload"),
        (json.dumps(_acquisition([[1, 2]], interval=10)), "got 62.5 Hz and 100 Hz - at b.json and a.json"),
        (
            json.dumps(_acquisition([[1, 2]], names=("u", "v"))),
            "the sensors accX, accY of b.json, got u, v - at a.json",
        ),
    ],
)
def test_bad_acquisition_files(tmp_path: Path, text: str, message: str) -> None:
    _export(tmp_path, [{"path": p, "label": {"type": "label", "label": "x"}} for p in ("b.json", "a.json")])
    (tmp_path / "b.json").write_text(json.dumps(_acquisition([[1, 2], [3, 4]])))
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError) as caught:
        _load(tmp_path)
    assert message in str(caught.value)


def test_broken_cbor_missing_files_and_paths_outside(tmp_path: Path) -> None:
    _export(tmp_path, [{"path": "a.cbor"}])
    with pytest.raises(MissingFileError, match=r"no such file - at a\.cbor"):
        _load(tmp_path)
    (tmp_path / "a.cbor").write_bytes(cbor2.dumps(_acquisition([[1, 2]]))[:-5])
    with pytest.raises(EdgeImpulseError, match=r"a whole CBOR file, got .* - at a\.cbor"):
        _load(tmp_path)
    _export(tmp_path, [{"path": "../a.cbor"}])
    with pytest.raises(EdgeImpulseError):
        _load(tmp_path)
