"""What a bundle holds: a tree of files, chosen from Debian packages and wheels.

A phone has no Python, and its C library runs no program that was built for another. So the bundle
brings a C library along, with the loader that starts programs of it. Nothing in it knows where it
lies: ``run`` starts Python through that loader, wherever the folder was put.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .bundle_deb import DebianFiles
from .bundle_lock import LOADERS, Recipe, Source

_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "libc6": (
        "libc.so.6",
        "libdl.so.2",
        "libm.so.6",
        "libpthread.so.0",
        "libresolv.so.2",
        "librt.so.1",
        "libutil.so.1",
    ),
    "libexpat1": ("libexpat.so.1",),
    "libffi8": ("libffi.so.8",),
    "libgcc-s1": ("libgcc_s.so.1",),
    "libstdc++6": ("libstdc++.so.6",),
    "zlib1g": ("libz.so.1",),
}
"""The shared libraries that Python, NumPy and the runtimes load, by package."""

_UNNEEDED_MODULES = re.compile(
    r"(test|idlelib|lib2to3|tkinter|turtledemo|pydoc_data|ensurepip|distutils|venv|sqlite3|curses"
    r"|dbm|msilib|config-[^/]*|__pycache__)/"
    r"|turtle\.py|pydoc\.py|sitecustomize\.py|EXTERNALLY-MANAGED"
    # Extensions whose libraries are left out, and what Python tests itself with.
    r"|lib-dynload/(_bz2|_lzma|_crypt|_curses|_dbm|_hashlib|_ssl|_sqlite3|_uuid|nis|readline"
    r"|ossaudiodev|audioop|_codecs_|_multibytecodec|_test|_ctypes_test|_xxtest|xxlimited)"
)
"""Of the standard library. Hashes need no OpenSSL: Python has its own."""

_UNNEEDED_IN_WHEELS = re.compile(
    r"(^|/)(tests?|__pycache__)/|\.pyi$|\.dist-info/(RECORD|WHEEL|entry_points\.txt)$"
    r"|^ai_edge_litert/(vendors|aot|tools|libLiteRtWebGpuAccelerator|libLiteRt\.so)"
    r"|^onnxruntime/(transformers|quantization|tools|datasets|backend|capi/libonnxruntime\.so)"
    r"|^numpy/(f2py|_core/include|_core/lib|_pyinstaller|distutils|doc)/"
    r"|^numpy/_core/[^/]*_tests[^/]*\.so$|^numpy/_core/_simd\.[^/]*\.so$"
)
"""Of NumPy and the runtimes: compilers for other chips, headers, tests."""

_RUN = """#!{shell}
# Starts the bundle's Python through the bundle's own loader, from wherever this folder lies.
H=${{0%/*}}
case $H in /*) ;; *) H=$PWD/$H ;; esac
unset LD_PRELOAD LD_LIBRARY_PATH LD_CONFIG_FILE LD_AUDIT LD_DEBUG PYTHONSTARTUP PYTHONEXECUTABLE
: "${{TMPDIR:=$H/tmp}}"
: "${{PYTHONDONTWRITEBYTECODE=1}}"
export TMPDIR PYTHONDONTWRITEBYTECODE
# UTF-8 by Python's own means: some shells complain of locales that they do not know.
PYTHONHOME=$H PYTHONNOUSERSITE=1 PYTHONUTF8=1 PYTHONCOERCECLOCALE=0 HOME=$H \\
SARTOR_BUNDLE_RUN=$H/${{0##*/}} \\
exec "$H/lib/{loader}" --library-path "$H/lib" --argv0 "$H/bin/python3" "$H/bin/python3" "$@"
"""

_SITE = '''"""What Python starts by its own name is started as it was itself: by ``run``."""

import os
import sys

if os.environ.get("SARTOR_BUNDLE_RUN"):
    sys.executable = os.environ["SARTOR_BUNDLE_RUN"]
'''

_NOTICE = """This folder was put together by Sartor on the host that pushed it.

It holds, unchanged, files of these Debian packages (their licenses are in this folder, by package;
their sources at https://sources.debian.org and https://snapshot.debian.org):

{packages}

and of these wheels from https://pypi.org (their licenses are in lib/python3/dist-packages, in the
folders that end in .dist-info):

{wheels}
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a bundle."""

    content: bytes
    executable: bool = False


def bundle_tree(recipe: Recipe, sources: Mapping[Source, bytes]) -> dict[str, Entry]:
    """Choose the files of a bundle.

    Args:
        recipe: what it is made of.
        sources: the content of each source.

    Returns:
        Entries by path in the bundle, sorted.
    """
    tree: dict[str, Entry] = {}
    for source in recipe.packages:
        tree.update(_of_package(source, DebianFiles(sources[source]), recipe))
    for source in recipe.wheels:
        tree.update(_of_wheel(sources[source]))
    tree.update(_own(recipe))
    return dict(sorted(tree.items()))


def _of_package(source: Source, files: DebianFiles, recipe: Recipe) -> Iterator[tuple[str, Entry]]:
    loader = LOADERS[recipe.architecture]
    wanted = {*_LIBRARIES.get(source.name, ()), *((loader,) if source.name == "libc6" else ())}
    python = f"python{recipe.python}"
    for path in files:
        name = posixpath.basename(path)
        if name in wanted:
            yield f"lib/{name}", Entry(files.read(path), executable=name == loader)
        elif path == f"/usr/share/doc/{source.name}/copyright":
            yield f"licenses/{source.name}", Entry(files.read(path))
        elif path == f"/usr/bin/{python}":
            yield "bin/python3", Entry(files.read(path), executable=True)
        elif path.startswith(f"/usr/lib/{python}/"):
            inside = path.removeprefix(f"/usr/lib/{python}/")
            if not _UNNEEDED_MODULES.match(inside):
                yield f"lib/{python}/{inside}", Entry(files.read(path))


def _of_wheel(wheel: bytes) -> Iterator[tuple[str, Entry]]:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        for info in archive.infolist():
            if not info.is_dir() and not _UNNEEDED_IN_WHEELS.search(info.filename):
                # Where Debian's Python looks for packages, relative to its home.
                yield f"lib/python3/dist-packages/{info.filename}", Entry(archive.read(info))


def _own(recipe: Recipe) -> Iterator[tuple[str, Entry]]:
    loader = LOADERS[recipe.architecture]
    for name, shell in (("run", "/system/bin/sh"), ("run-linux", "/bin/sh")):
        yield name, Entry(_RUN.format(shell=shell, loader=loader).encode(), executable=True)
    yield f"lib/python{recipe.python}/sitecustomize.py", Entry(_SITE.encode())
    notice = _NOTICE.format(packages=_listed(recipe.packages), wheels=_listed(recipe.wheels))
    yield "licenses/NOTICE", Entry(notice.encode())
    yield "tmp/.keep", Entry(b"")


def _listed(sources: tuple[Source, ...]) -> str:
    return "\n".join(
        f"    {source.name} {source.version}\n        sha256 {source.sha256}" for source in sources
    )
