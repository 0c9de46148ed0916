"""Lists in which equal values stand once, and are named by their place."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Interned"]

_T = TypeVar("_T", bound=Hashable)


class Interned(Generic[_T]):
    """A list in which equal values stand once.

    >>> words = Interned()
    >>> [words.place(word) for word in ("on", "off", "on")], words.values()
    ([0, 1, 0], ['on', 'off'])
    """

    def __init__(self) -> None:
        self._places: dict[_T, int] = {}

    def place(self, value: _T) -> int:
        """Return where the value stands; it is added if it is new."""
        return self._places.setdefault(value, len(self._places))

    def values(self) -> list[_T]:
        """Return all values, each at its place."""
        return list(self._places)
