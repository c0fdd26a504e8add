"""Convert programs exported by torch to TFLite, with Google's converter.

``converter.py`` runs this with the Python of the converter's own environment::

    python google_converter.py NETWORK.pt2 CHANNELS_FIRST.tflite CHANNELS_LAST.tflite
"""

from __future__ import annotations

import sys

import litert_torch  # type: ignore[import-not-found]  # only in its own environment
import torch
from torch import Tensor, nn


class Loaded(nn.Module):
    """An exported program as a module that other modules may wrap."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        super().__init__()
        self.program = program.module()

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits from (1, 3, size, size)."""
        logits: Tensor = self.program(images)
        return logits


def main(source: str, channels_first: str, channels_last: str) -> None:
    """Write the network twice: as it is, and with its input's channels last."""
    program = torch.export.load(source)
    ((images,), _) = program.example_inputs
    network = Loaded(program)
    litert_torch.convert(network, (images,)).export(channels_first)
    wrapped = litert_torch.to_channel_last_io(network, args=[0])
    images_last = images.permute(0, 2, 3, 1).contiguous()
    litert_torch.convert(wrapped, (images_last,)).export(channels_last)


if __name__ == "__main__":
    main(*sys.argv[1:])
