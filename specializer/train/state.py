"""Where a training run stands: weights, their average, optimizer, phase and step, in one file."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import torch
from torch import Tensor

from ...tables.atomic import write_atomically
from ...tables.errors import CheckpointError
from ..supernets.elastic import ElasticMobileNetV3


class TrainingState:
    """The mutable heart of a run.

    Attributes:
        supernet: being trained.
        average: exponential moving average of its weights over the phase under way.
        optimizer: a new one for each phase.
        phase: index of the phase under way; the number of phases when all is done.
        step: how many steps of the phase are done.
    """

    def __init__(
        self, supernet: ElasticMobileNetV3, weight_decay: float, average_decay: float
    ) -> None:
        self.supernet = supernet
        self.average = copy.deepcopy(supernet).requires_grad_(requires_grad=False)
        self.phase, self.step = 0, 0
        self._weight_decay, self._average_decay = weight_decay, average_decay
        self.optimizer = self._new_optimizer()

    def next_phase(self) -> None:
        """Go on to the first step of the next phase."""
        self.phase, self.step = self.phase + 1, 0
        self.optimizer = self._new_optimizer()

    @torch.no_grad()
    def restart_average(self) -> None:
        """Let the average begin anew with the weights as they are."""
        self.average.load_state_dict(self.supernet.state_dict())

    @torch.no_grad()
    def update_average(self) -> None:
        """Take the weights into the average; the first steps of a phase count for more."""
        decay = min(self._average_decay, (1 + self.step) / (10 + self.step))
        pairs = zip(self.average.parameters(), self.supernet.parameters(), strict=True)
        for averaged, weight in pairs:
            averaged.lerp_(weight, 1 - decay)

    @torch.no_grad()
    def is_sound(self) -> bool:
        """Whether every weight is a number that half precision, which files are in, can hold."""
        return all(bool(weight.half().isfinite().all()) for weight in self.supernet.parameters())

    def save(self, path: Path) -> None:
        """Write the state whole or not at all; OutputError when it cannot be written."""
        buffer = io.BytesIO()
        torch.save(
            {
                "phase": self.phase,
                "step": self.step,
                "supernet": self.supernet.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
            buffer,
        )
        write_atomically(path, buffer.getvalue())

    def resume(self, path: Path) -> bool:
        """Load what ``save`` wrote; False where there is nothing to resume.

        Raises:
            CheckpointError: the file is damaged, or another supernet's.
        """
        if not path.exists():
            return False
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            self.supernet.load_state_dict(saved["supernet"])
            self.average.load_state_dict(saved["average"])
            self.optimizer = self._new_optimizer()
            self.optimizer.load_state_dict(saved["optimizer"])
            self.phase, self.step = int(saved["phase"]), int(saved["step"])
        except Exception as error:  # what a damaged pickle can raise, nobody has listed
            reason = str(error).partition("\n")[0]
            raise CheckpointError(
                f"{path} cannot be resumed ({reason}); remove it to start the run anew"
            ) from error
        return True

    def _new_optimizer(self) -> torch.optim.Optimizer:
        decayed: list[Tensor] = []
        free: list[Tensor] = []
        for name, parameter in self.supernet.named_parameters():
            matrix = name.endswith("_matrix")  # starts as the identity: decay would undo that
            (decayed if parameter.dim() > 1 and not matrix else free).append(parameter)
        groups = [
            {"params": decayed, "weight_decay": self._weight_decay},
            {"params": free, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=0.0)
