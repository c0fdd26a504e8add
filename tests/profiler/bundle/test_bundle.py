"""Building bundles: what is in them, that they come out the same, and how sources are fetched."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import struct
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from sartor.profiler.provision import bundle as bundle_module
from sartor.profiler.provision import bundle_fetch
from sartor.profiler.provision.bundle import MANIFEST, Bundle, build_bundle, tar_of
from sartor.profiler.provision.bundle_contents import Entry, bundle_tree
from sartor.profiler.provision.bundle_fetch import fetch_sources
from sartor.profiler.provision.bundle_lock import ARCHITECTURES, Recipe, Source, find_recipe
from sartor.tables.errors import OutputError, RuntimeMissingError, UnknownNameError

from ...real.bundle import built_bundle

SHA256 = {
    ("litert", "aarch64"): "bec7b539ec3d2466ba9c0f9014c4a0bff46c4cae17ac009fdf0d6c307e0394b2",
    ("litert", "x86_64"): "b4121dfedf845732fa9655ddfc56a9d975c7c463f1242c42d2791e11e89d0cb1",
    ("onnxruntime", "aarch64"): "0c755eee46bed02f4bf2b31d4a4e49d2d8a94355ffa877f79acc2eef61e249d4",
    ("onnxruntime", "x86_64"): "00a2f3a24a23c1ff456e7ace6a03588647a975e835dcc74d4bd84cfee092b5ba",
}
"""Of the tar archives that today's pins give, on whatever host."""


def silent(_: str) -> None:
    pass


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_bundle_is_the_same_on_every_host(architecture: str) -> None:
    assert built_bundle(architecture).sha256 == SHA256["litert", architecture]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_another_runtimes_bundle_is_the_same_on_every_host(architecture: str) -> None:
    bundle = built_bundle(architecture, "onnxruntime")
    assert bundle.sha256 == SHA256["onnxruntime", architecture]
    assert bundle.size < 36e6


def test_phones_with_larger_pages_can_load_all_of_it() -> None:
    aligned = set()
    with tarfile.open(built_bundle("aarch64").archive) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and (head := file.read(64)).startswith(b"\x7fELF\2\1"):
                at, size, count = (*struct.unpack_from("<Q", head, 32), *_sizes(head))
                file.seek(at)
                table = file.read(size * count)
                segments = (table[size * each : size * (each + 1)] for each in range(count))
                aligned |= {
                    struct.unpack_from("<Q", segment, 48)[0]
                    for segment in segments
                    if struct.unpack_from("<I", segment)[0] == _LOAD
                }
    assert aligned
    assert min(aligned) >= 16384


_LOAD = 1
"""The kind of segments of a program that are mapped (elf(5))."""


def _sizes(head: bytes) -> tuple[int, int]:
    """Read the size of a program header, and how many there are."""
    size, count = struct.unpack_from("<HH", head, 54)
    return int(size), int(count)


def test_a_bundle_is_the_same_when_it_is_built_again(bundle: Bundle) -> None:
    sources = fetch_sources(bundle.recipe, bundle.archive.parent / "sources", silent)
    tree = bundle_tree(bundle.recipe, sources)
    with gzip.open(bundle.archive) as archive:
        packed = archive.read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as members:
        manifest = members.extractfile(MANIFEST)
        assert manifest is not None
        tree[MANIFEST] = Entry(manifest.read())
    assert hashlib.sha256(tar_of(tree)).hexdigest() == bundle.sha256


