import errno
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastbert.errors import ConfigError
from fastbert.tokenizer import Tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Every kind of character that the normaliser or the pre-tokenizer treats in its own way.
CHARACTERS = (
    "abcdeABCDE0189!#'-.[]_{|}~"
    "éàüßøłİıǅÉÀÜ\u0149ệặ"
    "абйёАЙΑΣσςάᾳ\u037eאב\u05b4ابآ\u0651अक\u093cक़กำ\u0e31"
    "가각힣\u1100\u1161\u11a8がガ\u3099。"
    "中文\uf900\U0002f800\U00020000😀👍🏽\ufe0f\u200d"
    "\u0300\u0301\u0323\u0334\u0344\u0345\u302a\u302e\u302f"
    "\u1b44\U0001d15e\U0001d160\U0001d165\U0001d16d\ua953\U00016ff0\u09cb\u0f73"
    " \t\n\r\x00\x01\x0b\x1f\x7f\x80\x85\xa0\xad\u1680\u2003\u2028\u200b\u3000\ufeff\ufffd\ue000"
)
WORDS = ["the", "a", "bad", "cab", "##ed", "##abe", "##d", "deed", "beaded", "caféa", "бай", "中a"]
PIECES = [
    *"abcde018!#'-.[]_éйик가中文豈丽々ガカか\u1100\u1161\u302e\U0001d158😀",
    *(f"##{c}" for c in "abc01éйик\u0301\u302e\u1161\u11a8\u302f\U0001d165"),
]
LONG_WORDS = ["extraordinarily", "##ordinarilylong", "abcdefghijklmnop"]
VOCABULARY = list(dict.fromkeys([*SPECIAL, *WORDS, *PIECES, *LONG_WORDS]))
DEFAULT = {
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
SWITCHES = [
    DEFAULT,
    DEFAULT | {"lowercase": False},
    DEFAULT | {"strip_accents": False},
    DEFAULT | {"lowercase": False, "strip_accents": True},
    DEFAULT | {"clean_text": False},
    DEFAULT | {"handle_chinese_chars": False},
    dict.fromkeys(DEFAULT, False),
]
EXAMPLES = [
    "",
    " ",
    "The bad cab, beaded!",
    "a\u0323\u0301b \u0301a",
    "caf\u00e9a cafe\u0301a CAFÉA",
    "中文a中a 豈",
    "[CLS] a [MASK][mask][ MASK ] [SEP",
    "abcdefgh abcdefghi abcdefghijklmno abcdefghijklmnop abcdefghijklmnopq",
    "extraordinarily extraordinarilylong extraordinarilylongx",
    "İSTANBUL ΣΑΣ ǅ ŉ",
    "가각힣 \u1100\u1161\u11a8",
    "a\x00b\ufffdc\u200dd\x01 e\x0bf\x85g",
    "\u302e\u0301\u0334\U0001d160\u0323\u1b44 e\u0301\u302f",
    "😀👍🏽 a😀b",
    "'''...---",
    "a" * 99 + " " + "a" * 100 + " " + "a" * 101 + "b",
    "é" * 100 + " " + "é" * 101,
    "\u0301" * 200 + "a",
]


def added(content, **flags):
    unset = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return {"id": 0, "content": content} | unset | flags


def tokenizer_json(**changes):
    """The content of a tokenizer.json with the test vocabulary."""
    ids = {token: i for i, token in enumerate(VOCABULARY)}
    special = {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")}
    cls, sep = ({"SpecialToken": {"id": t, "type_id": 0}} for t in special)
    a, b = ({"Sequence": {"id": t, "type_id": i}} for i, t in enumerate("AB"))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added(token, special=True) for token in SPECIAL],
        "normalizer": {"type": "BertNormalizer", **DEFAULT},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [cls, a, sep],
            "pair": [cls, a, sep, b, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
            "special_tokens": special,
        },
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": ids,
        },
    } | changes


