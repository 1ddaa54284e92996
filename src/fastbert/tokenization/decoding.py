"""From tokens back to text: WordPiece as the `tokenizers` library joins it, and cleaning up."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["clean_up", "join_wordpieces"]

_CLEAN_UP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)
_CLEAN_UP_TOKEN = (*_CLEAN_UP[:7], (" do not", " don't"), *_CLEAN_UP[7:])


def join_wordpieces(tokens: Sequence[str], prefix: str, *, cleanup: bool) -> str:
    """The decoder "WordPiece" of the library: blanks between words, none between their pieces.

    Args:
        tokens: The tokens of one text.
        prefix: What begins a token that continues a word.
        cleanup: Draw some punctuation to the word in front of it.
    """
    pieces = []
    for i, token in enumerate(tokens):
        piece = token
        if i:
            piece = token[len(prefix) :] if token.startswith(prefix) else f" {token}"
        pieces.append(_replace(piece, _CLEAN_UP_TOKEN) if cleanup else piece)
    return "".join(pieces)


def clean_up(text: str) -> str:
    """What transformers does to a decoded text when `clean_up_tokenization_spaces` is set."""
    return _replace(text, _CLEAN_UP)


def _replace(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text
