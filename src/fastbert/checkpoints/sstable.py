"""Keys and values of a table file, the form in which TensorFlow keeps the index of a checkpoint.

A table is a run of blocks and a footer. A block holds entries (bytes shared with the key before,
other bytes of the key, bytes of the value, as varints; then those bytes), a list of places where
keys share nothing, its compression and a CRC-32C. The last block lists the others.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["read_table", "read_varint"]

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
# Keys share bytes, so they can take more memory than the file: with MAX_BYTES of tensorflow.py and
# the least entry of 4 bytes it is 128 times as much.
_MAX_KEY = 512


def read_table(data: bytes) -> dict[bytes, bytes]:
    """All entries of a table.

    Raises:
        ValueError: in a form that completes "the file ...": what is wrong with it.
    """
    if len(data) < _FOOTER or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise ValueError("does not end like an index of TensorFlow")
    _, position = _read_handle(data, len(data) - _FOOTER)  # the block of statistics and filters
    (begin, size), _ = _read_handle(data, position)
    entries: dict[bytes, bytes] = {}
    least = 0
    for _, handle in _entries(_block(data, begin, size)):
        (begin, size), _ = _read_handle(handle, 0)
        if begin < least:  # else a small file could list one block for ever
            raise ValueError(f"lists a block at byte {begin}, expected one from byte {least} on")
        least = begin + size
        for key, value in _entries(_block(data, begin, size)):
            if key in entries:
                raise ValueError("has a key twice")
            entries[key] = value
    return entries


def _read_handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Where a block begins and its size, and the position behind them."""
    begin, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return (begin, size), position


def _block(data: bytes, begin: int, size: int) -> bytes:
    end = begin + size
    if end + 5 > len(data) - _FOOTER:
        raise ValueError(f"has a block of {size} bytes at byte {begin}, past its end")
    if data[end] != 0:
        raise ValueError("is compressed, which TensorFlow does not do to a checkpoint")
    if int.from_bytes(data[end + 1 : end + 5], "little") != _masked_crc32c(data[begin : end + 1]):
        raise ValueError(f"is damaged: the checksum of the block at byte {begin} is another one")
    return data[begin:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(block) < 4:
        raise ValueError("has a block without an end")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    position, key = 0, b""
    while position < end:
        shared, position = read_varint(block, position)
        added, position = read_varint(block, position)
        size, position = read_varint(block, position)
        if shared > len(key) or shared + added > _MAX_KEY or position + added + size > end:
            raise ValueError("has a key or a value past the end of its block")
        key = key[:shared] + block[position : position + added]
        position += added + size
        yield key, block[position - size : position]


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """An integer below 2**64 in groups of seven bits, and the position behind it.

    Raises:
        ValueError: if there is none.
    """
    value = 0
    for i, byte in enumerate(data[position : position + 10]):
        value |= (byte & 127) << (7 * i)
        if byte < 128 and value < 2**64:
            return value, position + i + 1
    raise ValueError("has a damaged number")


def _crc32c_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # noqa: PLW2901
        table.append(value)
    return table


_CRC32C = _crc32c_table()


def _masked_crc32c(data: bytes) -> int:
    """The checksum as it is stored: rotated, so that one of data with checksums is no accident."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