def load_json(directory, content=None, **changes):
    content = tokenizer_json(**changes) if content is None else content
    (directory / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return Tokenizer.from_pretrained(directory)


def load_vocab(directory, lines, **config):
    data = lines if isinstance(lines, bytes) else "\n".join(lines).encode()
    (directory / "vocab.txt").write_bytes(data)
    if config:
        (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return Tokenizer.from_pretrained(directory)


class Pair:
    """The `tokenizers` library and fastbert with the same definition."""

    def __init__(self, directory, **changes):
        library = pytest.importorskip("tokenizers")
        self.actual = load_json(directory, **changes)
        self.expected = library.Tokenizer.from_file(str(directory / "tokenizer.json"))

    def assert_same(self, texts, pairs=None, *, add_special_tokens=True, max_length=None):
        if max_length is None:
            self.expected.no_truncation()
        else:
            self.expected.enable_truncation(max_length)
        items = texts if pairs is None else list(zip(texts, pairs, strict=True))
        expected = self.expected.encode_batch(items, add_special_tokens=add_special_tokens)
        actual = self.actual.encode_batch(
            texts,
            pairs,
            add_special_tokens=add_special_tokens,
            max_length=max_length,
            return_spans=True,
        )
        assert actual.offsets.tolist() == np.cumsum([0] + [len(e.ids) for e in expected]).tolist()
        for i, e in enumerate(expected):
            found = slice(actual.offsets[i], actual.offsets[i + 1])
            assert actual.ids[found].tolist() == e.ids, ascii(items[i])
            assert list(map(tuple, actual.spans[found].tolist())) == e.offsets, ascii(items[i])
            if pairs is not None:
                assert actual.type_ids[found].tolist() == e.type_ids
        without = self.actual.encode_batch(
            texts, pairs, add_special_tokens=add_special_tokens, max_length=max_length
        )
        assert without.spans is None
        assert np.array_equal(without.ids, actual.ids)


@pytest.fixture(
    scope="module", params=SWITCHES, ids=lambda s: "".join(str(v)[0] for v in s.values())
)
def pair(request, tmp_path_factory):
    normalizer = {"type": "BertNormalizer", **request.param}
    return Pair(tmp_path_factory.mktemp("pair"), normalizer=normalizer)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_json(tmp_path_factory.mktemp("default"))


texts_strategy = st.one_of(
    st.text(st.sampled_from(CHARACTERS), max_size=40),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.lists(
        st.one_of(
            st.sampled_from(SPECIAL + WORDS + EXAMPLES), st.text(st.sampled_from(CHARACTERS))
        ),
        max_size=8,
    ).map("".join),
)


# --- The same as the library ---


def test_examples_are_tokenized_like_the_library(pair):
    pair.assert_same(EXAMPLES)
    pair.assert_same(EXAMPLES, add_special_tokens=False)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(texts_strategy, max_size=4))
def test_any_text_is_tokenized_like_the_library(pair, texts):
    pair.assert_same(texts)


def test_every_code_point_is_tokenized_like_the_library(pair, request):
    ranges = [range(0xD800), range(0xE000, 0x110000)]
    if "TTNT" not in request.node.name:  # planes 3 to 13 are empty: once is enough
        ranges = [range(0xD800), range(0xE000, 0x20100), range(0xE0000, 0xE0200)]
    points = [chr(c) for r in ranges for c in r]
    groups = (points[i : i + 512] for i in range(0, len(points), 512))
    pair.assert_same([" ".join(f"a{c}b 中{c}" for c in group) for group in groups])


ADDED_TOKENS = [
    added("[MASK]", special=True, lstrip=True),
    added("<a>", lstrip=True, rstrip=True),
    added("<b>", single_word=True),
    added("<", rstrip=True),
    added("Éa", normalized=True),
    added("[中]", normalized=True, lstrip=True),
    added("bad", normalized=True, single_word=True),
    added("\u0344x"),
    added(" e "),
]


@pytest.fixture(scope="module")
def added_pair(tmp_path_factory):
    return Pair(tmp_path_factory.mktemp("added"), added_tokens=ADDED_TOKENS)


@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(
        st.one_of(
            st.sampled_from([t["content"] for t in ADDED_TOKENS] + ["[ 中 ]", "ea", "<a", "BAD"]),
            st.text(st.sampled_from(" \t\u3000\x85a_é\u0301中<>e\x00"), max_size=3),
        ),
        max_size=10,
    ).map("".join)
)
@example(text=" <a> <a> <b>a <b>  [MASK]")
def test_added_tokens_are_found_like_the_library(added_pair, text):
    added_pair.assert_same([text])


