"""Spools: bytes on their way, numbered, kept until they have arrived."""

from __future__ import annotations


class Spool:
    """A queue of bytes with numbers, from one end of which they are dropped once they arrived.

    Attributes:
        start: number of the first byte that is kept.
    """

    def __init__(self) -> None:
        self.start = 0
        self._content = bytearray()

    def __len__(self) -> int:
        return len(self._content)

    @property
    def end(self) -> int:
        """The number of the byte that comes next."""
        return self.start + len(self._content)

    def add(self, content: bytes) -> None:
        """Put bytes at the end."""
        self._content += content

    def drop(self, number: int) -> None:
        """Forget all bytes before a number; ValueError where there is no byte of that number."""
        if not self.start <= number <= self.end:
            raise ValueError(f"byte {number} is not among {self.start} to {self.end}")
        del self._content[: number - self.start]
        self.start = number

    def read(self, number: int, size: int) -> bytes:
        """Return some bytes from a number on; fewer where there are no more."""
        first = number - self.start
        return bytes(self._content[first : first + size])
