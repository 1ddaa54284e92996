"""What all tasks share: a loaded encoder with a head, and the way through it."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fastbert import postprocessing
from fastbert._native import _core
from fastbert.arguments import check_choice, check_positive, check_threads
from fastbert.batches import cut
from fastbert.heads import read_head
from fastbert.hub import find
from fastbert.length_limit import LengthLimit, stated_limit
from fastbert.loading import ModelFiles, compute_types
from fastbert.mapped_weights import MappedWeights
from fastbert.overflow import Overflow
from fastbert.progress import logs_info, progress
from fastbert.tasks.detection import check_task
from fastbert.tasks.labels import read_config_file, read_labels
from fastbert.tokenizer import check_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from fastbert.batches import Batch
    from fastbert.tokenizer import Tokens

    Array = NDArray[np.float32]

__all__ = ["OVERFLOWS", "LabelledModel", "OnOverflow", "TaskModel"]

OnOverflow = Literal["truncate", "error"]
OVERFLOWS = ("truncate", "error")


class TaskModel:
    """A BERT with a head. A task derives from it, names its head and turns scores into answers.

    Any number of threads may use one model at the same time. A text's scores are the same to the
    bit alone, in any batch and with any number of threads.

    Attributes:
        directory: where the model lies.
        config: the sizes of the encoder.
        tokenizer: its `Tokenizer`.
        max_length: longest input in tokens, special tokens included.
        compute_type: what the encoder computes with; the head computes in float32.
        threads: threads of every call, or None for all that the process may use.
    """

    max_length = LengthLimit()
    _task: ClassVar[str]  # a key of `TASKS`
    _head_name: ClassVar[str]
    _remedy: ClassVar[str] = ""  # what reads all of a text that is too long

    def __init__(
        self,
        model: str | PathLike[str],
        *,
        compute_type: str = "float32",
        threads: int | None = None,
        max_length: int | None = None,
        revision: str | None = None,
        cache_folder: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
    ) -> None:
        """Load a model.

        Args:
            model: a directory, or a name on the Hugging Face hub.
            compute_type: as in `fastbert.load`.
            threads: threads of every call; None takes all that this process may use.
            max_length: longest input in tokens; None takes the model's own limit.
            revision: branch, tag or commit on the hub.
            cache_folder: where downloaded models lie, in place of the Hugging Face cache.
            local_files_only: never use the network.
            token: the hub's access token, or True for the stored one.

        Raises:
            ModelNotFoundError: if no source has the model.
            ConfigError, WeightsError: if its files are damaged or not supported, or it is a model
                for another task, or has no head for this one.
            ValueError: if an argument is out of its range.
        """
        check_choice("compute_type", compute_type, compute_types())
        check_threads(threads)
        self.directory = find(
            model,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        self.compute_type = compute_type
        self.threads = threads
        files = ModelFiles(self._transformer(), plain=True)
        self.config, self.tokenizer = files.config, files.tokenizer
        check_vocabulary(self.tokenizer, self.config.vocab_size, files.directory)
        if max_length is None:
            max_length = stated_limit(self, self.directory, self._stated_length())
        self.max_length = max_length
        self._config_file = read_config_file(files.directory)
        check_task(self._config_file, self._task)
        self._read_settings()
        self._head = postprocessing.prepare(
            read_head(files.directory, self.config, self._head_name, outputs=self._outputs()),
            _core.isa(),
            threads or 0,
        )
        self._native = files.native_encoder(compute_type, threads or 0)
        self._mapped = MappedWeights(self._native.packed, in_file=files.maps_packed)
        self._overflow = Overflow()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.directory!r}, {self.config.num_hidden_layers} layers, "
            f"{self.compute_type}, {self.isa})"
        )

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        """Pickled as its directory and its settings; unpickling loads the files again."""
        return functools.partial(type(self), self.directory, **self._options()), ()

    def _options(self) -> dict[str, Any]:
        """The arguments that make the same model again."""
        return {
            "compute_type": self.compute_type,
            "threads": self.threads,
            "max_length": self.max_length,
        }

    @property
    def isa(self) -> str:
        """The instruction set that this model computes with."""
        return self._native.isa

    # --- what a task may say otherwise ---

    def _transformer(self) -> str:
        """The directory of the transformer."""
        return os.fspath(self.directory)

    def _read_settings(self) -> None:
        """Read what the task needs of config.json."""

    def _outputs(self) -> int | None:
        """How many scores the head must give; None takes what it gives."""
        return None

    # --- from texts to tokens ---

    def _tokens(self, texts: Sequence[str], on_overflow: OnOverflow, threads: int | None) -> Tokens:
        """The tokens of each text, as many as `max_length` allows."""
        tokens = self.tokenizer.encode_batch(
            texts, max_length=self.max_length, threads=threads or self.threads
        )
        self._check_lengths(tokens, on_overflow, lambda i: f"text {i}")
        return tokens

    # --- from tokens to scores ---

    def _scores(
        self,
        tokens: Tokens,
        *,
        pooled: bool,
        threads: int | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = False,
    ) -> Array:
        """The head's scores of ragged tokens.

        Args:
            tokens: all texts or pairs, none longer than `max_length`.
            pooled: scores of each text, from its first token; else scores of each token.
            threads: of this call.
            batch_size: most texts of one native call.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.

        Returns:
            (texts, outputs) or (tokens, outputs).
        """
        poolings = ("cls",) if pooled else ()
        states = self._states(tokens, poolings, threads, batch_size, show_progress_bar)
        parts = [self._apply_head(x, threads) for _, x in states]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _apply_head(self, x: Array, threads: int | None) -> Array:
        for step in self._head:
            x = step(x, threads or self.threads or 0)
        return x

    def _states(
        self,
        tokens: Tokens,
        poolings: tuple[str, ...],
        threads: int | None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = False,
    ) -> Iterator[tuple[Batch, Array]]:
        """What the encoder makes of the tokens, one native call after the other."""
        check_positive("batch_size", batch_size)
        check_threads(threads)
        if show_progress_bar is None:
            show_progress_bar = logs_info()
        texts = len(tokens.offsets) - 1
        type_ids = tokens.type_ids if self.config.type_vocab_size > 1 else None
        with progress(texts, enabled=show_progress_bar) as bar:
            for batch in cut(tokens.ids, tokens.offsets, batch_size):
                types = None
                if type_ids is not None:
                    types = type_ids[batch.first_token : batch.first_token + len(batch.ids)]
                states = self._native.forward(
                    batch.ids,
                    batch.offsets,
                    type_ids=types,
                    poolings=poolings,
                    threads=threads or self.threads or 0,
                )
                yield batch, states
                bar.update(batch.count)
        if self._mapped.in_file:
            self._mapped.count_call()

    def _check_lengths(
        self,
        tokens: Tokens,
        on_overflow: OnOverflow,
        describe: Callable[[int], str],
        max_length: int | None = None,
    ) -> None:
        """Refuse an input that is cut, or say so once per model; `describe` names the i-th one."""
        check_choice("on_overflow", on_overflow, OVERFLOWS)
        self._overflow.check(
            tokens.lengths,
            max_length or self.max_length,
            describe,
            refuse=on_overflow == "error",
            remedy=self._remedy,
            advice='"error" for on_overflow refuses it; ',
        )

    # --- loading ---

    def _stated_length(self) -> int | None:
        """The longest input by the model's files, if they say."""
        return self.tokenizer.max_length


class LabelledModel(TaskModel):
    """A task model whose scores have names.

    Attributes:
        labels: name of each score, by id.
    """

    labels: list[str]

    def _read_settings(self) -> None:
        self.labels = read_labels(self._config_file)

    def _outputs(self) -> int | None:
        return len(self.labels)