@pytest.mark.parametrize(
    "processor",
    [
        None,
        {"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]},
        {
            "type": "RobertaProcessing",
            "cls": ["[CLS]", 2],
            "sep": ["[SEP]", 3],
            "trim_offsets": True,
            "add_prefix_space": True,
        },
        {
            "type": "RobertaProcessing",
            "cls": ["[CLS]", 2],
            "sep": ["[SEP]", 3],
            "trim_offsets": True,
            "add_prefix_space": False,
        },
        ...,
    ],
)
def test_special_tokens_surround_texts_like_the_library(tmp_path, processor):
    changes = {} if processor is ... else {"post_processor": processor}
    pair = Pair(tmp_path, added_tokens=[*ADDED_TOKENS, added("\t\t")], **changes)
    texts = ["", "a bad cab", "\t\t", "a\t\t\t", " [MASK] a  [MASK]", "<a> ", "a", "  [MASK]"]
    for add in (True, False):
        pair.assert_same(texts, add_special_tokens=add)
        pair.assert_same(texts, texts[::-1], add_special_tokens=add)


@pytest.mark.parametrize("add_special_tokens", [True, False])
@pytest.mark.parametrize("max_length", [3, 4, 5, 6, 7, 8, 9, 12, 20])
def test_texts_are_truncated_like_the_library(tmp_path, max_length, add_special_tokens):
    pair = Pair(tmp_path)
    texts = ["a " * n for n in (0, 1, 2, 3, 5, 9, 30)]
    options = {"max_length": max_length, "add_special_tokens": add_special_tokens}
    pair.assert_same(texts, **options)
    left = [a for a in texts for _ in texts]
    pair.assert_same(left, texts * len(texts), **options)


@pytest.mark.parametrize("prefix", ["", "@", "a", "##"])
@pytest.mark.parametrize("longest", [0, 1, 5, 15, 16, 200])
def test_model_settings_work_like_the_library(tmp_path, prefix, longest):
    model = tokenizer_json()["model"]
    model |= {"continuing_subword_prefix": prefix, "max_input_chars_per_word": longest}
    Pair(tmp_path, model=model).assert_same(EXAMPLES)


def test_gaps_between_ids_are_kept_like_the_library(tmp_path):
    model = tokenizer_json()["model"]
    model["vocab"] = {token: i * 1000 for token, i in model["vocab"].items()}
    model["vocab"]["bad"] = 2**31 - 1
    pair = Pair(tmp_path, model=model, added_tokens=[added("<new>"), added("<newer>")])
    pair.assert_same([*EXAMPLES, "<new><newer>"])
    assert pair.actual.vocab_size == pair.expected.get_vocab_size()
    assert pair.actual.token_to_id("<newer>") == pair.expected.token_to_id("<newer>")
    assert pair.actual.id_to_token(2**31 - 1) == "bad"
    assert pair.actual.id_to_token(1) is None


# --- Our own promises ---


def test_lone_surrogates_read_as_replacement_characters(tokenizer):
    texts = ["a\ud800b", "\udfff", "\ud83d\ude00 a", "[MASK]\udc80", "é\ud800\u0301 中"]
    replaced = ["".join("\ufffd" if "\ud800" <= c < "\ue000" else c for c in t) for t in texts]
    actual = tokenizer.encode_batch(texts, return_spans=True)
    expected = tokenizer.encode_batch(replaced, return_spans=True)
    for a, e in zip(actual, expected, strict=True):
        assert np.array_equal(a, e)


@pytest.mark.parametrize("tail", [" é", " 中", " 😀"])
def test_storage_of_a_str_does_not_change_its_tokens(tokenizer, tail):
    tail_ids = tokenizer.encode_batch([tail], add_special_tokens=False).ids.tolist()
    for text in ["The bad cab, beaded!", "a" * 15 + " b" * 600, "abcdefghijklmnop 'a' x"]:
        alone = tokenizer.encode_batch([text], add_special_tokens=False).ids.tolist()
        wider = tokenizer.encode_batch([text + tail], add_special_tokens=False).ids.tolist()
        assert wider == alone + tail_ids


def test_result_does_not_depend_on_batch_or_threads(tokenizer):
    texts = [text * n for text in EXAMPLES for n in (1, 7, 60)] * 10
    pairs = texts[::-1]
    for options in ({}, {"pairs": pairs}):
        one = tokenizer.encode_batch(texts, **options, return_spans=True, threads=1)
        many = tokenizer.encode_batch(texts, **options, return_spans=True, threads=5)
        default = tokenizer.encode_batch(tuple(texts), **options, return_spans=True)
        for other in (many, default):
            for a, b in zip(one, other, strict=True):
                assert (a is None and b is None) or np.array_equal(a, b)
    for i in (0, 3, 17, len(texts) - 1):
        alone = tokenizer.encode_batch([texts[i]], [pairs[i]])
        assert np.array_equal(alone.ids, one.ids[one.offsets[i] : one.offsets[i + 1]])


def test_python_threads_share_a_tokenizer(tokenizer):
    expected = tokenizer.encode_batch(EXAMPLES).ids
    failures = []

    def work():
        for _ in range(50):
            if not np.array_equal(tokenizer.encode_batch(EXAMPLES).ids, expected):
                failures.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_arrays_have_documented_types_and_shapes(tokenizer):
    tokens = tokenizer.encode_batch(["a bad", ""], ["b", "c"], return_spans=True)
    assert [array.dtype for array in tokens] == [np.int32] * 5
    assert tokens.ids.shape == tokens.type_ids.shape == (10,)
    assert tokens.spans.shape == (10, 2)
    assert tokens.offsets.tolist() == [0, 6, 10]
    assert tokens.lengths.tolist() == np.diff(tokens.offsets).tolist()


def test_empty_batch_has_empty_arrays(tokenizer):
    tokens = tokenizer.encode_batch([], [], return_spans=True)
    assert tokens.ids.shape == tokens.type_ids.shape == tokens.lengths.shape == (0,)
    assert tokens.spans.shape == (0, 2)
    assert tokens.offsets.tolist() == [0]
    assert tokenizer.encode_batch([]).type_ids is None


def test_lengths_count_tokens_before_truncation(tokenizer):
    tokens = tokenizer.encode_batch(["a " * 50, "a"], max_length=8)
    assert tokens.lengths.tolist() == [52, 3]
    assert np.diff(tokens.offsets).tolist() == [8, 3]


def test_long_text_is_tokenized_in_pieces_that_add_up(tokenizer):
    text = "the bad cab 中文 éa, " * 20_000
    tokens = tokenizer.encode_batch([text], add_special_tokens=False)
    once = tokenizer.encode_batch(["the bad cab 中文 éa, "], add_special_tokens=False).ids
    assert np.array_equal(tokens.ids, np.tile(once, 20_000))


def test_subclasses_and_other_sequences_of_str_are_taken(tokenizer):
    class Text(str):
        __slots__ = ()

    expected = tokenizer.encode_batch(["a bad"]).ids
    for texts in ([Text("a bad")], ("a bad",), np.array(["a bad"]), np.array(["a bad"], object)):
        assert np.array_equal(tokenizer.encode_batch(texts).ids, expected)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a", r"texts is str, but must be a sequence of str"),
        (b"a", r"texts is bytes, but"),
        (None, r"texts is NoneType, but"),
        ({"a": 1}, r"texts is dict, but"),
        ((t for t in "ab"), r"texts is generator, but"),
        (["a", None], r"texts\[1\] is NoneType, but a text is a str"),
        (["a", "b", b"c"], r"texts\[2\] is bytes, but a text is a str"),
        (np.arange(3), r"texts\[0\] is (numpy\.)?int64, but a text is a str"),
    ],
)
def test_texts_of_a_wrong_type_are_named(tokenizer, texts, message):
    with pytest.raises(TypeError, match=message):
        tokenizer.encode_batch(texts)


