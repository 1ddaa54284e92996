"""Text to token ids: the one interface that everything else uses, whatever the vocabulary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastbert.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from fastbert.tokenization.assembly import Assembly

    Int32Array = NDArray[np.int32]

__all__ = ["Template", "Tokenizer", "Tokens", "check_vocabulary"]

_MAX_INT32 = 2**31 - 1
_new_tuple = tuple.__new__


class Tokens(NamedTuple):
    """A batch of token sequences, one after the other, without padding.

    Text `i` has the tokens `offsets[i]` to `offsets[i + 1]`.

    Attributes:
        ids: int32 (tokens,).
        offsets: int32 (texts + 1,), from 0 to the number of tokens.
        type_ids: int32 (tokens,), which of the two texts a token belongs to; None without pairs.
        spans: int32 (tokens, 2), the characters [start, end) of the text that a token stands for,
            (0, 0) for special tokens around the text; None unless asked for.
        lengths: int32 (texts,), tokens of each text before truncation, special tokens included.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int32]
    type_ids: NDArray[np.int32] | None
    spans: NDArray[np.int32] | None
    lengths: NDArray[np.int32]


class Template(NamedTuple):
    """The special tokens around the texts, as (id, type id), and the texts' own type ids."""

    prefix: list[tuple[int, int]]
    middle: list[tuple[int, int]]
    suffix: list[tuple[int, int]]
    first_type_id: int = 0
    second_type_id: int = 1

    @property
    def size(self) -> int:
        """How many special tokens it adds."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    @property
    def max_id(self) -> int:
        """The largest id of them; -1 without any."""
        return max((token_id for run in self[:3] for token_id, _ in run), default=-1)


class Tokenizer(ABC):
    """Splits texts into the tokens of a model.

    Immutable, and safe to use from many threads at once. Token for token and span for span the
    same as the `tokenizers` library; a lone surrogate, which that library refuses, is read as
    U+FFFD. WordPiece, the vocabulary of BERT, is native; other vocabularies need that library:
    `pip install "fastbert[tokenizers]"`.

    >>> tokenizer = Tokenizer.from_pretrained("path/to/all-MiniLM-L6-v2")
    >>> tokenizer.encode_batch(["hello world"]).ids
    array([ 101, 7592, 2088,  102], dtype=int32)

    Attributes:
        directory: Where its files are; None if it was not read from a directory.
        max_length: Tokens that the model can take, as its files say; None when they do not.
        cls_id: Id of the token in front of a text, or None.
        sep_id: Id of the token behind a text, or None.
        unk_id: Id of the token for what the vocabulary cannot spell; None if it can spell all.
        pad_id: Id of the padding token, or None.
        mask_id: Id of the token for a word to be guessed, or None.
        max_id: The largest id that a token can have: of the vocabulary, the added tokens and the
            special tokens around texts.
        special_ids: Ids of all special tokens, those above included.
        special_counts: How many special tokens are put in front of a single text and behind it.
        pair_special_counts: How many in front of a pair, between its texts and behind it.
        continuation_prefix: What begins a token that continues a word, such as "##"; None if
            nothing marks them.
    """

    directory: str | None = None
    max_length: int | None
    cls_id: int | None
    sep_id: int | None
    unk_id: int | None
    pad_id: int | None
    mask_id: int | None
    max_id: int
    special_ids: frozenset[int]
    special_counts: tuple[int, int]
    pair_special_counts: tuple[int, int, int]
    continuation_prefix: str | None

    # For `Encoder`: a str, or a few that all differ, with special tokens and cut to a limit, as
    # ids, offsets and the length of the longest; None sends the caller to `encode_batch`.
    encode_few: Callable[[object, int, int], tuple[Int32Array, Int32Array, int] | None]

    # What an implementation has instead of methods, so that no line of Python lies between.
    _encode: Callable[[str], Int32Array]
    _encode_batch: Callable[
        [tuple[str, ...], tuple[str, ...] | None, bool, int, bool, int], tuple[Any, ...]
    ]

    _cleans_up: bool  # what `decode` makes, as transformers does

    def __reduce__(self) -> tuple[Callable[[str], Tokenizer], tuple[str]]:
        """Pickled as its directory; unpickling loads the files again.

        Raises:
            TypeError: if it was not read from a directory.
        """
        if self.directory is None:
            raise TypeError("this tokenizer was not read from a directory, so it cannot be pickled")
        return Tokenizer.from_pretrained, (self.directory,)

    def _set_templates(self, single: Template, pair: Template) -> None:
        self._templates = (single, pair)
        self._least_lengths = (single.size, pair.size)
        self.special_counts = (len(single.prefix), len(single.suffix))
        self.pair_special_counts = (len(pair.prefix), len(pair.middle), len(pair.suffix))

    def _set_roles(self, names: Mapping[str, Iterable[str]]) -> None:
        """Find the special tokens by role: of the names for each, the first that is a token."""
        for role in ("cls", "sep", "unk", "pad", "mask"):
            ids = (self.token_to_id(name) for name in names[f"{role}_token"])
            setattr(self, f"{role}_id", next((i for i in ids if i is not None), None))

    def _role_ids(self) -> frozenset[int]:
        ids = (self.cls_id, self.sep_id, self.unk_id, self.pad_id, self.mask_id)
        return frozenset(token_id for token_id in ids if token_id is not None)

    @staticmethod
    def from_pretrained(name_or_path: str | PathLike[str]) -> Tokenizer:
        """Load the tokenizer of a model.

        A directory is read as it is: `tokenizer.json`, or else `vocab.txt`, or else `vocab.json`
        with `merges.txt`; with `tokenizer_config.json`. Any other str is the name of a model; see
        `fastbert.hub`. Truncation and padding stored in `tokenizer.json` are ignored.

        Raises:
            OSError: if there is no such directory or model.
            ConfigError: if the directory has no such file, or a file is damaged or describes a
                tokenizer that nothing here knows.
            ImportError: if the vocabulary is not WordPiece and the `tokenizers` library is missing.
        """
        from pathlib import Path

        from fastbert.tokenization.files import read_tokenizer

        directory = Path(name_or_path)
        if not directory.is_dir():
            if not isinstance(name_or_path, str):
                raise FileNotFoundError(f"{directory} is not a directory")
            from fastbert import hub

            directory = hub.resolve(name_or_path)
        return read_tokenizer(directory)

    # --- texts to ids ---

    def encode(self, text: str) -> NDArray[np.int32]:
        """The token ids of one text, with special tokens and not cut: int32 (tokens,).

        The shortest way for one text; `encode_batch` has the options.

        Raises:
            TypeError: if `text` is not a str.
        """
        return self._encode(text)

    def encode_batch(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        max_length: int | None = None,
        truncation: str = "longest_first",
        return_spans: bool = False,
        threads: int | None = None,
    ) -> Tokens:
        """Tokenize texts, or pairs of texts.

        The result for a text does not depend on the others, nor on `threads`.

        Args:
            texts: The texts.
            pairs: The second text of each pair.
            add_special_tokens: Put [CLS] and [SEP], or what the model has instead, around them.
            max_length: Cut to at most this many tokens, special tokens included, from the end.
                None does not cut.
            truncation: Which text of a pair is cut: "longest_first", "only_first" or
                "only_second".
            return_spans: Also tell which characters each token stands for.
            threads: Threads for a large batch; None takes what the process may use. The
                `tokenizers` library chooses for itself.

        Returns:
            Tokens: ragged arrays over all texts.

        Raises:
            TypeError: if `texts` or `pairs` is not a sequence of str.
            ValueError: if `pairs` and `texts` differ in length, or `max_length` has no room for
                the special tokens, or for any token of the only text that may be cut, or
                `threads` is not positive.
        """
        text_tuple = tuple(texts) if type(texts) is list else _as_tuple("texts", texts)
        pair_tuple = None if pairs is None else _as_tuple("pairs", pairs)
        if pair_tuple is not None and len(pair_tuple) != len(text_tuple):
            raise ValueError(f"{len(text_tuple)} texts have {len(pair_tuple)} pairs")
        limit = -1
        if max_length is not None:
            limit = self._limit(max_length, add_special_tokens, pairs is not None)
        if threads is None:
            threads = 0
        elif threads < 1:
            raise ValueError(f"threads is {threads}, but must be positive")
        else:
            threads = min(threads, _MAX_INT32)
        if truncation != "longest_first":
            first = self._sequences(text_tuple, return_spans, threads)
            second = None
            if pair_tuple is not None:
                second = self._sequences(pair_tuple, return_spans, threads)
            assembly = self._assembly(first, second, add_special_tokens, limit, truncation)
            return assembly.tokens(first, second)
        arrays = self._encode_batch(
            text_tuple, pair_tuple, add_special_tokens, limit, return_spans, threads
        )
        return _new_tuple(Tokens, arrays)  # 0.2 microseconds less than Tokens(*arrays)

    def encode_words(
        self,
        texts: Sequence[Sequence[str]],
        pairs: Sequence[Sequence[str]] | None = None,
        *,
        add_special_tokens: bool = True,
        max_length: int | None = None,
        truncation: str = "longest_first",
        return_spans: bool = False,
        threads: int | None = None,
    ) -> tuple[Tokens, NDArray[np.int32]]:
        """Tokenize texts that are already split into words.

        Args:
            texts: The words of each text; a word becomes tokens as if it were a text.
            pairs: The words of the second text of each pair.
            add_special_tokens: Put special tokens around them, as for `encode_batch`.
            max_length: Cut to at most this many tokens, as for `encode_batch`.
            truncation: Which text of a pair is cut, as for `encode_batch`.
            return_spans: Also tell which characters of its word each token stands for.
            threads: As for `encode_batch`.

        Returns:
            The tokens, and int32 (tokens,): which word of its text each token comes from, -1 for
            special tokens around the texts.

        Raises:
            TypeError, ValueError: as for `encode_batch`.
        """
        limit = self._limit(max_length, add_special_tokens, pairs is not None)
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}, but must be positive")
        threads = min(threads or 0, _MAX_INT32)
        groups = _as_groups("texts", texts, "a word")
        first, first_words = self._word_sequences(groups, return_spans, threads)
        second = second_words = None
        if pairs is not None:
            groups = _as_groups("pairs", pairs, "a word")
            second, second_words = self._word_sequences(groups, return_spans, threads)
        assembly = self._assembly(first, second, add_special_tokens, limit, truncation)
        return assembly.tokens(first, second), assembly.place(first_words, second_words, -1)

    def encode_tokens(
        self,
        texts: Sequence[Sequence[str]],
        pairs: Sequence[Sequence[str]] | None = None,
        *,
        add_special_tokens: bool = True,
        max_length: int | None = None,
        truncation: str = "longest_first",
    ) -> Tokens:
        """Look up texts that are already split into tokens.

        Args:
            texts: The tokens of each text, as the vocabulary writes them; one that it does not
                have becomes the unknown token.
            pairs: The tokens of the second text of each pair.
            add_special_tokens: Put special tokens around them, as for `encode_batch`.
            max_length: Cut to at most this many tokens, as for `encode_batch`.
            truncation: Which text of a pair is cut, as for `encode_batch`.

        Returns:
            Tokens: ragged arrays over all texts, without spans.

        Raises:
            TypeError, ValueError: as for `encode_batch`; ValueError also for a token that is not
                in a vocabulary without an unknown token.
        """
        limit = self._limit(max_length, add_special_tokens, pairs is not None)
        first = self._looked_up("texts", texts)
        second = None if pairs is None else self._looked_up("pairs", pairs)
        assembly = self._assembly(first, second, add_special_tokens, limit, truncation)
        return assembly.tokens(first, second)

    def join(self, first: Tokens, second: Tokens | None = None) -> Tokens:
        """Put special tokens around texts that were tokenized without, such as windows of them.

        Args:
            first: Tokens without special tokens; of them, only `ids`, `offsets` and `spans` count.
            second: The second text of each pair.

        Returns:
            Tokens: as `encode_batch` would give for these texts or pairs; with spans if `first`,
            and `second` if there is one, have them.

        Raises:
            ValueError: if `first` and `second` differ in length.
        """
        return self._assembly(first, second, True, -1, "longest_first").tokens(first, second)

    def _limit(self, max_length: int | None, add_special_tokens: bool, pairs: bool) -> int:
        """`max_length` for the native code: -1 does not cut."""
        if max_length is None:
            return -1
        least = self._least_lengths[pairs] if add_special_tokens else 0
        if max_length < least:
            raise ValueError(f"max_length is {max_length}, but special tokens alone are {least}")
        return min(max_length, _MAX_INT32)

    def _assembly(
        self,
        first: Tokens,
        second: Tokens | None,
        add_special_tokens: bool,
        limit: int,
        truncation: str,
    ) -> Assembly:
        from fastbert.tokenization.assembly import Assembly

        template = self._templates[second is not None]
        if not add_special_tokens:
            template = template._replace(prefix=[], middle=[], suffix=[])
        return Assembly(template, first, second, limit=limit, truncation=truncation)

    def _sequences(self, texts: tuple[str, ...], return_spans: bool, threads: int) -> Tokens:
        """The tokens of each text, whole and without special tokens."""
        return Tokens(*self._encode_batch(texts, None, False, -1, return_spans, threads))

    def _word_sequences(
        self, texts: list[tuple[str, ...]], return_spans: bool, threads: int
    ) -> tuple[Tokens, Int32Array]:
        """The tokens of the words of each text, and the number of the word of each."""
        words = tuple(word for text in texts for word in text)
        tokens = self._sequences(words, return_spans, threads)
        numbers = np.array([i for text in texts for i in range(len(text))], np.int32)
        ends = np.cumsum([0, *map(len, texts)])
        offsets = tokens.offsets[ends]
        found = tokens._replace(offsets=offsets, lengths=np.diff(offsets))
        return found, np.repeat(numbers, np.diff(tokens.offsets))

    def _looked_up(self, name: str, texts: Sequence[Sequence[str]]) -> Tokens:
        groups = _as_groups(name, texts, "a token")
        known = {token: self.token_to_id(token) for token in {t for text in groups for t in text}}
        if self.unk_id is None and None in known.values():
            unknown = next(token for token in known if known[token] is None)
            raise ValueError(f"{unknown!r} is no token, and this tokenizer has no unknown token")
        ids = [known[token] for text in groups for token in text]
        ids = [self.unk_id if found is None else found for found in ids]
        lengths = np.array([len(text) for text in groups], np.int32)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return Tokens(np.array(ids, np.int32), offsets, None, None, lengths)

    # --- ids to texts ---

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """The text that token ids stand for, as near as the vocabulary remembers it.

        The same as `decode` of transformers' tokenizers. An id that no token has says nothing.

        Args:
            ids: The token ids of one text.
            skip_special_tokens: Leave out the `special_ids`.
        """
        from fastbert.tokenization.decoding import clean_up

        skipped = self.special_ids if skip_special_tokens else ()
        known = [i for i in map(int, ids) if 0 <= i <= _MAX_INT32 and i not in skipped]
        text = self._decode(known)
        return clean_up(text) if self._cleans_up else text

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The token of each id.

        Raises:
            ValueError: if an id has no token.
        """
        found = []
        for token_id in map(int, ids):
            token = self.id_to_token(token_id)
            if token is None:
                raise ValueError(f"no token has the id {token_id}")
            found.append(token)
        return found

    # --- what an implementation knows ---

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of tokens, added tokens included."""

    @abstractmethod
    def token_to_id(self, token: str) -> int | None:
        """The id of a token, or None when it is not in the vocabulary."""

    @abstractmethod
    def id_to_token(self, token_id: int) -> str | None:
        """The token with an id, or None when no token has it."""

    @abstractmethod
    def tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Tokens joined to text, as `convert_tokens_to_string` of transformers does."""

    @abstractmethod
    def word_starts(self, texts: Sequence[str], tokens: Tokens) -> NDArray[np.bool_]:
        """Whether each token is the first of a word.

        Args:
            texts: The texts.
            tokens: Theirs, whole and without special tokens.
        """

    @abstractmethod
    def _decode(self, ids: list[int]) -> str:
        """The text of ids from 0 to 2**31 - 1, before transformers cleans it up."""

    @abstractmethod
    def compiled(self) -> tuple[dict[str, Any], bytes, bytes] | None:
        """What makes this tokenizer again without its files; None if they have to be read."""


