"""Highlight the entities of a text in the terminal.

Needs a model for named entities, as a directory or as a name on the Hugging Face hub:

    python examples/ner_highlight.py dslim/bert-base-NER "Wolfgang moved from Berlin to Siemens."

Without a text, what stands on standard input is read; any length will do, in overlapping windows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import fastbert

_COLOURS = (41, 42, 43, 44, 45, 46)  # backgrounds of ECMA-48


def highlight(text: str, entities: Iterable[dict[str, Any]]) -> str:
    """The text with a colour and a name for each of its entities, which are in order."""
    names: dict[str, int] = {}
    parts, place = [], 0
    for entity in entities:
        name = entity["entity_group"]
        colour = _COLOURS[names.setdefault(name, len(names)) % len(_COLOURS)]
        inside = text[entity["start"] : entity["end"]]
        parts += [text[place : entity["start"]], f"\x1b[{colour}m{inside} [{name}]\x1b[0m"]
        place = entity["end"]
    return "".join([*parts, text[place:]])


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python examples/ner_highlight.py MODEL [TEXT]")
    ner = fastbert.TokenClassifier(sys.argv[1])
    text = sys.argv[2] if len(sys.argv) > 2 else sys.stdin.read()
    print(highlight(text, ner(text, aggregation_strategy="average", stride=ner.max_length // 4)))


if __name__ == "__main__":
    main()