def test_what_is_in_a_bundle(bundle: Bundle) -> None:
    with tarfile.open(bundle.archive) as archive:
        members = archive.getmembers()
    names = [member.name for member in members]
    assert names[-1] == MANIFEST
    assert len(set(names)) == len(names)
    # Nothing but plain files and folders, all below, and nobody's.
    assert all(member.isfile() or member.isdir() for member in members)
    assert not any(name.startswith("/") or ".." in name.split("/") for name in names)
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {
        (0, 0, "", 315_532_800)
    }
    assert {member.mode for member in members} == {0o755, 0o644}
    runs = [member.name for member in members if member.isfile() and member.mode == 0o755]
    assert runs == ["bin/python3", "lib/ld-linux-x86-64.so.2", "run", "run-linux"]
    for package in bundle.recipe.packages:
        licensed = f"licenses/{package.name}" in names
        # These have theirs in a package that they need.
        assert licensed or package.name in {"libgcc-s1", "libstdc++6", "libpython3.11-stdlib"}
    for wheel in ("ai_edge_litert", "numpy"):
        assert any(f"/{wheel}-" in name and "LICENSE" in name for name in names)
    assert sum(member.size for member in members) < 100e6
    assert bundle.size < 32e6


def test_a_bundle_names_its_parts(bundle: Bundle) -> None:
    pairs = dict(bundle.pairs)
    assert pairs["bundle"] == bundle.sha256
    assert pairs["ai-edge-litert"] == "2.3.0"
    assert list(pairs) == sorted(pairs)


def test_names_that_there_are_no_bundles_of() -> None:
    with pytest.raises(UnknownNameError, match="known: litert, onnxruntime"):
        find_recipe("torch", "aarch64")
    with pytest.raises(UnknownNameError, match="known: aarch64, x86_64"):
        find_recipe("litert", "armv7l")


