from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sartor.specializer.images import ImageFolder
from sartor.specializer.train.download import (
    IMAGENETTE,
    Archive,
    cache_folder,
    fetch,
    imagenette_folder,
)
from sartor.tables.errors import DatasetError, OutputError

FILES = {
    "imagenette2-160/train/n01/a.JPEG": b"first" * 40_000,
    "imagenette2-160/val/n01/b.JPEG": b"second",
}


def packed(*members: tarfile.TarInfo | tuple[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                name, content = member
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@dataclass
class Site:
    """A real server on loopback with one file, and what it was asked."""

    content: bytes
    resumes: bool = True
    breaks_off_after: int | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def archive(self, folder: str = "imagenette2-160") -> Archive:
        digest = hashlib.sha256(self.content).hexdigest()
        return Archive(folder, self.url, digest, len(self.content))


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            site.asked.append(asked)
            begin = int(asked.removeprefix("bytes=").rstrip("-")) if site.resumes else 0
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(site.content) - begin))
            self.end_headers()
            self.wfile.write(site.content[begin : site.breaks_off_after])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site(packed(*FILES.items()))
    with HTTPServer(("127.0.0.1", 0), handler(site)) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/imagenette2-160.tgz"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def nothing(_done: int, _size: int) -> None:
    """Report to nobody."""


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder.parent)).replace(folder.name, "imagenette2-160"): (
            path.read_bytes()
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_fetched_once_checked_and_unpacked(site: Site, environment: dict[str, str]) -> None:
    reported: list[tuple[int, int]] = []
    folder = fetch(environment, lambda *progress: reported.append(progress), site.archive())
    assert files_below(folder) == FILES
    assert reported[-1] == (len(site.content), len(site.content))
    assert fetch(environment, nothing, site.archive()) == folder
    assert imagenette_folder(environment, site.archive()) == folder
    assert site.asked == ["bytes=0-"]
    assert list(cache_folder(environment).iterdir()) == [folder]


@pytest.mark.parametrize("resumes", [True, False])
def test_an_interrupted_download_goes_on(
    site: Site, environment: dict[str, str], resumes: bool
) -> None:
    site.resumes, site.breaks_off_after = resumes, 100
    with pytest.raises(DatasetError, match="try again"):
        fetch(environment, nothing, site.archive())
    site.breaks_off_after = None
    assert files_below(fetch(environment, nothing, site.archive())) == FILES
    assert site.asked == ["bytes=0-", "bytes=100-"]


def test_something_else_is_refused_and_removed(site: Site, environment: dict[str, str]) -> None:
    archive = replace(site.archive(), sha256="0" * 64)
    with pytest.raises(DatasetError, match="not what it should be"):
        fetch(environment, nothing, archive)
    assert not list(cache_folder(environment).iterdir())


def test_a_server_that_is_not_there(site: Site, environment: dict[str, str]) -> None:
    archive = replace(site.archive(), url="http://127.0.0.1:1/imagenette2-160.tgz")
    with pytest.raises(DatasetError, match=r"cannot fetch http://127\.0\.0\.1:1/.*try again"):
        fetch(environment, nothing, archive)


def test_a_cache_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="set XDG_CACHE_HOME"):
        fetch({"XDG_CACHE_HOME": str(tmp_path / "file")}, nothing, site.archive())


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("imagenette2-160/link")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed(("../outside", b"")), "outside its folder"),
        (packed(("/outside", b"")), "outside its folder"),
        (packed(("imagenette2-160/../../outside", b"")), "outside its folder"),
        (packed(link(tarfile.SYMTYPE)), "more than files and folders"),
        (packed(link(tarfile.LNKTYPE)), "more than files and folders"),
        (packed(link(tarfile.FIFOTYPE)), "more than files and folders"),
        (packed(("other/a.JPEG", b"")), "holds no folder imagenette2-160"),
        (packed(*FILES.items())[:-50], "is damaged"),
        (packed(*FILES.items())[:60] + b"\xff" * 300, "is damaged"),
        (packed(*FILES.items(), mode="w")[:-60_000], "is damaged"),
        (b"hello", "is damaged"),
    ],
)
def test_archives_that_are_not_unpacked(
    content: bytes, message: str, site: Site, environment: dict[str, str], tmp_path: Path
) -> None:
    site.content = content
    with pytest.raises(DatasetError, match=message):
        fetch(environment, nothing, site.archive())
    left = [path.name for path in cache_folder(environment).iterdir()]
    assert [name for name in left if not name.endswith(".part")] == []
    assert not (tmp_path / "outside").exists()


def test_a_tar_file_of_sartor_data_is_unpacked_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    shared = tmp_path / "shared" / "imagenette2-160"
    shared.mkdir(parents=True)
    environment["SARTOR_DATA"] = str(shared.parent)
    with pytest.raises(DatasetError, match="set SARTOR_DATA to a folder that has it, or fetch"):
        imagenette_folder(environment)
    (shared / "imagenette2-160.tar").write_bytes(packed(*FILES.items(), mode="w"))
    folder = imagenette_folder(environment)
    assert files_below(folder) == FILES
    (folder / "mark").touch()
    assert imagenette_folder(environment) == folder
    (shared / "train").mkdir()
    assert imagenette_folder(environment) == shared


def test_the_cache_follows_xdg() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/x", "HOME": "/home/me"}) == Path("/x/sartor")
    assert cache_folder({"HOME": "/home/me"}) == Path("/home/me/.cache/sartor")


@pytest.mark.data
@pytest.mark.slow
def test_the_shared_photos(data_folder: Path, tmp_path: Path) -> None:
    environment = {"SARTOR_DATA": str(data_folder), "XDG_CACHE_HOME": str(tmp_path)}
    folder = imagenette_folder(environment, IMAGENETTE)
    training = ImageFolder.scan(folder / "train")
    assert len(training) == 9469
    assert len(ImageFolder.scan(folder / "val", training.classes)) == 3925
