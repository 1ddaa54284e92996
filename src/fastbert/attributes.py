"""Attributes that may be assigned at any time, and are checked then."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fastbert.arguments import check_positive, check_threads

__all__ = ["Checked", "PositiveOrNone", "Threads"]

Value = TypeVar("Value")


class Checked(ABC, Generic[Value]):
    """A descriptor that checks what is assigned.

    The value lies in the object itself under the attribute's own name. There is no `__get__`, so
    that reading it takes no longer than with any other attribute.
    """

    name: str

    def __set_name__(self, owner: type, name: str) -> None:
        """Remember the attribute's name, for messages."""
        self.name = name

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: type | None = None) -> Value: ...

    def __set__(self, instance: object, value: Value) -> None:
        """Keep it, if it is right."""
        self.check(instance, value)
        vars(instance)[self.name] = value

    @abstractmethod
    def check(self, instance: Any, value: Value) -> None:  # noqa: ANN401
        """ValueError unless `instance` can have this value."""


class PositiveOrNone(Checked["int | None"]):
    """A positive integer, or None."""

    def check(self, instance: object, value: int | None) -> None:
        """ValueError for anything else."""
        check_positive(self.name, value)


class Threads(Checked["int | None"]):
    """A number of threads, or None."""

    def check(self, instance: object, value: int | None) -> None:
        """ValueError for anything else."""
        check_threads(value)
