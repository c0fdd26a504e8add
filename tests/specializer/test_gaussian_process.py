from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sartor.specializer.accuracy.features import feature_starts, one_hot
from sartor.specializer.accuracy.gaussian_process import GaussianProcess
from sartor.specializer.accuracy.kernel import LEVEL, SMOOTH, Kernel
from sartor.specializer.accuracy.likelihood import likeliest_kernel
from sartor.specializer.accuracy.pooling import COMPONENTS, columns, pools
from sartor.specializer.space import Axis, Population, SearchSpace, Slot
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import CheckpointError

from .toy import space_of

SPACE = space_of(3, ((3, 2), 1), ((2, 2), 0))
AXES = SearchSpace.of_axes(
    "axes",
    (Axis("resolution", ("96", "128", "160")), Axis("width", ("w65", "w100"))),
    ((Slot("a", ("k3e3", "k5e3")), Slot("b", ("k3e3", "k5e6"), optional=True)),),
)


def kernel(rng: np.random.Generator) -> Kernel:
    return Kernel(
        rng.uniform(0.01, 0.5, len(COMPONENTS)), 0.4, rng.uniform(0.05, 0.5, len(SMOOTH)), 0.1
    )


def some(space: SearchSpace, count: int, seed: int) -> Population:
    return np.unique(space.random(count, np.random.default_rng(seed)), axis=0)


@pytest.mark.parametrize("space", [SPACE, AXES, MobileNetV3(resolutions=(96, 128)).space])
def test_predictions_are_those_of_the_textbook(space: SearchSpace) -> None:
    """Rasmussen and Williams, equations 2.25 and 2.26, over the kernel written out by pairs."""
    rng = np.random.default_rng(0)
    known, asked = some(space, 12, 1), some(space, 7, 2)
    accuracies, used = rng.uniform(0.6, 0.8, len(known)), kernel(rng)

    features = [one_hot(space, part).astype(float) for part in (known, asked)]
    counts = []
    for pool in pools(space):
        middle = (features[0] @ pool).mean(axis=0)
        unit = np.sqrt((((features[0] @ pool) - middle) ** 2).sum(axis=1).mean()) or 1.0
        counts.append([(part @ pool - middle) / unit for part in features])

    def covariance(one: tuple[int, int], other: tuple[int, int]) -> float:
        pairs = [(c[one[0]][one[1]], c[other[0]][other[1]]) for c in counts]
        shared = sum(v * float(a @ b) for v, (a, b) in zip(used.additive, pairs, strict=True))
        apart = [float(((pairs[index][0] - pairs[index][1]) ** 2).sum()) for index in SMOOTH]
        return float(LEVEL + shared + used.smooth * np.exp(-used.bends @ np.array(apart)))

    many = range(len(known))
    within = np.array([[covariance((0, i), (0, j)) for j in many] for i in many])
    within += used.noise * np.eye(len(known))
    mean, unit = accuracies.mean(), accuracies.std()
    pull = np.linalg.solve(within, (accuracies - mean) / unit)
    predicted, deviations = GaussianProcess(space, known, accuracies, used).predict_with_deviation(
        asked
    )
    for index in range(len(asked)):
        towards = np.array([covariance((1, index), (0, i)) for i in many])
        left = covariance((1, index), (1, index)) - towards @ np.linalg.solve(within, towards)
        assert predicted[index] == pytest.approx(mean + unit * towards @ pull, abs=1e-5)
        assert deviations[index] == pytest.approx(unit * np.sqrt(left + used.noise), rel=1e-4)


def test_far_from_all_that_is_known_less_is_known() -> None:
    space = MobileNetV3(resolutions=(96, 128, 160)).space
    known = some(space, 60, 3)
    known[:, 0] = 0
    accuracies = 0.7 + 0.001 * known.sum(axis=1)
    process = GaussianProcess(space, known, accuracies, likeliest_kernel(space, known, accuracies))
    elsewhere = known.copy()
    elsewhere[:, 0] = 2
    _, near = process.predict_with_deviation(known)
    _, far = process.predict_with_deviation(elsewhere)
    assert near.max() < far.min()


def test_noise_is_the_part_of_a_deviation_that_stays() -> None:
    rng = np.random.default_rng(8)
    known = some(SPACE, 12, 7)
    process = GaussianProcess(SPACE, known, rng.uniform(0.6, 0.8, len(known)), kernel(rng))
    _, deviations = process.predict_with_deviation(some(SPACE, 30, 9))
    assert 0 < process.noise < deviations.min()
    silent = replace(process, kernel=replace(process.kernel, noise=1e-9))
    _, deviations = silent.predict_with_deviation(known)
    assert deviations.max() < 1e-4
    assert silent.predict(known) == pytest.approx(silent.accuracies, abs=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_the_likeliest_noise_is_that_which_there_is(share: float) -> None:
    space, rng = MobileNetV3(resolutions=(96,)).space, np.random.default_rng(4)
    population = some(space, 200, 5)
    features = one_hot(space, population)
    worth = features @ rng.normal(0, 1, features.shape[1])
    noise = np.sqrt(share / (1 - share)) * worth.std() * rng.standard_normal(len(worth))
    found = likeliest_kernel(space, population, 0.7 + 0.01 * (worth + noise))
    assert share / 3 < found.noise < share * 2


def test_every_choice_counts_towards_what_it_has_in_common() -> None:
    space = MobileNetV3(resolutions=(96, 128)).space
    network = np.array(
        [
            space.parse(
                "128:k7e6.k5e4.-.-|k3e3.k3e3.-.-|k3e3.k3e3.-.-|k3e3.k3e3.-.-|k7e6.k3e4.k7e3.-"
            )
        ]
    )
    features = one_hot(space, network.astype(np.int16)).astype(float)
    found = dict(zip(COMPONENTS, ((features @ pool)[0] for pool in pools(space)), strict=True))
    assert found["context"].tolist() == [0, 1]
    assert found["order"].tolist() == [1]
    assert found["blocks"].tolist() == [11]
    assert found["stage"].tolist() == [2, 2, 2, 2, 3]
    assert sorted(found["trait"].tolist()) == [1, 2, 2, 3, 7, 7]  # k5, e6, e4, k7, k3, e3
    assert found["choice in a slot"].sum() == 11
    assert found["trait in a slot"].sum() == 22
    assert {column.index for column in columns(space)} == set(
        range(2, int(feature_starts(space)[-1]))
    )


def test_axes_of_a_context_stand_apart() -> None:
    population = np.array([[0, 1, 0], [3, 1, 0], [5, 2, 2]], np.int16)
    features = one_hot(AXES, population).astype(float)
    order = features @ pools(AXES)[COMPONENTS.index("order")]
    assert order.tolist() == [[-1, -1], [0, 1], [1, 1]]


def test_impossible_parts_are_refused() -> None:
    rng = np.random.default_rng(6)
    known = some(SPACE, 12, 7)
    process = GaussianProcess(SPACE, known, rng.uniform(0.6, 0.8, len(known)), kernel(rng))
    strange = known.copy()
    strange[0, 0] = 9
    for change, complaint in (
        ({"population": strange}, "strange network"),
        ({"population": known[1:]}, "as many accuracies"),
        ({"accuracies": np.full(len(known), np.inf)}, "not finite"),
        ({"kernel": replace(process.kernel, noise=0.0)}, "not all positive"),
        ({"kernel": replace(process.kernel, smooth=-1.0)}, "not all positive"),
        ({"kernel": replace(process.kernel, additive=np.ones(3))}, "one variance for each"),
    ):
        with pytest.raises(CheckpointError, match=complaint):
            replace(process, **change)
