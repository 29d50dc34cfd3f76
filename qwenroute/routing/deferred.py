"""A sequence that is worked out when someone looks at it, and a plain tuple ever after."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, TypeVar, overload

Item = TypeVar("Item")


class Deferred(Sequence[Item], Generic[Item]):
    """Stands for a tuple: equal to it, printed like it, pickled and copied as it.

    Most decisions are acted on and never read; what was not chosen, and why, is written out only
    for those that are. `make` must be pure: the items are the same whenever they are asked for.
    """

    __slots__ = ("_items", "_make", "alike")

    def __init__(self, make: Callable[[], tuple[Item, ...]], *, alike: Hashable = None) -> None:
        """Take what makes the items; what has an equal `alike` holds the same, but for the numbers in its words."""
        self.alike = alike
        self._make: Callable[[], tuple[Item, ...]] | None = make
        self._items: tuple[Item, ...] = ()

    def _all(self) -> tuple[Item, ...]:
        make = self._make
        if make is not None:
            self._items = make()
            self._make = None
        return self._items

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        return self._all()[index]

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[Item]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Deferred):
            return bool(self._all() == other._all())
        return self._all() == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[type[tuple[Item, ...]], tuple[tuple[Item, ...]]]:
        return tuple, (self._all(),)