def test_wrong_arguments_are_explained(tokenizer):
    with pytest.raises(TypeError, match=r"pairs\[0\] is int"):
        tokenizer.encode_batch(["a"], [1])
    with pytest.raises(ValueError, match="2 texts have 1 pairs"):
        tokenizer.encode_batch(["a", "b"], ["c"])
    with pytest.raises(ValueError, match="max_length is 1, but special tokens alone are 2"):
        tokenizer.encode_batch(["a"], max_length=1)
    with pytest.raises(ValueError, match="max_length is 2, but special tokens alone are 3"):
        tokenizer.encode_batch(["a"], ["b"], max_length=2)
    with pytest.raises(ValueError, match="max_length is -1, but"):
        tokenizer.encode_batch(["a"], max_length=-1, add_special_tokens=False)
    with pytest.raises(ValueError, match="threads is 0, but must be positive"):
        tokenizer.encode_batch(["a"], threads=0)
    assert tokenizer.encode_batch(["a"], max_length=10**30, threads=10**30).ids.shape == (3,)
    with pytest.raises(ValueError, match="truncation is True, but must be one of 'longest_first'"):
        tokenizer.encode_batch(["a"], truncation=True)
    with pytest.raises(ValueError, match="'only_second', but there are no pairs"):
        tokenizer.encode_batch(["a"], truncation="only_second")


