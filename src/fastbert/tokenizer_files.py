"""Read the files of a tokenizer: tokenizer.json or vocab.txt, and tokenizer_config.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fastbert._native import _wordpiece
from fastbert.casing import lowercase_of_vocabulary
from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject, shown

__all__ = ["AddedToken", "Template", "TokenizerDefinition", "read_definition"]

_MAX_BYTES = 256 << 20  # tokenizer.json; those of many languages have some 20 MB
_HUGE_LENGTH = 10**9  # transformers writes 10**30 for "no limit"
_CLASSES = tuple(
    name + suffix
    for name in ("Bert", "DistilBert", "Electra", "MobileBert", "MPNet")
    for suffix in ("Tokenizer", "TokenizerFast")
)
# For each role the names in use, the most common first.
_USUAL_NAMES = {
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "unk_token": ("[UNK]",),
    "pad_token": ("[PAD]", "<pad>"),
    "mask_token": ("[MASK]", "<mask>"),
}

_SpecialTokens = list[tuple[int, int]]  # (id, type id)


class AddedToken(NamedTuple):
    """A token that is recognised when it is written in a text."""

    content: str
    id: int
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """The special tokens around the texts, and the type ids of the texts themselves."""

    prefix: _SpecialTokens = field(default_factory=list)
    middle: _SpecialTokens = field(default_factory=list)
    suffix: _SpecialTokens = field(default_factory=list)
    first_type_id: int = 0
    second_type_id: int = 1

    def __len__(self) -> int:
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    def as_tuple(self) -> tuple[_SpecialTokens, _SpecialTokens, _SpecialTokens, int, int]:
        """The fields in order."""
        return self.prefix, self.middle, self.suffix, self.first_type_id, self.second_type_id


@dataclass(frozen=True, slots=True)
class TokenizerDefinition:
    """All that the files of a tokenizer say.

    Attributes:
        path: The file with the vocabulary.
        max_vocabulary_id: The largest id in the vocabulary without added tokens; -1 if it is
            empty.
        special_names: For each role, such as "cls_token", the names that may fill it; the first
            that is a token does.
        max_length: Tokens that the model can take, or None.
    """

    path: Path
    vocabulary: _wordpiece.Vocabulary
    max_vocabulary_id: int
    unknown_token: str
    continuation_prefix: str
    max_word_chars: int
    clean_text: bool
    handle_chinese_chars: bool
    strip_accents: bool
    lowercase: bool
    added_tokens: list[AddedToken]
    trim_added_spans: bool
    keep_single_first_space: bool
    single: Template
    pair: Template
    special_names: dict[str, tuple[str, ...]]
    max_length: int | None


def read_definition(directory: Path) -> TokenizerDefinition:
    """The definition of the tokenizer in a directory.

    Raises:
        ConfigError: if there is neither tokenizer.json nor vocab.txt, or if a file is damaged or
            describes another kind of tokenizer.
    """
    config_path = directory / "tokenizer_config.json"
    config = JsonObject.read(config_path).fields if config_path.is_file() else {}
    with _naming(config_path):
        special_names = _USUAL_NAMES | _read_special_names(config)
        max_length = _read_max_length(config)
    path = directory / "tokenizer.json"
    if path.is_file():
        # A check for duplicate keys would take longer than the rest of the reading.
        root = JsonObject.read(path, max_bytes=_MAX_BYTES, unique_keys=False).fields
        with _naming(path):
            fields = _read_tokenizer_json(root)
    else:
        path = directory / "vocab.txt"
        if not path.is_file():
            raise ConfigError(f"{directory} has neither tokenizer.json nor vocab.txt")
        text = _read_bytes(path)
        if not config_path.is_file():
            config = {"do_lower_case": lowercase_of_vocabulary(path, text)}
        with _naming(config_path):
            fields = _read_config_switches(config)
        with _naming(path):
            fields |= _read_vocab_txt(text, config)
    return TokenizerDefinition(
        path=path, special_names=special_names, max_length=max_length, **fields
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turns a ValueError into a ConfigError, with the name of the file in front."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None


def _get(section: Mapping[str, Any], key: str, kind: type, where: str) -> Any:  # noqa: ANN401
    """section[key], which must be of a type."""
    value = section.get(key)
    if type(value) is not kind:
        found = shown(value) if key in section else "missing"
        raise ValueError(f"{where}.{key} is {found}, but must be {kind.__name__}")
    return value


def _get_optional_bool(section: Mapping[str, Any], key: str, default: bool) -> bool:
    """section[key], or the default when it is null or missing."""
    value = section.get(key)
    if not (value is None or isinstance(value, bool)):
        raise ValueError(f"{key} is {shown(value)}, but must be true, false or null")
    return default if value is None else value


def _require_type(section: object, where: str, *supported: str) -> dict[str, Any]:
    """A section of tokenizer.json whose "type" is one of those supported."""
    kind = section.get("type") if isinstance(section, dict) else section
    if not isinstance(section, dict) or kind not in supported:
        raise ValueError(f"{where} is {shown(kind)}; supported: {', '.join(supported)}")
    return section


def _check_id(value: object, where: str) -> int:
    """An id or type id."""
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError(f"{where} has the id {shown(value)}, but ids are from 0 to 2147483647")
    return value


# tokenizer_config.json


def _read_special_names(config: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The special tokens that the file names, by role."""
    found: dict[str, tuple[str, ...]] = {}
    for role in _USUAL_NAMES:
        value = config.get(role)
        if isinstance(value, dict):
            value = value.get("content")
        if value is None:
            continue
        if not isinstance(value, str):
            raise ValueError(f"{role} is {shown(value)}, but must be a string")
        found[role] = (value,)
    return found


