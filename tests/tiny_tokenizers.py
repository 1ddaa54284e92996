"""Small tokenizers that are not WordPiece, as content of tokenizer.json."""

_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
_PIECES = "▁the ▁a ▁cat ▁caf é s ▁ t h e c a k 中 文 ! . ▁don ' n"


def _added(content, index, **flags):
    unset = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": content, **unset, "special": True, **flags}


def unigram_json():
    """XLM-R's kind: NFKC, Metaspace, <mask> that takes the blank in front of it along."""
    tokens = [*_SPECIALS, *_PIECES.split(), "<mask>"]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    cls, sep = ({"SpecialToken": {"id": name, "type_id": 0}} for name in ("<s>", "</s>"))
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    named = {
        name: {"id": name, "ids": [i], "tokens": [name]} for name, i in (("<s>", 0), ("</s>", 2))
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            *(_added(name, i) for i, name in enumerate(_SPECIALS)),
            _added("<mask>", len(tokens) - 1, lstrip=True),
        ],
        "normalizer": {"type": "NFKC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [cls, first, sep],
            "pair": [cls, first, sep, sep, second, sep],
            "special_tokens": named,
        },
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": 3,
            "vocab": [[token, -len(token) / 10 - i / 100] for i, token in enumerate(tokens)],
            "byte_fallback": False,
        },
    }


def byte_level_files():
    """RoBERTa's kind: the content of vocab.json and merges.txt."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = [chr(b) for b in printable] + [chr(0x100 + i) for i in range(256 - len(printable))]
    merges = ["t h", "th e", "Ġ the", "c a", "Ġ ca", "Ġca t", "Ġ a"]
    tokens = [*_SPECIALS, *letters, *(merge.replace(" ", "") for merge in merges), "<mask>"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    return vocabulary, "#version: 0.2\n" + "".join(merge + "\n" for merge in merges)