def test_tokens_and_ids_translate_both_ways(tokenizer):
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id) == (0, 1, 2)
    assert (tokenizer.sep_id, tokenizer.mask_id) == (3, 4)
    assert tokenizer.vocab_size == len(VOCABULARY)
    for i, token in enumerate(VOCABULARY):
        assert tokenizer.token_to_id(token) == i
        assert tokenizer.id_to_token(i) == token
    assert tokenizer.tokens(np.array([2, 5, 3])) == ["[CLS]", VOCABULARY[5], "[SEP]"]
    assert tokenizer.token_to_id("\ud800") is tokenizer.token_to_id("nowhere") is None
    assert tokenizer.id_to_token(-1) is tokenizer.id_to_token(10**30) is None
    with pytest.raises(ValueError, match="no token has the id 999"):
        tokenizer.tokens([999])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, len(VOCABULARY) - 1),
        ({"model": tokenizer_json()["model"] | {"vocab": {"[UNK]": 7, "a": 5000}}}, 5000),
        ({"added_tokens": [added("<new>"), added("<newer>")]}, len(VOCABULARY) + 1),
        (
            {"post_processor": {"type": "BertProcessing", "cls": ["x", 2], "sep": ["y", 6000]}},
            6000,
        ),
    ],
)
def test_max_id_covers_all_that_can_come_out(tmp_path, changes, expected):
    if "model" in changes:
        changes = changes | {"added_tokens": None}
    assert load_json(tmp_path, **changes).max_id == expected


@pytest.mark.parametrize("end", ["", "\n", "\na\n", "\n\n"])
def test_max_id_of_vocab_txt_is_its_last_line(tmp_path, end):
    tokenizer = load_vocab(tmp_path, ("\n".join(VOCABULARY) + end).encode())
    assert tokenizer.id_to_token(tokenizer.max_id) is not None
    assert tokenizer.id_to_token(tokenizer.max_id + 1) is None


