"""Write csrc/tokenizer/unicode_tables.inc, with the `tokenizers` library as the oracle.

    python tools/make_unicode_tables.py csrc/tokenizer/unicode_tables.inc

The library mixes several editions of Unicode (its normalisation, category and regex crates are of
different ages), so no single published table reproduces it. Every property is therefore asked of
the library itself, code point by code point.
"""

import argparse
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import tokenizers
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

BLOCK = 128
CODE_POINTS = 0x110000
HANGUL = range(0xAC00, 0xAC00 + 11172)
DOTTED_I = 0x130  # the only character whose lower case is two characters
MARK_BIT = 1 << 31  # set in the decomposition pool on marks that strip_accents removes

FLAGS = (
    "Removed",  # clean_text deletes it
    "Blank",  # clean_text makes it U+0020
    "Ideograph",  # handle_chinese_chars puts a space on both sides
    "Mark",  # strip_accents deletes it
    "Decomposes",  # has a canonical decomposition, in the pool or Hangul
    "Reorders",  # decomposes to a character that moves in canonical order and is kept
    "Upper",  # has another lower case
    "Space",  # the pre-tokenizer splits here and drops it
    "Punctuation",  # the pre-tokenizer makes it a word of its own
    "RegexWord",  # \\w of the library's regular expressions
    "RegexSpace",  # \\s of the library's regular expressions
)
BIT = {name: 1 << i for i, name in enumerate(FLAGS)}


class Record(NamedTuple):
    """What the tokenizer knows about a code point; equal records are stored once."""

    lower_delta: int
    flags: int
    decomposition: int
    decomposition_size: int
    combining_class: int


def normalizer(**active: bool) -> BertNormalizer:
    """A BertNormalizer that does only the steps named."""
    steps = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    return BertNormalizer(**{step: active.get(step, False) for step in steps})


def code_points() -> Iterator[int]:
    """Every code point that the library can be given: all but the surrogates."""
    yield from range(0xD800)
    yield from range(0xE000, CODE_POINTS)


def combining_classes() -> dict[int, int]:
    """The canonical combining class of every non-starter, as the library's NFD sorts them.

    The interpreter's own table only supplies the names of the classes: it may be newer than the
    library's, so every character is tried against a witness of each class.
    """
    nfd = NFD().normalize_str
    lowest, highest = "\u0334", "\u0345"  # classes 1 and 240

    def is_combining(c: str) -> bool:
        return nfd(highest + c) != highest + c or nfd(c + lowest) != c + lowest

    combining = [c for c in map(chr, code_points()) if nfd(c) == c and is_combining(c)]
    witnesses = {unicodedata.combining(c): c for c in combining}
    assert 0 not in witnesses
    found = {}
    for c in combining:
        # Neither jumps over the other: they are of one class.
        same = [k for k, w in witnesses.items() if nfd(w + c) == w + c and nfd(c + w) == c + w]
        assert len(same) == 1, f"U+{ord(c):04X} is in the classes {same}"
        found[ord(c)] = same[0]
    return found