def check_vocabulary(
    tokenizer: Tokenizer,
    size: int,
    directory: str | PathLike[str],
    says: str = "config.json says vocab_size",
) -> None:
    """Refuse a tokenizer with ids beyond what a model has rows for.

    Args:
        tokenizer: That of the model.
        size: How many rows there are.
        directory: Where both lie.
        says: What goes before `size` in the message.

    Raises:
        ConfigError: if there are such ids.
    """
    if tokenizer.max_id >= size:
        raise ConfigError(
            f"{directory}: the tokenizer has ids up to {tokenizer.max_id}, but {says} {size}"
        )


def _as_tuple(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    """The texts as a tuple, which nobody can change while the native code reads them."""
    if isinstance(texts, (list, tuple)):
        return tuple(texts)
    is_sequence = hasattr(texts, "__len__") and hasattr(texts, "__getitem__")
    if isinstance(texts, (str, bytes, bytearray, Mapping)) or not is_sequence:
        raise TypeError(f"{name} is {type(texts).__name__}, but must be a sequence of str")
    return tuple(texts)


def _as_groups(name: str, texts: Sequence[Sequence[str]], one: str) -> list[tuple[str, ...]]:
    """Texts that are sequences of str, `one` of which is called so."""
    if isinstance(texts, (str, bytes, bytearray, Mapping)) or not hasattr(texts, "__len__"):
        kind = type(texts).__name__
        raise TypeError(f"{name} is {kind}, but must be a sequence of sequences of str")
    groups = [_as_tuple(f"{name}[{i}]", text) for i, text in enumerate(texts)]
    for i, group in enumerate(groups):
        for j, item in enumerate(group):
            if not isinstance(item, str):
                kind = type(item).__name__
                raise TypeError(f"{name}[{i}][{j}] is {kind}, but {one} is a str")
    return groups