def test_special_counts_are_those_of_a_single_text(tmp_path, tokenizer):
    assert tokenizer.special_counts == (1, 1)
    special = {"special_tokens": {"s": {"id": "s", "ids": [2, 3], "tokens": ["[CLS]", "[SEP]"]}}}
    s, a, b = (
        {"SpecialToken": {"id": "s", "type_id": 0}},
        *({"Sequence": {"id": name, "type_id": 0}} for name in "AB"),
    )
    post_processor = {"type": "TemplateProcessing", "single": [s, a], "pair": [a, b, s], **special}
    assert load_json(tmp_path, post_processor=post_processor).special_counts == (2, 0)
    assert load_json(tmp_path, post_processor=None).special_counts == (0, 0)


# --- Files ---


def test_stored_truncation_and_padding_are_ignored(tmp_path):
    truncation = {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    tokenizer = load_json(tmp_path, truncation=truncation, padding={"strategy": {"Fixed": 9}})
    assert tokenizer.encode_batch(["a " * 20]).lengths.tolist() == [22]
    assert tokenizer.encode_batch(["a " * 20]).offsets.tolist() == [0, 22]


def test_vocab_txt_gives_the_same_tokens_as_tokenizer_json(tmp_path, tokenizer):
    from_lines = load_vocab(tmp_path, VOCABULARY, do_lower_case=True, model_max_length=77)
    assert from_lines.max_length == 77
    assert from_lines.vocab_size == tokenizer.vocab_size
    for options in ({}, {"pairs": EXAMPLES[::-1]}):
        actual = from_lines.encode_batch(EXAMPLES, **options, return_spans=True)
        expected = tokenizer.encode_batch(EXAMPLES, **options, return_spans=True)
        for a, e in zip(actual, expected, strict=True):
            assert (a is None and e is None) or np.array_equal(a, e)


@pytest.mark.parametrize("switches", [{"do_lower_case": False}, {"strip_accents": False}])
def test_tokenizer_config_sets_the_normalizer(tmp_path, switches):
    renamed = {key.replace("do_lower_case", "lowercase"): v for key, v in switches.items()}
    normalizer = {"type": "BertNormalizer", **DEFAULT, **renamed}
    (tmp_path / "json").mkdir()
    expected = load_json(tmp_path / "json", normalizer=normalizer).encode_batch(EXAMPLES)
    actual = load_vocab(tmp_path, VOCABULARY, **switches).encode_batch(EXAMPLES)
    assert np.array_equal(actual.ids, expected.ids)


def test_lines_of_vocab_txt_are_read_like_the_library_reads_them(tmp_path):
    models = pytest.importorskip("tokenizers.models")
    lines = "[PAD]\r\n[UNK] \n[CLS]\n[SEP]\na\n\n\nb\u3000\t\na\nc\x85\n \u00a0\n##d"
    tokenizer = load_vocab(tmp_path, lines.encode())
    expected = models.WordPiece.read_file(str(tmp_path / "vocab.txt"))
    assert {t: tokenizer.token_to_id(t) for t in expected} == expected
    assert tokenizer.vocab_size == len(expected)


def test_mpnet_puts_two_separators_between_the_texts_of_a_pair(tmp_path):
    vocabulary = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>", "a"]
    tokenizer = load_vocab(tmp_path, vocabulary, tokenizer_class="MPNetTokenizer")
    assert tokenizer.encode_batch(["a"], ["a"]).ids.tolist() == [0, 5, 2, 2, 5, 2]
    assert tokenizer.mask_id == 4


def test_max_length_is_none_when_the_file_has_no_limit(tmp_path):
    assert load_vocab(tmp_path, VOCABULARY, model_max_length=int(1e30)).max_length is None
    assert load_vocab(tmp_path, VOCABULARY, do_lower_case=True).max_length is None


def test_added_tokens_decoder_joins_the_vocabulary(tmp_path):
    decoder = {str(len(VOCABULARY)): {"content": "<new>", "normalized": False}}
    tokenizer = load_vocab(tmp_path, VOCABULARY, added_tokens_decoder=decoder)
    ids = tokenizer.encode_batch(["a<new>a"], add_special_tokens=False).ids
    assert tokenizer.tokens(ids) == ["a", "<new>", "a"]
    assert tokenizer.vocab_size == len(VOCABULARY) + 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"vocab\.txt: the cls_token '\[CLS\]' is not in the vocabulary"),
        (b"[CLS]\n[SEP]\na", r"vocab\.txt: the unknown token '\[UNK\]' is not in the vocabulary"),
        (b"[UNK]\n[CLS]\n\xff\xfe\n", r"vocab\.txt: line 3 is not UTF-8"),
        (b"[UNK]\n[CLS]\n\xed\xa0\x80\n", r"vocab\.txt: line 3 is not UTF-8"),
    ],
)
def test_bad_vocab_txt_is_an_error_that_names_file_and_place(tmp_path, data, message):
    with pytest.raises(ConfigError, match=message):
        load_vocab(tmp_path, data)


