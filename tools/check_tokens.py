"""Compare fastbert's tokens and spans with those of the `tokenizers` library.

    python tools/check_tokens.py --model DIR --vocab FILE --texts FILE... --random 1000000

Compares every code point in four surroundings, every line of the text files, and random strings
that mix scripts, controls, combining marks and special tokens. A directory is loaded as it is; a
vocab.txt is tried with every setting of the normaliser. Exits with 1 if anything differs.
"""

import argparse
import itertools
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import tokenizers
from tokenizers import AddedToken, models, normalizers, pre_tokenizers, processors

import fastbert.tokenizer

BATCH = 2000
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SCRIPTS = [
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿßÀÉÎÕÜŁłŠšŽžẞİıǅŉ",
    "ệởẫặốừỹĐđ",
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюяЁЙЇїАБВЂ",
    "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώΐΰἀἁἂἃᾳΆΣΩ\u037e\u0387",
    "אבגדהוזחטיכלמנסעפצקרשת\u05b0\u05b4\u05c1",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي\u064b\u0651آ",
    "अआइईउऊकखगघङचक़\u093c\u093e\u094d\u0902",
    "กขฃคฅฆงจ\u0e31\u0e34\u0e48",
    "가각갂힣한국어\u1100\u1161\u11a8",
    "ぁあいうえおがぎぐアイウガギ\u3099\u309a・。、",
    "一丁七万丈三上下不与中北京人大\uf900\uf90a\U0002f800\U00020000",
    "😀😃👍🏽👨\u200d👩\u200d👧🇫🇷❤\ufe0f",
    "\u0300\u0301\u0302\u0308\u0323\u0327\u0334\u0345\u20d0\u302a\u302e\u302f",
    "\u1b44\U0001d15e\U0001d160\U0001d165\U0001d16d\ua953\U00016ff0\u09cb\u0f73\u0344",
    "\x00\x01\x07\x08\x1b\x7f\x80\x85\x9f\xad\u200b\u200e\u2028\u2029\ufeff\ufffd\ue000",
    " \t\n\r\x0b\x0c\xa0\u1680\u2003\u3000",
]


class Engine(NamedTuple):
    """The two implementations of one tokenizer."""

    name: str
    expected: tokenizers.Tokenizer
    actual: fastbert.tokenizer.Tokenizer


def load(name: str, directory: Path) -> Engine:
    """Both implementations from one directory with a tokenizer.json."""
    expected = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    expected.no_padding()
    expected.no_truncation()
    return Engine(name, expected, fastbert.tokenizer.Tokenizer.from_pretrained(directory))


def build(vocab: Path, added: bool, **switches: bool | None) -> tokenizers.Tokenizer:
    """The library's tokenizer for a vocab.txt and the switches of BertNormalizer."""
    model = models.WordPiece(models.WordPiece.read_file(str(vocab)), unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(**switches)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([token for token in SPECIAL if model.token_to_id(token)])
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", model.token_to_id("[SEP]")), ("[CLS]", model.token_to_id("[CLS]"))
    )
    if added:
        tokenizer.add_tokens(
            [
                AddedToken("Éa", normalized=True),
                AddedToken("[中]", normalized=True, lstrip=True),
                AddedToken("the", normalized=False, single_word=True),
                AddedToken("<x>", normalized=False, lstrip=True, rstrip=True),
            ]
        )
    return tokenizer


def engines(directories: Iterable[Path], vocabs: Iterable[Path]) -> Iterator[Engine]:
    """Every tokenizer to compare."""
    for directory in directories:
        yield load(directory.name, directory)
    for vocab in vocabs:
        settings = [
            (True, True, strip, lower, added)
            for strip, lower, added in itertools.product(
                (None, True, False), (True, False), (False, True)
            )
        ]
        settings += [(False, True, None, True, False), (True, False, True, True, False)]
        settings += [(False, False, False, False, True)]
        for clean, chinese, strip, lower, added in settings:
            tokenizer = build(
                vocab,
                added,
                clean_text=clean,
                handle_chinese_chars=chinese,
                strip_accents=strip,
                lowercase=lower,
            )
            name = f"{vocab.name} {clean=} {chinese=} {strip=} {lower=} {added=}"  # noqa: RUF100
            with tempfile.TemporaryDirectory() as directory:
                tokenizer.save(f"{directory}/tokenizer.json")
                yield load(name, Path(directory))