def _read_max_length(config: Mapping[str, Any]) -> int | None:
    """model_max_length, if it is a real limit."""
    value = config.get("model_max_length")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 1:
        raise ValueError(f"model_max_length is {shown(value)}, but must be positive")
    return None if value >= _HUGE_LENGTH else int(value)


def _read_config_switches(config: Mapping[str, Any]) -> dict[str, Any]:
    """The normalizer, as transformers makes it when there is only a vocab.txt."""
    kind = config.get("tokenizer_class") or "BertTokenizer"
    if kind not in _CLASSES:
        raise ValueError(
            f"tokenizer_class is {shown(kind)}; supported without tokenizer.json: "
            f"{', '.join(_CLASSES[::2])}"
        )
    lowercase = _get_optional_bool(config, "do_lower_case", True)
    return {
        "clean_text": True,
        "handle_chinese_chars": _get_optional_bool(config, "tokenize_chinese_chars", True),
        "strip_accents": _get_optional_bool(config, "strip_accents", lowercase),
        "lowercase": lowercase,
    }


# tokenizer.json


def _read_tokenizer_json(root: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a TokenizerDefinition from a file that the `tokenizers` library wrote."""
    model = root.get("model")
    if isinstance(model, dict) and "type" not in model and "merges" not in model:
        model = {"type": "WordPiece", **model}  # files of 2020 do not name the type
    model = _require_type(model, "model", "WordPiece")
    _require_type(root.get("pre_tokenizer"), "pre_tokenizer", "BertPreTokenizer")
    max_word_chars = _get(model, "max_input_chars_per_word", int, "model")
    if not 0 <= max_word_chars < 2**63:
        raise ValueError(f"model.max_input_chars_per_word is {shown(max_word_chars)}")
    ids = _get(model, "vocab", dict, "model")
    vocabulary = _wordpiece.Vocabulary.from_dict(ids)
    return {
        "vocabulary": vocabulary,
        "max_vocabulary_id": max(ids.values(), default=-1),
        "unknown_token": _get(model, "unk_token", str, "model"),
        "continuation_prefix": _get(model, "continuing_subword_prefix", str, "model"),
        "max_word_chars": max_word_chars,
        "added_tokens": _read_added_tokens(root.get("added_tokens"), vocabulary),
        **_read_normalizer(root.get("normalizer")),
        **_read_post_processor(root.get("post_processor")),
    }


def _read_normalizer(section: object) -> dict[str, bool]:
    """The switches of a BertNormalizer; null is a normalizer that does nothing."""
    keys = ("clean_text", "handle_chinese_chars", "lowercase")
    if section is None:
        return dict.fromkeys((*keys, "strip_accents"), False)
    section = _require_type(section, "normalizer", "BertNormalizer")
    switches = {key: _get(section, key, bool, "normalizer") for key in keys}
    strip_accents = _get_optional_bool(section, "strip_accents", switches["lowercase"])
    return {**switches, "strip_accents": strip_accents}


def _read_added_tokens(section: object, vocabulary: _wordpiece.Vocabulary) -> list[AddedToken]:
    """The added tokens, with the ids that the `tokenizers` library gives them.

    It does not heed the ids in the file: a token has its id of the vocabulary, others follow on.
    """
    if section is None:
        return []
    if not isinstance(section, list):
        raise ValueError(f"added_tokens is {shown(section)}, but must be a list")
    tokens: dict[str, AddedToken] = {}
    next_id = len(vocabulary)
    for i, entry in enumerate(section):
        where = f"added_tokens[{i}]"
        if not isinstance(entry, dict):
            raise ValueError(f"{where} is {shown(entry)}, but must be an object")
        content = _get(entry, "content", str, where)
        if not content:
            continue
        token_id = vocabulary.token_to_id(content)
        if token_id is None and content in tokens:
            token_id = tokens[content].id
        if token_id is None:
            token_id, next_id = next_id, next_id + 1
        keys = ("single_word", "lstrip", "rstrip", "normalized")
        flags = {key: _get(entry, key, bool, where) for key in keys}
        tokens[content] = AddedToken(content, token_id, **flags)
    return list(tokens.values())


def _read_post_processor(section: object) -> dict[str, Any]:
    """The templates, and what becomes of the spaces that added tokens took along."""
    templates = {"single": Template(), "pair": Template()}
    trim = keep_first = False
    if section is not None:
        section = _require_type(
            section, "post_processor", "TemplateProcessing", "BertProcessing", "RobertaProcessing"
        )
        if section["type"] == "TemplateProcessing":
            templates = {name: _read_template(section, name) for name in templates}
        else:
            cls_id, sep_id = (_read_named_id(section, key) for key in ("cls", "sep"))
            templates = _bert_templates(cls_id, sep_id)
        if section["type"] == "RobertaProcessing":
            sep = templates["single"].suffix
            pair = Template(templates["single"].prefix, sep * 2, sep, second_type_id=0)
            templates["pair"] = pair
            trim = _get(section, "trim_offsets", bool, "post_processor")
            keep_first = _get(section, "add_prefix_space", bool, "post_processor")
    return {**templates, "trim_added_spans": trim, "keep_single_first_space": keep_first}


def _bert_templates(cls_id: int, sep_id: int) -> dict[str, Template]:
    """[CLS] A [SEP] and [CLS] A [SEP] B [SEP]."""
    return {
        "single": Template([(cls_id, 0)], [], [(sep_id, 0)]),
        "pair": Template([(cls_id, 0)], [(sep_id, 0)], [(sep_id, 1)]),
    }


def _read_named_id(section: Mapping[str, Any], key: str) -> int:
    """The id in a pair such as ["[CLS]", 101]."""
    value = section.get(key)
    if not (isinstance(value, list) and len(value) == 2):
        raise ValueError(f"post_processor.{key} is {shown(value)}, but must be [token, id]")
    return _check_id(value[1], f"post_processor.{key}")


def _read_template(section: Mapping[str, Any], name: str) -> Template:
    """The template "single" or "pair" of a TemplateProcessing."""
    where = f"post_processor.{name}"
    special_tokens = _get(section, "special_tokens", dict, "post_processor")
    runs: list[_SpecialTokens] = [[]]  # before, between and behind the texts
    texts: list[object] = []
    type_ids = []
    for piece in _get(section, name, list, "post_processor"):
        kind, value = _read_piece(piece, where)
        type_id = _check_id(value.get("type_id"), where)
        if kind == "Sequence":
            texts.append(value.get("id"))
            type_ids.append(type_id)
            runs.append([])
        else:
            token = special_tokens.get(_get(value, "id", str, where))
            if not isinstance(token, dict):
                raise ValueError(f"{where} uses {shown(value['id'])}, not in special_tokens")
            for token_id in _get(token, "ids", list, where):
                runs[-1].append((_check_id(token_id, where), type_id))
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


# vocab.txt


def _read_vocab_txt(text: bytes, config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that transformers would give a tokenizer made of a vocab.txt."""
    vocabulary = _wordpiece.Vocabulary.from_lines(text)
    is_mpnet = str(config.get("tokenizer_class")).startswith("MPNet")
    usual = {role: names[-1 if is_mpnet else 0] for role, names in _USUAL_NAMES.items()}
    names = usual | {role: name for role, (name,) in _read_special_names(config).items()}
    ids = {role: vocabulary.token_to_id(name) for role, name in names.items()}
    cls_id, sep_id = ids["cls_token"], ids["sep_token"]
    if cls_id is None or sep_id is None:
        role = "cls_token" if cls_id is None else "sep_token"
        raise ValueError(f"the {role} {names[role]!r} is not in the vocabulary")
    templates = _bert_templates(cls_id, sep_id)
    if is_mpnet:
        templates["pair"].middle.append((sep_id, 0))
    known = {role: name for role, name in names.items() if ids[role] is not None}
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    return {
        "vocabulary": vocabulary,
        "max_vocabulary_id": lines - 1,  # of a token that is there twice, the last line counts
        "unknown_token": names["unk_token"],
        "continuation_prefix": "##",
        "max_word_chars": 100,
        "added_tokens": _read_added_tokens(_added_entries(config, known), vocabulary),
        "trim_added_spans": False,
        "keep_single_first_space": False,
        **templates,
    }


def _added_entries(config: Mapping[str, Any], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The special tokens and `added_tokens_decoder`, in the form of tokenizer.json."""
    decoder = config.get("added_tokens_decoder") or {}
    if not isinstance(decoder, dict):
        raise ValueError(f"added_tokens_decoder is {shown(decoder)}, but must be an object")
    entries: dict[str, dict[str, Any]] = {}
    for role, name in names.items():
        details = config.get(role)
        entries[name] = {"normalized": False, "content": name}
        if isinstance(details, dict):
            entries[name] |= details
    for entry in decoder.values():
        if isinstance(entry, dict):
            entries[str(entry.get("content"))] = entry
    unset = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    return [unset | entry for entry in entries.values()]