def broken(path, value):
    """tokenizer.json with the value at `path` replaced."""
    content = section = tokenizer_json()
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds a list, expected a JSON object"),
        (broken(["post_processor", "single"], []), r"post_processor.single has the texts \[\]"),
        (broken(["post_processor", "special_tokens"], {}), "not in special_tokens"),
        (broken(["normalizer", "lowercase"], 1), "normalizer.lowercase is 1, but must be bool"),
        (broken(["model", "vocab"], ["a"]), "model.vocab is .*, but must be dict"),
        (broken(["model", "unk_token"], "[NO]"), r"the unknown token '\[NO\]' is not in"),
        (broken(["model", "max_input_chars_per_word"], -1), "max_input_chars_per_word is -1"),
        (broken(["model", "vocab", "a"], -1), "token 'a' has id -1, but ids are from 0"),
        (broken(["model", "vocab", "a"], 2**31), "token 'a' has id 2147483648, but ids are"),
        (broken(["model", "vocab", "a"], 10**40), "token 'a' has id 10000"),
        (broken(["model", "vocab", "a"], "1"), "token 'a' has id '1', but an id is an integer"),
        (broken(["model", "vocab", "a"], True), "token 'a' has id True, but an id is an"),
        (broken(["model", "vocab", "a"], 1), r"tokens '\[UNK\]' and 'a' both have id 1"),
        (broken(["model", "vocab", "\ud800"], 900), "holds a lone surrogate"),
        (broken(["added_tokens"], {}), r"added_tokens is \{\}, but must be a list"),
        (broken(["added_tokens", 0], 3), r"added_tokens\[0\] is 3, but must be an object"),
        (
            broken(["added_tokens", 0, "lstrip"], None),
            r"added_tokens\[0\].lstrip is None, but must be bool",
        ),
        (
            broken(["added_tokens"], [added("É", normalized=True), added("e", normalized=True)]),
            "both read 'e'",
        ),
        (
            broken(["added_tokens"], [added("\u0301", normalized=True)]),
            "is empty once it is normalised",
        ),
    ],
)
def test_bad_tokenizer_json_is_an_error_that_names_file_and_value(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_json(tmp_path, content)
    assert str(caught.value).count("tokenizer.json") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (broken(["model", "type"], "BPE"), "model is 'BPE'; supported: WordPiece"),
        (broken(["model"], None), "model is None; supported: WordPiece"),
        (
            broken(["normalizer"], {"type": "NFC"}),
            "normalizer is 'NFC'; supported: BertNormalizer",
        ),
        (
            broken(["normalizer"], {"type": "Sequence", "normalizers": []}),
            "normalizer is 'Sequence'; supported",
        ),
        (broken(["pre_tokenizer"], {"type": "Metaspace"}), "pre_tokenizer is 'Metaspace'"),
        (broken(["pre_tokenizer"], None), "pre_tokenizer is None"),
        (broken(["post_processor"], {"type": "ByteLevel"}), "post_processor is 'ByteLevel'"),
    ],
)
def test_without_the_library_other_tokenizers_name_the_extra(
    tmp_path, monkeypatch, content, message
):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.delitem(sys.modules, "fastbert.tokenization.library", raising=False)
    with pytest.raises(ImportError, match=message) as caught:
        load_json(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "tokenizer.json"))
    assert str(caught.value).endswith('need pip install "fastbert[tokenizers]"')