def code_point_texts() -> Iterator[str]:
    """Every code point alone, inside a word, behind an ideograph and behind a combining mark."""
    code_points = itertools.chain(range(0xD800), range(0xE000, 0x110000))
    while group := list(map(chr, itertools.islice(code_points, 8))):
        yield from group
        yield " ".join(f"a{c}b 中{c} é\u0323{c}\u0334" for c in group)


def random_text(rng: random.Random) -> str:
    """Words, marks, controls and special tokens from a few scripts."""
    scripts = rng.choices(SCRIPTS, k=rng.randint(1, 4))
    parts = []
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        if kind < 0.05:
            parts.append(rng.choice([*SPECIAL, "[mask]", "[MASK", "<x>", "éa", "the", "[ 中 ]"]))
        elif kind < 0.06:
            parts.append(rng.choice(rng.choice(scripts)) * rng.randint(95, 105))
        elif kind < 0.09:
            parts.append("".join(chr(rng.choice(RANDOM_RANGES)) for _ in range(rng.randint(1, 4))))
        else:
            parts.append("".join(rng.choices(rng.choice(scripts), k=rng.randint(1, 9))))
        if rng.random() < 0.6:
            parts.append(" ")
    return "".join(parts)


RANDOM_RANGES = [*range(0x20, 0xD800), *range(0xE000, 0x1FFFF)]


class Comparison:
    """Counts differences and shows the first few."""

    def __init__(self) -> None:
        self.differences = 0

    def run(self, engine: Engine, what: str, texts: Iterable[str]) -> None:
        """Compare all `texts`, one batch at a time."""
        before, count = self.differences, 0
        iterator = iter(texts)
        while batch := list(itertools.islice(iterator, BATCH)):
            count += len(batch)
            expected = engine.expected.encode_batch(batch)
            actual = engine.actual.encode_batch(batch, return_spans=True)
            ids, spans = actual.ids.tolist(), list(map(tuple, actual.spans.tolist()))
            for text, e, start, end in zip(
                batch, expected, actual.offsets[:-1], actual.offsets[1:], strict=True
            ):
                if e.ids != ids[start:end] or e.offsets != spans[start:end]:
                    self.show(text, e, ids[start:end], spans[start:end])
        found = self.differences - before
        print(f"{engine.name}: {what}: {count} texts, {found} differences", flush=True)

    def show(
        self, text: str, expected: tokenizers.Encoding, ids: list[int], spans: list[object]
    ) -> None:
        """Count a difference, and print it if it is among the first."""
        self.differences += 1
        if self.differences <= 10:
            print(
                f"{text!a}\n  expected {expected.ids} {expected.offsets}\n  got      {ids} {spans}"
            )


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--vocab", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--texts", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--random", type=int, default=10_000, metavar="N", help="per tokenizer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip-code-points", action="store_true")
    arguments = parser.parse_args()
    comparison = Comparison()
    for engine in engines(arguments.model, arguments.vocab):
        if not arguments.skip_code_points:
            comparison.run(engine, "code points", code_point_texts())
        for path in arguments.texts:
            lines = path.read_text(encoding="utf-8").splitlines()
            comparison.run(engine, path.name, lines)
        rng = random.Random(arguments.seed)
        comparison.run(engine, "random", (random_text(rng) for _ in range(arguments.random)))
    print(f"{comparison.differences} differences")
    return int(comparison.differences > 0)


if __name__ == "__main__":
    sys.exit(main())
