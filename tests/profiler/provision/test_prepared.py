from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.devices import LocalDevice
from sartor.profiler.provision import Part, Prepared, find_prepared
from sartor.profiler.provision.prepared import content_key
from sartor.tables.errors import FormatError

FOLDER = PurePosixPath("/root/environments/litert")
SHA = "0123456789abcdef" * 4
PARTS = (Part("ai-edge-litert", "2.3.0", SHA), Part("numpy", "2.2.6", SHA[::-1]))
PREPARED = Prepared(FOLDER, "environment", "0123456789ab", PARTS)

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", fullmatch=True)
parts = st.builds(Part, names, names, st.from_regex(r"[0-9a-f]{64}", fullmatch=True))


@given(st.sets(parts, min_size=1, max_size=20), st.sampled_from(["environment", "bundle"]))
def test_a_note_reads_back(found: set[Part], kind: str) -> None:
    prepared = Prepared(FOLDER, kind, content_key(found), tuple(sorted(found)))
    assert Prepared.from_json(FOLDER, prepared.to_json()) == prepared


def test_the_interpreter_is_found_by_the_kind() -> None:
    assert PREPARED.python == FOLDER / "0123456789ab" / "bin" / "python"
    assert Prepared(FOLDER, "bundle", "0123456789ab", PARTS).python.name == "run"


def test_pairs_are_sorted_and_tell_versions_and_hashes() -> None:
    assert PREPARED.pairs == (
        ("put there: ai-edge-litert", f"2.3.0 sha256:{SHA}"),
        ("put there: numpy", f"2.2.6 sha256:{SHA[::-1]}"),
    )


def test_the_key_changes_with_anything() -> None:
    keys = {
        content_key(PARTS),
        content_key(PARTS, "/usr/bin/python3.11"),
        content_key(PARTS, "/usr/bin/python3.12"),
        content_key(PARTS[:1]),
        content_key([PARTS[0], Part("numpy", "2.2.7", PARTS[1].sha256)]),
    }
    assert len(keys) == 5
    assert content_key(PARTS) == content_key(reversed(PARTS))


def altered(**changes: object) -> str:
    return json.dumps({**json.loads(PREPARED.to_json()), **changes})


ONE = {"name": "numpy", "version": "2.2.6", "sha256": SHA}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[" * 50_000, "not JSON"),
        ("9" * 5000, "not JSON|no note"),
        ("[]", "no note"),
        (altered(format=2), "newer Sartor"),
        (altered(format="1"), "no note"),
        (altered(kind="link"), "'link' is none of environment, bundle"),
        (altered(kind=["bundle"]), "no note"),
        (altered(key="../../../../"), "twelve hexadecimal digits"),
        (altered(key="0123456789ab\n"), "twelve hexadecimal digits"),
        (altered(parts=[]), "1 to 100 parts"),
        (altered(parts=[ONE, ONE]), "each once"),
        (altered(parts=[ONE] * 101), "101 parts"),
        (altered(parts=["numpy"]), "without name"),
        (altered(parts=[{**ONE, "name": "../numpy"}]), "not a name"),
        (altered(parts=[{**ONE, "version": "1\n2"}]), "not a name"),
        (altered(parts=[{**ONE, "version": "1" * 101}]), "not a name"),
        (altered(parts=[{**ONE, "sha256": SHA.upper()}]), "not a name"),
        (PREPARED.to_json() + " " * 70_000, "not so long"),
    ],
)
def test_a_strange_note_is_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        Prepared.from_json(FOLDER, text)
    assert len(str(caught.value)) < 400


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_nothing_but_a_note_is_taken_for_one(text: str) -> None:
    with pytest.raises(FormatError):
        Prepared.from_json(FOLDER, text)


def test_it_is_found_where_it_lies(tmp_path: Path) -> None:
    device = LocalDevice(tmp_path)
    assert find_prepared(device, "litert") is None
    note = tmp_path / "environments" / "litert" / "prepared.json"
    note.parent.mkdir(parents=True)
    note.write_text(PREPARED.to_json())
    found = find_prepared(device, "litert")
    assert found is not None
    assert found.python == PurePosixPath(note.parent / "0123456789ab" / "bin" / "python")
    assert find_prepared(device, "onnxruntime") is None


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"0" * 10_000_000])
def test_a_damaged_note_tells_what_mends_it(tmp_path: Path, content: bytes) -> None:
    note = tmp_path / "environments" / "litert" / "prepared.json"
    note.parent.mkdir(parents=True)
    note.write_bytes(content)
    with pytest.raises(FormatError, match="sartor devices prepare local --runtime litert"):
        find_prepared(LocalDevice(tmp_path), "litert")
