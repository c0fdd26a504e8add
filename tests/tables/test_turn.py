from __future__ import annotations

import threading
import time

import pytest

from sartor.tables.turn import Turn


def waiter(turn: Turn, order: list[int], number: int) -> threading.Thread:
    """Start a thread that waits for its turn, and return once it does."""

    def wait() -> None:
        with turn.taken(60):
            order.append(number)

    thread = threading.Thread(target=wait)
    thread.start()
    while len(turn._waiting) < number + 1:
        time.sleep(0.001)
    return thread


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turn, order = Turn(), list[int]()
    with turn.taken(1):
        threads = [waiter(turn, order, number) for number in range(8)]
        assert order == []
    for thread in threads:
        thread.join()
    assert order == list(range(8))
    with turn.taken(1):
        pass


def test_who_waits_too_long_leaves_the_queue() -> None:
    turn, order = Turn(), list[int]()
    with turn.taken(1):
        with pytest.raises(TimeoutError), turn.taken(0.01):
            pass
        thread = waiter(turn, order, 0)
    thread.join()
    assert order == [0]


def test_an_error_gives_the_turn_back() -> None:
    turn = Turn()
    with pytest.raises(KeyError), turn.taken(1):
        raise KeyError
    with turn.taken(1):
        pass


def test_only_one_at_a_time() -> None:
    turn, inside, most = Turn(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with turn.taken(60):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)
