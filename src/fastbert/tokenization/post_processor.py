"""The part of a tokenizer.json that puts special tokens around texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastbert.json_files import shown
from fastbert.tokenization.config import get, get_id, require_type
from fastbert.tokenizer import Template

__all__ = ["bert_templates", "get_templates", "roberta_switches", "roberta_templates"]

_Run = list[tuple[int, int]]


def get_templates(section: object) -> dict[str, Template]:
    """The templates "single" and "pair" of a post-processor; null puts nothing around a text.

    Raises:
        UnsupportedError: if it is another kind of post-processor.
        ValueError: if it is damaged.
    """
    if section is None:
        return {"single": Template([], [], []), "pair": Template([], [], [])}
    section = require_type(
        section, "post_processor", "TemplateProcessing", "BertProcessing", "RobertaProcessing"
    )
    if section["type"] == "TemplateProcessing":
        return {name: _read_template(section, name) for name in ("single", "pair")}
    cls_id, sep_id = (_read_named_id(section, key) for key in ("cls", "sep"))
    if section["type"] == "BertProcessing":
        return bert_templates(cls_id, sep_id)
    return roberta_templates(cls_id, sep_id)


def roberta_switches(section: Mapping[str, Any]) -> tuple[bool, bool]:
    """trim_offsets and add_prefix_space of a RobertaProcessing."""
    trim = get(section, "trim_offsets", bool, "post_processor")
    return trim, get(section, "add_prefix_space", bool, "post_processor")


def bert_templates(cls_id: int, sep_id: int) -> dict[str, Template]:
    """[CLS] A [SEP] and [CLS] A [SEP] B [SEP]."""
    return {
        "single": Template([(cls_id, 0)], [], [(sep_id, 0)]),
        "pair": Template([(cls_id, 0)], [(sep_id, 0)], [(sep_id, 1)]),
    }


def roberta_templates(cls_id: int, sep_id: int) -> dict[str, Template]:
    """<s> A </s> and <s> A </s></s> B </s>, all of type 0."""
    cls, sep = (cls_id, 0), (sep_id, 0)
    return {
        "single": Template([cls], [], [sep]),
        "pair": Template([cls], [sep, sep], [sep], second_type_id=0),
    }


def _read_named_id(section: Mapping[str, Any], key: str) -> int:
    """The id in a pair such as ["[CLS]", 101]."""
    value = section.get(key)
    if not (isinstance(value, list) and len(value) == 2):
        raise ValueError(f"post_processor.{key} is {shown(value)}, but must be [token, id]")
    return get_id(value[1], f"post_processor.{key}")


def _read_template(section: Mapping[str, Any], name: str) -> Template:
    """The template "single" or "pair" of a TemplateProcessing."""
    where = f"post_processor.{name}"
    special_tokens = get(section, "special_tokens", dict, "post_processor")
    runs: list[_Run] = [[]]  # before, between and behind the texts
    texts: list[object] = []
    type_ids = []
    for piece in get(section, name, list, "post_processor"):
        kind, value = _read_piece(piece, where)
        type_id = get_id(value.get("type_id"), where)
        if kind == "Sequence":
            texts.append(value.get("id"))
            type_ids.append(type_id)
            runs.append([])
        else:
            token = special_tokens.get(get(value, "id", str, where))
            if not isinstance(token, dict):
                raise ValueError(f"{where} uses {shown(value['id'])}, not in special_tokens")
            for token_id in get(token, "ids", list, where):
                runs[-1].append((get_id(token_id, where), type_id))
    expected = ["A"] if name == "single" else ["A", "B"]
    if texts != expected:
        raise ValueError(f"{where} has the texts {shown(texts)}; supported: {expected}")
    if name == "pair":
        return Template(runs[0], runs[1], runs[2], type_ids[0], type_ids[1])
    if any(type_ids) or any(type_id for run in runs for _, type_id in run):
        raise ValueError(f"{where} has type ids other than 0, which is not supported")
    return Template(runs[0], [], runs[1])


def _read_piece(piece: object, where: str) -> tuple[str, dict[str, Any]]:
    """Kind and content of one piece of a template."""
    if isinstance(piece, dict) and len(piece) == 1:
        kind, value = next(iter(piece.items()))
        if kind in ("SpecialToken", "Sequence") and isinstance(value, dict):
            return kind, value
    raise ValueError(f"{where} holds {shown(piece)}; supported: SpecialToken, Sequence")