def regex_probe() -> Tokenizer:
    """A tokenizer whose added tokens reveal what the library's regexes call word and space."""
    probe = Tokenizer(WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    probe.add_tokens(
        [
            AddedToken("\ue000w", single_word=True, normalized=False),
            AddedToken("\ue000s", lstrip=True, normalized=False),
        ]
    )
    return probe


class Pool:
    """The decompositions, end to end, each stored once."""

    def __init__(self) -> None:
        self.values: list[int] = [0]
        self._at: dict[tuple[int, ...], int] = {(): 0}

    def add(self, sequence: tuple[int, ...]) -> int:
        """The index of `sequence`, appended when it is new."""
        if sequence not in self._at:
            self._at[sequence] = len(self.values)
            self.values.extend(sequence)
        return self._at[sequence]


class Oracle:
    """The library, asked about one character at a time."""

    def __init__(self) -> None:
        self.nfd = NFD().normalize_str
        self.clean = normalizer(clean_text=True).normalize_str
        self.space = normalizer(handle_chinese_chars=True).normalize_str
        self.strip = normalizer(strip_accents=True).normalize_str
        self.lower = normalizer(lowercase=True).normalize_str
        self.split = BertPreTokenizer().pre_tokenize_str
        self.probe = regex_probe()
        self.classes = combining_classes()
        self.kept_marks = {cp for cp in self.classes if self.strip(chr(cp)) != ""}

    def parts(self, c: str) -> tuple[int, ...]:
        """The canonical decomposition, marked where strip_accents removes a part."""
        marks = [self.strip(part) == "" for part in self.nfd(c)]
        parts = list(zip(map(ord, self.nfd(c)), marks, strict=True))
        assert self.strip(c) == "".join(chr(part) for part, mark in parts if not mark)
        return tuple(part | MARK_BIT * mark for part, mark in parts)

    def normalizer_flags(self, c: str) -> int:
        """What BertNormalizer does to a character."""
        cleaned, spaced = self.clean(c), self.space(c)
        assert cleaned in {c, "", " "}
        assert spaced in {c, f" {c} "}
        flags = BIT["Ideograph"] * (spaced != c) | BIT["Upper"] * (self.lower(c) != c)
        if cleaned != c:
            flags |= BIT["Blank"] if cleaned else BIT["Removed"]
        if self.nfd(c) != c:
            flags |= BIT["Decomposes"]
        elif self.strip(c) == "":
            flags |= BIT["Mark"]
        if any(ord(part) in self.kept_marks for part in self.nfd(c)):
            flags |= BIT["Reorders"]
        return flags

    def word_flags(self, c: str) -> int:
        """What BertPreTokenizer and the regular expressions take a character for."""
        words = len(self.split(f"a{c}a"))
        flags = {1: 0, 2: BIT["Space"], 3: BIT["Punctuation"]}[words]
        if self.probe.encode(f"{c}\ue000w").ids[-1] != 1:
            flags |= BIT["RegexWord"]
        if self.probe.encode(f"{c}\ue000s").offsets[-1] == (0, 3):
            flags |= BIT["RegexSpace"]
        return flags

    def lower_delta(self, c: str) -> int:
        """The distance to the lower case."""
        lowered = self.lower(c)
        if ord(c) == DOTTED_I:
            assert lowered == "i\u0307"
            return 0
        return ord(lowered) - ord(c)


def make_records() -> tuple[list[Record], Pool]:
    """One record per code point, and the decomposition pool that they point into."""
    oracle = Oracle()
    pool = Pool()
    records = [Record(0, 0, 0, 0, 0)] * CODE_POINTS
    for cp in code_points():
        c = chr(cp)
        flags = oracle.normalizer_flags(c) | oracle.word_flags(c)
        parts: tuple[int, ...] = ()
        if flags & BIT["Decomposes"]:
            parts = oracle.parts(c)
        if cp in HANGUL:
            assert parts == hangul(cp)
            parts = ()
        combining_class = oracle.classes.get(cp, 0)
        records[cp] = Record(
            oracle.lower_delta(c), flags, pool.add(parts), len(parts), combining_class
        )
    return records, pool


def hangul(cp: int) -> tuple[int, ...]:
    """The arithmetic decomposition of a Hangul syllable, as unicode.h does it."""
    index = cp - 0xAC00
    jamo = (0x1100 + index // 588, 0x1161 + index % 588 // 28)
    return jamo + ((0x11A7 + index % 28,) if index % 28 else ())


def array(kind: str, name: str, values: Iterable[int | str]) -> str:
    """A C++ array definition."""
    body = textwrap.fill(", ".join(map(str, values)), 100, break_long_words=False)
    return f"constexpr {kind} {name}[] = {{\n{body}}};\n"


def render(records: list[Record], pool: Pool) -> str:
    """The whole file."""
    unique: dict[Record, int] = {records[0xE000]: 0}
    indices = [unique.setdefault(record, len(unique)) for record in records]
    blocks: dict[tuple[int, ...], int] = {}
    stage1 = [
        blocks.setdefault(tuple(indices[i : i + BLOCK]), len(blocks))
        for i in range(0, CODE_POINTS, BLOCK)
    ]
    stage2 = [index for block in blocks for index in block]
    size = len(stage1) * 2 + len(stage2) * 2 + len(unique) * 12 + len(pool.values) * 4
    assert max(len(blocks), len(unique), len(pool.values)) <= 0xFFFF
    flags = "\n".join(f"constexpr std::uint16_t k{name} = {bit};" for name, bit in BIT.items())
    rows = (f"{{{', '.join(map(str, record))}}}" for record in unique)
    return (
        "// Generated by tools/make_unicode_tables.py from tokenizers "
        f"{tokenizers.__version__}; do not edit. {size} bytes.\n"
        "// clang-format off\n"
        f"{flags}\n"
        f"constexpr unsigned kBlockBits = {BLOCK.bit_length() - 1};\n"
        + array("std::uint16_t", "kStage1", stage1)
        + array("std::uint16_t", "kStage2", stage2)
        + array("CharRecord", "kRecords", rows)
        + array("std::uint32_t", "kDecompositions", pool.values)
    )


def main() -> None:
    """Write the file named on the command line, or standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", type=Path)
    output = parser.parse_args().output
    text = render(*make_records())
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text)


if __name__ == "__main__":
    main()
