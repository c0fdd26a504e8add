"""Debian's own packages, read by us and by dpkg."""

from __future__ import annotations

import io
import lzma
import shutil
import subprocess
import tarfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.profiler.provision.bundle import Bundle
from sartor.profiler.provision.bundle_deb import DebianFiles
from sartor.tables.errors import FormatError


def packed(*members: tuple[str, bytes]) -> bytes:
    """Write an ar archive."""
    content = b"!<arch>\n"
    for name, data in members:
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        content += data + b"\n" * (len(data) % 2)
    return content


def tar(*members: tarfile.TarInfo) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:xz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return content.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize("name", ["zlib1g", "libstdc++6"])
def test_a_package_is_read_as_dpkg_reads_it(bundle: Bundle, name: str) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    (source,) = (each for each in bundle.recipe.packages if each.name == name)
    folder = bundle.archive.parent / "sources"
    path = folder / f"{source.sha256[:16]}-{Path(source.path).name}"
    files = DebianFiles(path.read_bytes())
    listed = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(path)], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(listed)) as archive:
        plain = {member.name[1:]: member for member in archive if member.isfile()}
        assert plain
        for path_there, member in plain.items():
            extracted = archive.extractfile(member)
            assert extracted is not None
            assert files.read(path_there) == extracted.read()
            assert files.is_executable(path_there) == bool(member.mode & 0o100)
    assert plain.keys() <= set(files)


def test_links_lead_to_files_and_never_in_circles() -> None:
    file = tarfile.TarInfo("./usr/lib/libz.so.1.2")
    file.size = 3
    members = (
        file,
        link("./usr/lib/libz.so.1", "libz.so.1.2"),
        link("./lib/z", "/usr/lib/libz.so.1"),
        link("./lib/up", "../../../../usr/lib/libz.so.1.2"),
        link("./lib/nowhere", "/etc/shadow"),
        link("./lib/a", "b"),
        link("./lib/b", "a"),
    )
    files = DebianFiles(packed(("debian-binary", b"2.0\n"), ("data.tar.xz", tar(*members))))
    assert list(files) == ["/lib/up", "/lib/z", "/usr/lib/libz.so.1", "/usr/lib/libz.so.1.2"]
    assert files.read("/lib/z") == files.read("/lib/up") == b"xxx"
    with pytest.raises(KeyError):
        files.read("/lib/a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with"),
        (b"PK\3\4", "begins with"),
        (packed(("debian-binary", b"2.0\n")), "without data.tar"),
        (packed(("data.tar.xz", b"nothing of the kind")), "cannot be unpacked"),
        (packed(("data.tar.xz", tar(tarfile.TarInfo("x"))[:40])), "cannot be unpacked"),
        (packed(("data.tar.xz", b"xx"))[:-1], "ends too early"),
        (b"!<arch>\n" + b"x" * 60, "no header"),
    ],
)
def test_what_is_no_package_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        DebianFiles(content)


@given(st.binary(max_size=300), st.integers(0, 200))
def test_damaged_packages_are_read_or_refused(junk: bytes, at: int) -> None:
    whole = packed(("data.tar.xz", lzma.compress(b"\0" * 10240)))
    try:
        files = DebianFiles(whole[:at] + junk + whole[at + len(junk) :])
    except FormatError:
        return
    assert list(files) == []
