"""What a pickle says, without doing any of it.

A pickle is a program for a stack machine, two of whose instructions look up a function by its name
and call it. Here they only write down the name and the arguments: nothing is looked up, imported
or called, whatever the file holds. The standard library's Unpickler with a list of allowed names
would not do: it still calls what it allows, and a memo index of four bytes makes it reserve 64 GB.
Memory is bounded by the size of the pickle, because each instruction adds a constant number of
objects, or bytes that the pickle itself holds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fastbert.json_files import shown

__all__ = ["Call", "Name", "Pickle", "Reference", "parse_pickle"]


class Name(NamedTuple):
    """A function or class that the pickle names."""

    module: str
    name: str

    def __repr__(self) -> str:
        return repr(f"{self.module}.{self.name}")


class Call:
    """An object that the pickle wants made by a call.

    Attributes:
        function: what is to be called; usually a Name.
        arguments: its arguments.
        items: what the pickle puts into the object afterwards, as into a dictionary.
    """

    __slots__ = ("arguments", "function", "items")

    def __init__(self, function: object, arguments: object) -> None:
        self.function = function
        self.arguments = arguments
        self.items: dict[Any, object] = {}

    def __repr__(self) -> str:
        # Not the function as it is: it may hold this call again, and again.
        name = _first_name(self.function, 4)
        return "a call of a value" if name is None else f"a call of {name!r}"


def _first_name(value: object, depth: int) -> Name | None:
    """The first Name within some tuples."""
    if isinstance(value, Name) or depth == 0:
        return value if isinstance(value, Name) else None
    parts = value[:8] if isinstance(value, tuple) else ()
    return next((name for part in parts if (name := _first_name(part, depth - 1))), None)


class Reference(NamedTuple):
    """Something outside of the pickle, as its "persistent id" describes it."""

    description: object


class Pickle(NamedTuple):
    """One pickle, parsed.

    Attributes:
        value: dict, list, tuple, str, bytes, numbers, None and the classes above.
        references: every Reference in it, in order.
        end: position behind it.
    """

    value: object
    references: list[Reference]
    end: int


def parse_pickle(data: bytes, position: int = 0) -> Pickle:
    """Parse one pickle of protocol 2 or later.

    Raises:
        ValueError: in a form that completes "the pickle ...": why `data` holds none.
    """
    machine = _Machine(data, position)
    while True:
        begin = machine.position
        opcode = machine.take(1)
        if opcode == b".":
            return Pickle(machine.pop(), machine.references, machine.position)
        step = _STEPS.get(opcode)
        if step is None:
            raise ValueError(f"has the unknown instruction {opcode!r} at byte {begin}")
        step(machine)


class _Machine:
    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position
        self.stack: list[Any] = []
        self.marks: list[int] = []  # heights of the stack
        self.memo: dict[int, object] = {}
        self.references: list[Reference] = []

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise ValueError(f"is cut short at byte {len(self.data)}")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, form: str) -> Any:  # noqa: ANN401 (int or float)
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise ValueError(f"is cut short at byte {len(self.data)}")
        line = self.text(end - self.position)
        self.position = end + 1
        return line

    def text(self, count: int) -> str:
        begin = self.position
        try:
            return self.take(count).decode()
        except UnicodeDecodeError:
            raise ValueError(f"has text that is not UTF-8 at byte {begin}") from None

    def push(self, value: object) -> None:
        self.stack.append(value)

    def top(self) -> Any:  # noqa: ANN401
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError(f"takes from an empty stack at byte {self.position}")
        return self.stack[-1]

    def pop(self) -> Any:  # noqa: ANN401
        value = self.top()
        self.stack.pop()
        return value

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError(f"has no mark on the stack at byte {self.position}")
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def pop_tuple(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.push(tuple(values[::-1]))

    def remember(self, index: int) -> None:
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"recalls number {index}, which it has not remembered")
        self.push(self.memo[index])

    def extend(self, values: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            raise ValueError(f"appends to {shown(target)}, expected a list")
        target.extend(values)

    def update(self, values: list[Any]) -> None:
        target = self.top()
        items = target.items if type(target) is Call else target
        if type(items) is not dict or len(values) % 2:
            raise ValueError(f"puts {len(values)} keys and values into {shown(target)}")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Others could not be hashed, or only by as many nested calls as the file likes.
            if type(key) not in (str, int, float, bool, bytes, type(None)):
                raise ValueError(f"has the key {shown(key)}, expected a string or a number")
            items[key] = value

    def name(self, module: object, name: object) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError(f"has the name {shown(name)}, expected a string")
        self.push(Name(module, name))

    def call(self) -> None:
        arguments = self.pop()
        self.push(Call(self.pop(), arguments))

    def refer(self) -> None:
        self.references.append(Reference(self.pop()))
        self.push(self.references[-1])


def _stack_global(machine: _Machine) -> None:
    name = machine.pop()
    machine.name(machine.pop(), name)


_STEPS: Mapping[bytes, Callable[[_Machine], object]] = {
    # no effect: the protocol's number, the size of a frame, the state of an object
    b"\x80": lambda m: m.take(1),
    b"\x95": lambda m: m.take(8),
    b"b": lambda m: m.pop(),
    b"0": lambda m: m.pop(),
    # constants and numbers
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"J": lambda m: m.push(m.number("<i")),
    b"K": lambda m: m.push(m.number("<B")),
    b"M": lambda m: m.push(m.number("<H")),
    b"\x8a": lambda m: m.push(int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
    b"G": lambda m: m.push(m.number(">d")),
    # text, and Python 2's strings, which hold names
    b"X": lambda m: m.push(m.text(m.number("<I"))),
    b"\x8c": lambda m: m.push(m.text(m.number("<B"))),
    b"\x8d": lambda m: m.push(m.text(m.number("<Q"))),
    b"U": lambda m: m.push(m.text(m.number("<B"))),
    b"T": lambda m: m.push(m.text(m.number("<I"))),
    # bytes
    b"C": lambda m: m.push(m.take(m.number("<B"))),
    b"B": lambda m: m.push(m.take(m.number("<I"))),
    b"\x8e": lambda m: m.push(m.take(m.number("<Q"))),
    # containers
    b"(": lambda m: m.marks.append(len(m.stack)),
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push(tuple(m.pop_to_mark())),
    b"\x85": lambda m: m.pop_tuple(1),
    b"\x86": lambda m: m.pop_tuple(2),
    b"\x87": lambda m: m.pop_tuple(3),
    b"]": lambda m: m.push([]),
    b"a": lambda m: m.extend([m.pop()]),
    b"e": lambda m: m.extend(m.pop_to_mark()),
    b"}": lambda m: m.push({}),
    b"s": lambda m: m.update([m.pop(), m.pop()][::-1]),
    b"u": lambda m: m.update(m.pop_to_mark()),
    # the memo
    b"q": lambda m: m.remember(m.number("<B")),
    b"r": lambda m: m.remember(m.number("<I")),
    b"\x94": lambda m: m.remember(len(m.memo)),
    b"h": lambda m: m.recall(m.number("<B")),
    b"j": lambda m: m.recall(m.number("<I")),
    # names, calls, references
    b"c": lambda m: m.name(m.line(), m.line()),
    b"\x93": _stack_global,
    b"R": _Machine.call,
    b"\x81": _Machine.call,
    b"Q": _Machine.refer,
}
