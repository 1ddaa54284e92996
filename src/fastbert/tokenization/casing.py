"""Whether texts are lower-cased where no file of a model says so."""

from __future__ import annotations

import string
import warnings
from pathlib import Path

from fastbert.callers import callers_level

__all__ = ["lowercase_of_vocabulary"]


def lowercase_of_vocabulary(path: Path, text: bytes) -> bool:
    """What a vocab.txt tells by itself: false, with a warning, if it has every capital letter.

    Google's releases have no tokenizer_config.json, and say "cased" only in the name of their zip
    file, which people rename. But a vocabulary is learnt from texts as the model gets them: one
    of lower-cased texts has no capital letters, and one of others has all from A to Z. Only
    special tokens, such as [CLS] or <S>, and words that people have added prove nothing.
    """
    tokens = set(text.split())
    if not tokens.issuperset(letter.encode() for letter in string.ascii_uppercase):
        return True  # as transformers does whenever nothing else is said
    warnings.warn(
        f"{path} has capital letters and no tokenizer_config.json beside it, so texts are not "
        'lower-cased; write {"do_lower_case": false} to that file to confirm this',
        stacklevel=callers_level(),
    )
    return False
