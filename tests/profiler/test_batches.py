from __future__ import annotations

import numpy as np

from sartor.profiler.batches import ENOUGH_MB, VISITS, Item, make_batches
from sartor.profiler.plan import make_plan
from sartor.profiler.reference import reference_graph
from sartor.tables.operator import Operator
from sartor.tables.subject import Network

SMALL = tuple(
    Operator.parse(f"conv2d/{channels}x8x8/kernel=1,out=16,stride=1/relu/float32")
    for channels in range(1, 200)
)
LARGE = tuple(
    Operator.parse(f"depthwise_conv2d/{channels}x112x112/kernel=3,stride=1/relu/float32")
    for channels in range(90, 100)
)
TARGETS = make_plan((*SMALL, *LARGE), [reference_graph()]).targets
ITEMS = [
    Item(target.subject, lambda: b"", target.memory_mb, alone=isinstance(target.subject, Network))
    for target in TARGETS
]


def test_every_item_is_in_one_batch_and_a_network_alone_in_several() -> None:
    batches = make_batches(ITEMS, np.random.default_rng(0))
    subjects = [str(item.key) for batch in batches for item in batch.items]
    visits = [str(item.key) for item in ITEMS for _ in range(VISITS if item.alone else 1)]
    assert sorted(subjects) == sorted(visits)
    for batch in batches:
        whole = any(isinstance(item.key, Network) for item in batch.items)
        assert batch.alone == whole
        assert len(batch.items) <= (1 if whole else 128)


def test_a_batch_and_what_is_read_beside_it_take_enough_memory() -> None:
    for batch in make_batches(ITEMS, np.random.default_rng(0)):
        taken_mb = sum(item.memory_mb for item in batch.items)
        assert taken_mb + batch.evict_mb >= ENOUGH_MB
        assert batch.evict_mb == 0 or taken_mb < ENOUGH_MB
    target, *_ = make_plan(LARGE[:1]).targets  # and calls
    # 90 maps of 112 x 112 floats, read and written, and the weights.
    assert target.memory_mb == 4 * (2 * 90 * 112 * 112 + 90 * 10) / 1e6


def test_the_order_is_random_and_the_same_for_the_same_generator() -> None:
    one, same, other = (make_batches(ITEMS, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_batches_lose_items_and_are_halved() -> None:
    batch = max(make_batches(ITEMS, np.random.default_rng(0)), key=lambda b: len(b.items))
    first, second = batch.halves()
    assert (*first.items, *second.items) == batch.items
    gone = {item.key for item in first.items}
    assert batch.without(gone) == second