@pytest.fixture
def small(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe of one little package, without wheels."""
    packages = tuple(each for each in bundle.recipe.packages if each.name == "libffi8")
    recipe = replace(bundle.recipe, packages=packages, wheels=())
    monkeypatch.setattr(bundle_module, "find_recipe", lambda *_: recipe)
    return recipe


@pytest.fixture
def kept(bundle: Bundle, small: Recipe, tmp_path: Path) -> Path:
    """A folder for bundles that holds all sources."""
    folder = tmp_path / "bundles"
    (folder / "sources").mkdir(parents=True)
    for path in (bundle.archive.parent / "sources").glob("*libffi8*amd64*"):
        shutil.copy(path, folder / "sources")
    return folder


def test_a_bundle_is_built_once(kept: Path, small: Recipe) -> None:
    told: list[str] = []
    first = build_bundle("litert", "x86_64", kept, told.append)
    assert told == ["putting the litert bundle for x86_64 together"]
    assert build_bundle("litert", "x86_64", kept, told.append) == first
    assert len(told) == 1
    assert sorted(path.name for path in kept.iterdir()) == sorted(
        [first.archive.name, first.archive.name.replace(".tar.gz", ".json"), "lock", "sources"]
    )


@pytest.mark.parametrize("damage", ["truncate", "overwrite", "remove", "note"])
def test_a_damaged_bundle_is_built_again(kept: Path, small: Recipe, damage: str) -> None:
    first = build_bundle("litert", "x86_64", kept)
    note = first.archive.with_name(first.archive.name.replace(".tar.gz", ".json"))
    whole = first.archive.read_bytes()
    if damage == "truncate":
        first.archive.write_bytes(whole[:-1])
    elif damage == "overwrite":
        first.archive.write_bytes(b"x" * len(whole))
    elif damage == "remove":
        first.archive.unlink()
    else:
        note.write_text(json.dumps([]))
    assert build_bundle("litert", "x86_64", kept) == first
    assert first.archive.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_told(small: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="set XDG_CACHE_HOME"):
        build_bundle("litert", "x86_64", tmp_path / "file")


class Mirror(SimpleHTTPRequestHandler):
    """Serves a folder, whose names are addresses, and says nothing about it."""

    def translate_path(self, path: str) -> str:
        return str(Path(self.directory) / unquote(path).replace("/", "_"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        pass


@contextmanager
def mirror(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The only mirror of Debian that there is, and its archive: a folder on loopback."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with mirror(folder) as url:
        monkeypatch.setenv("SARTOR_DEBIAN_MIRROR", f"{url}/debian/")
        monkeypatch.setattr(bundle_fetch, "_APT_HELPER", Path("/nothing"))
        monkeypatch.setattr(bundle_fetch, "_MIRRORS", ())
        monkeypatch.setattr(bundle_fetch, "_ARCHIVE", f"{url}/archive")
        yield folder


CONTENT = b"a package"
PACKAGE = Source(
    name="p+q",
    version="1",
    path="pool/p+q_1.deb",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    sha1=hashlib.sha1(CONTENT, usedforsecurity=False).hexdigest(),
)


def recipe_of(*packages: Source, wheels: tuple[Source, ...] = ()) -> Recipe:
    return Recipe("litert", "x86_64", "3.11", "m", packages, wheels)


def test_packages_come_from_a_mirror(alone: Path, tmp_path: Path) -> None:
    (alone / "_debian_pool_p+q_1.deb").write_bytes(CONTENT)
    recipe, told = recipe_of(PACKAGE), list[str]()
    assert fetch_sources(recipe, tmp_path / "kept", told.append) == {PACKAGE: CONTENT}
    assert fetch_sources(recipe, tmp_path / "kept", told.append) == {PACKAGE: CONTENT}
    assert told == ["fetching p+q 1"]


def test_old_packages_come_from_the_archive(alone: Path, tmp_path: Path) -> None:
    # The mirror has another file by now, and it is longer.
    (alone / "_debian_pool_p+q_1.deb").write_bytes(CONTENT + b" and more")
    (alone / f"_archive_{PACKAGE.sha1}").write_bytes(CONTENT)
    assert fetch_sources(recipe_of(PACKAGE), tmp_path / "kept", silent) == {PACKAGE: CONTENT}


def test_packages_that_cannot_be_had_are_told(alone: Path, tmp_path: Path) -> None:
    (alone / "_debian_pool_p+q_1.deb").write_bytes(b"something else")
    with pytest.raises(RuntimeMissingError) as caught:
        fetch_sources(recipe_of(PACKAGE), tmp_path / "kept", silent)
    assert "it is another file than the one that is pinned" in str(caught.value)
    assert f"{PACKAGE.sha1}: status 404" in str(caught.value)
    assert "set SARTOR_DEBIAN_MIRROR" in str(caught.value)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_mirror_is_an_address_of_the_web(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARTOR_DEBIAN_MIRROR", "file:///etc")
    with pytest.raises(RuntimeMissingError, match="not an address of the web"):
        fetch_sources(recipe_of(PACKAGE), tmp_path / "kept", silent)


def test_apt_knows_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "sources.list", tmp_path / "sources.list.d"
    old.write_text(
        "# deb http://not.example/debian x main\n"
        "deb [signed-by=/k.gpg] http://one.example/debian bookworm main\n"
        "deb http://other.example/ubuntu noble main\n"
    )
    new.mkdir()
    (new / "debian.sources").write_text(
        "Types: deb\nURIs: https://two.example/debian/\nSuites: bookworm\n"
    )
    monkeypatch.setattr(bundle_fetch, "_APT_SOURCES", (old, new))
    assert bundle_fetch._apt_mirrors() == [
        "http://one.example/debian",
        "https://two.example/debian",
    ]


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A little wheel in a folder that is all that pip knows."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / "little-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("little.py", "")
        archive.writestr(
            "little-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: little\nVersion: 1.0\n"
        )
        archive.writestr("little-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("little-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    content = path.read_bytes()
    return Source("little", "1.0", path.name, len(content), hashlib.sha256(content).hexdigest())


def test_wheels_come_by_pip(wheel: Source, tmp_path: Path) -> None:
    found = fetch_sources(recipe_of(wheels=(wheel,)), tmp_path / "kept", silent)
    assert hashlib.sha256(found[wheel]).hexdigest() == wheel.sha256


def test_another_wheel_than_the_pinned_one_is_not_taken(wheel: Source, tmp_path: Path) -> None:
    other = replace(wheel, sha256="0" * 64)
    with pytest.raises(RuntimeMissingError, match=r"(?s)cannot fetch little-1.0.*pip says"):
        fetch_sources(recipe_of(wheels=(other,)), tmp_path / "kept", silent)
    assert list((tmp_path / "kept").iterdir()) == []
