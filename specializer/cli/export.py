"""``sartor export``: a specialized network as model files."""

from __future__ import annotations

from .options import FolderArgument, JsonOption, RuntimesOption, chosen_runtimes
from .output import note, print_json, print_table


def export(
    folder: FolderArgument, *, runtime: RuntimesOption = None, as_json: JsonOption = False
) -> None:
    """Write a specialized network as model.tflite and model.onnx."""
    from ..export import export as write
    from ..specialization import load_specialization

    runtimes = chosen_runtimes(runtime)
    artefacts = write(load_specialization(folder), folder, runtimes)
    if as_json:
        print_json(
            [
                {"runtime": a.runtime, "path": str(a.path), "size_bytes": a.size_bytes}
                for a in artefacts
            ]
        )
        return
    print_table(
        "Exported",
        ("file", "runtime", "size"),
        ((a.path, a.runtime, f"{a.size_bytes / 1e6:.1f} MB") for a in artefacts),
    )
    note(f"prove it with: sartor verify {folder}")