@pytest.mark.parametrize("text", ["", "{", '{"a": NaN', "[" * 100_000, "\x80"])
def test_text_that_is_no_json_is_an_error(tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text, encoding="latin-1" if "\x80" in text else "utf8")
    with pytest.raises(ConfigError, match=r"tokenizer\.json is not (JSON|UTF-8)"):
        Tokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "tokenizer_config.json"])
def test_file_that_cannot_be_read_is_an_error(tmp_path, name, monkeypatch):
    load_vocab(tmp_path, VOCABULARY)
    (tmp_path / name).touch()

    def fail(path, *_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(ConfigError, match=r"cannot read .*: Input/output error") as caught:
        Tokenizer.from_pretrained(tmp_path)
    assert name in str(caught.value)


def test_tokenizer_json_may_be_larger_than_a_configuration_file(tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json()) + " " * (17 << 20))
    assert Tokenizer.from_pretrained(tmp_path).vocab_size == len(VOCABULARY)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"tokenizer_class": "BertJapaneseTokenizer"},
            "tokenizer_class is 'BertJapaneseTokenizer'",
        ),
        ({"model_max_length": "many"}, "model_max_length is 'many', but must be positive"),
        ({"do_lower_case": "yes"}, "do_lower_case is 'yes', but must be true, false or null"),
        ({"mask_token": 3}, "mask_token is 3, but must be a string"),
    ],
)
def test_bad_tokenizer_config_is_an_error_that_names_the_field(tmp_path, config, message):
    with pytest.raises(ConfigError, match=r"tokenizer_config\.json: " + message):
        load_vocab(tmp_path, VOCABULARY, **config)


def test_directory_without_a_vocabulary_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"neither tokenizer\.json nor vocab\.txt"):
        Tokenizer.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not a directory"):
        Tokenizer.from_pretrained(tmp_path / "missing")


SHORT_CALL = ["naïve café", "", "the cats " * 20, "忘记密码", "\ud800", "tail\U0001f600"]


@pytest.mark.parametrize("texts", [SHORT_CALL, tuple(SHORT_CALL), SHORT_CALL[:1], SHORT_CALL[3]])
def test_a_short_call_is_tokenized_as_any_other(tokenizer, texts):
    listed = [texts] if isinstance(texts, str) else texts
    expected = tokenizer.encode_batch(listed, max_length=9)
    ids, offsets, longest = tokenizer.encode_few(texts, 9, 0)
    np.testing.assert_array_equal(ids, expected.ids)
    np.testing.assert_array_equal(offsets, expected.offsets)
    assert longest == max(expected.lengths)


@pytest.mark.parametrize(
    "texts",
    [[], ["a", "a"], ["a", 3], [["a"]], {"a": 1}, None, 3, iter("ab"), list(map(str, range(65)))],
)
def test_a_call_that_is_not_short_is_left_alone(tokenizer, texts):
    assert tokenizer.encode_few(texts, 9, 0) is None


@pytest.mark.parametrize("text", [*SHORT_CALL, "long text " * 1000])
def test_encode_gives_the_ids_of_one_text(tokenizer, text):
    np.testing.assert_array_equal(tokenizer.encode(text), tokenizer.encode_batch([text]).ids)


def test_encode_wants_a_str(tokenizer):
    with pytest.raises(TypeError, match="str"):
        tokenizer.encode(["a"])
