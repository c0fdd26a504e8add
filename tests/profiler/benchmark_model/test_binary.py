"""The tool is fetched from a real server on loopback; Google's bucket is out of reach here."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sartor.devices.local import LocalDevice
from sartor.profiler.benchmark_model import binary as binary_module
from sartor.profiler.benchmark_model.binary import Binary, find_binary, public_address, put_binary
from sartor.profiler.provision.prepared import find_prepared
from sartor.tables.errors import FormatError, OutputError, RuntimeMissingError

from . import samples

CONTENT = b"#!/bin/sh\ncat >&2 <<'END'\n" + samples.HELP_LITERT.encode() + b"END\nexit 1\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATH = "/binaries/2.2.0/android_arm64/benchmark_model"


class Bucket(ThreadingHTTPServer):
    """Serves files, and counts how often it was asked."""

    files: dict[str, bytes]
    asked: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{PATH}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Bucket)
        self.server.asked += 1
        content = self.server.files.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        pass


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = Bucket(("127.0.0.1", 0), Answer)
    server.files, server.asked = {PATH: CONTENT}, 0
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_pinned_file_is_fetched_once(bucket: Bucket, tmp_path: Path) -> None:
    named = f"{bucket.url}#sha256={SHA256}"
    found = find_binary(named, tmp_path / "cache")
    assert found == Binary(tmp_path / "cache" / f"benchmark_model-{SHA256}", "2.2.0", SHA256)
    assert found.path.read_bytes() == CONTENT
    assert find_binary(named, tmp_path / "cache") == found
    assert bucket.asked == 1


def test_a_file_that_is_not_pinned_is_not_taken_and_its_hash_is_told(
    bucket: Bucket, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeMissingError, match=rf"if you trust that, name .*#sha256={SHA256}"):
        find_binary(bucket.url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_file_than_the_pinned_one_is_not_taken(bucket: Bucket, tmp_path: Path) -> None:
    bucket.files[PATH] = CONTENT + b"\n"
    with pytest.raises(RuntimeMissingError, match=f"not {SHA256}"):
        find_binary(f"{bucket.url}#sha256={SHA256}", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_cache_is_fetched_again(bucket: Bucket, tmp_path: Path) -> None:
    named = f"{bucket.url}#sha256={SHA256}"
    find_binary(named, tmp_path).path.write_bytes(b"half")
    assert find_binary(named, tmp_path).path.read_bytes() == CONTENT


def test_files_that_cannot_be_had(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissingError, match="status 404"):
        find_binary(f"{bucket.url}x#sha256={SHA256}", tmp_path)
    with pytest.raises(RuntimeMissingError, match="cannot fetch"):
        find_binary(f"http://127.0.0.1:9/benchmark_model#sha256={SHA256}", tmp_path)
    with pytest.raises(FormatError, match="64 hexadecimal digits"):
        find_binary(f"{bucket.url}#sha256=123", tmp_path)
    with pytest.raises(FormatError, match="64 hexadecimal digits"):
        find_binary("file:///etc/passwd", tmp_path)
    with pytest.raises(RuntimeMissingError, match="there is no file"):
        find_binary(str(tmp_path / "nothing"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="XDG_CACHE_HOME"):
        find_binary(f"{bucket.url}#sha256={SHA256}", tmp_path / "file")


def test_a_file_without_end_is_not_taken(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary_module, "_MOST_BYTES", 100)
    with pytest.raises(RuntimeMissingError, match="is longer than"):
        find_binary(bucket.url, tmp_path)


def test_google_publishes_it_for_some_devices() -> None:
    assert public_address("Android", "aarch64").endswith("/2.2.0/android_arm64/benchmark_model")
    with pytest.raises(RuntimeMissingError, match="no benchmark_model for armv7l on Android"):
        public_address("Android", "armv7l")


def test_a_named_file_is_put_on_a_device(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(CONTENT)
    device = LocalDevice(tmp_path / "device")
    prepared = put_binary(device, find_binary(str(path)))
    assert find_prepared(device, "benchmark_model") == prepared
    assert Path(prepared.python).read_bytes() == CONTENT
    assert dict(prepared.pairs) == {"put there: benchmark_model": f"named sha256:{SHA256}"}
    assert put_binary(device, find_binary(str(path))) == prepared
    path.write_bytes(CONTENT + b"\n")
    assert put_binary(device, find_binary(str(path))) != prepared


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no program for Linux or Android"),
        (b"PK\3\4" + b"\0" * 40, "is no program for Linux or Android"),
        (b"\x7fELF\2\1\1" + b"\0" * 9 + b"\3\0\xf3\0", "is for RISC-V processors"),
        (b"\x7fELF\2\1\1" + b"\0" * 9 + b"\3\0\x99\\9", "is for others processors"),
        (b"#!/bin/sh\necho hello\n", "does not run .* as a benchmark_model does"),
    ],
)
def test_what_is_no_tool_for_a_device_is_not_put_there(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "tool"
    path.write_bytes(content)
    device = LocalDevice(tmp_path / "device")
    with pytest.raises(RuntimeMissingError, match=message):
        put_binary(device, find_binary(str(path)))
    assert find_prepared(device, "benchmark_model") is None
