"""Damaged and hostile tokenizer files: a ValueError or a working tokenizer, never a crash."""

import copy
import json
import random

import pytest

from fastbert.tokenizer import Tokenizer

TEXTS = ["The bad cab, [MASK]!", "a\x00é中\u302e\u0301 \U0001d160\ud800", "a" * 200, ""]
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "bad", "##é", "中", "!", "the"]
CONTENT = {
    "version": "1.0",
    "added_tokens": [
        {
            "id": i,
            "content": content,
            "single_word": i == 3,
            "lstrip": i == 2,
            "rstrip": i == 1,
            "normalized": i == 0,
            "special": True,
        }
        for i, content in enumerate(["[MASK]", "É", "[SEP]", "bad"])
    ],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
            {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {
            token: {"id": token, "ids": [i], "tokens": [token]}
            for i, token in ((2, "[CLS]"), (3, "[SEP]"))
        },
    },
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {token: i for i, token in enumerate(TOKENS)},
    },
}
CONFIG = {
    "do_lower_case": True,
    "strip_accents": None,
    "model_max_length": 512,
    "mask_token": {"content": "[MASK]", "lstrip": True},
    "added_tokens_decoder": {"12": {"content": "<new>", "normalized": False}},
}
STRANGE = [None, True, 0, -1, 1, 2, 2**31 - 1, 2**31, 2**63, 2**64, -(2**63), 1e300, float("nan")]
STRANGE += [
    "",
    "a",
    "##",
    "[UNK]",
    "\x00",
    "\ud800",
    "é" * 300,
    "\u0301",
    "BertProcessing",
    "WordPiece",
]
STRANGE += [[], {}, [[]], ["[CLS]", 2], {"type": "RobertaProcessing"}, {"a": 1, "": 2}]


def damage_bytes(rng, data):
    """Some bytes changed, cut out, doubled or cut off."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        action = rng.randrange(5)
        if action == 0:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif action == 1:
            del data[at : at + rng.randint(1, 20)]
        elif action == 2:
            data[at:at] = data[at : at + rng.randint(1, 40)]
        elif action == 3:
            data[at:at] = rng.choice(
                [b"\x00", b"\n", b"\r\n", b"\xff", b"\xed\xa0\x80", b"\xf4\x90"]
            )
        elif rng.random() < 0.2:
            del data[at:]
    return bytes(data)


def damage_values(rng, content):
    """Some values replaced, removed or added, anywhere in a JSON object."""
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, 3)):
        section = content
        while True:
            keys = list(section) if isinstance(section, dict) else list(range(len(section)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(section[key], (dict, list)) and rng.random() < 0.8:
                section = section[key]
                continue
            action = rng.random()
            if action < 0.7:
                section[key] = copy.deepcopy(rng.choice(STRANGE))
            elif action < 0.85:
                del section[key]
            elif isinstance(section, dict):
                name = rng.choice(STRANGE)
                section[name if isinstance(name, str) else "x"] = section[key]
            else:
                section.append(section[key])
            break
    return content


def use(directory):
    """Load and, if that works, tokenize; returns whether it worked."""
    try:
        tokenizer = Tokenizer.from_pretrained(directory)
    except ValueError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert str(directory) in message
        return False
    for pairs in (None, TEXTS[::-1]):
        tokens = tokenizer.encode_batch(TEXTS, pairs, return_spans=True)
        assert tokens.offsets[-1] == len(tokens.ids) == len(tokens.spans)
        assert (tokens.ids >= 0).all()
        assert (tokens.spans >= 0).all()
    tokenizer.token_to_id("a")
    tokenizer.id_to_token(0)
    return True


@pytest.mark.parametrize("kind", ["json bytes", "json values", "vocab.txt", "config"])
def test_damaged_files_are_errors_or_work(tmp_path, kind):
    rng = random.Random(kind)
    outcomes = set()
    json_bytes = json.dumps(CONTENT).encode()
    vocab_bytes = "\n".join(TOKENS).encode()
    for _ in range(2500):
        if kind == "json bytes":
            (tmp_path / "tokenizer.json").write_bytes(damage_bytes(rng, json_bytes))
        elif kind == "json values":
            text = json.dumps(damage_values(rng, CONTENT))
            (tmp_path / "tokenizer.json").write_text(text)
        elif kind == "vocab.txt":
            (tmp_path / "vocab.txt").write_bytes(damage_bytes(rng, vocab_bytes))
        else:
            (tmp_path / "vocab.txt").write_bytes(vocab_bytes)
            text = json.dumps(damage_values(rng, CONFIG))
            (tmp_path / "tokenizer_config.json").write_text(text)
        outcomes.add(use(tmp_path))
    assert outcomes == {True, False}


def test_vocabulary_of_random_bytes_is_found_again(tmp_path):
    rng = random.Random(0)
    alphabets = ["ab", "abcdefghijklmnopqrstuvwxyz", "".join(map(chr, range(0x100, 0x2000)))]
    for alphabet in alphabets:
        words = {"".join(rng.choices(alphabet, k=rng.randint(1, 30))) for _ in range(3000)}
        tokens = ["[UNK]", "[CLS]", "[SEP]", *sorted(words), *(f"##{word}" for word in words)]
        rng.shuffle(tokens)
        (tmp_path / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
        (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
        tokenizer = Tokenizer.from_pretrained(tmp_path)
        for token in tokens:
            assert tokenizer.tokens([tokenizer.token_to_id(token)]) == [token]
        if alphabet.isascii():
            ids = tokenizer.encode_batch(sorted(words), add_special_tokens=False).ids
            assert tokenizer.tokens(ids) == sorted(words)
