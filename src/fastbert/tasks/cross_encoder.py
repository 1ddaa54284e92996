"""`CrossEncoder`: the score of a pair of texts, such as a query and a document."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastbert.arguments import as_texts, check_choice, check_positive
from fastbert.json_files import JsonObject
from fastbert.modules import list_modules, read_prompts, read_transformer
from fastbert.prompts import checked_prompts, choose_prompt
from fastbert.tasks.model import LabelledModel
from fastbert.tasks.probabilities import sigmoid, softmax
from fastbert.tasks.sequence_model import SequenceModel, as_pair, split_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from fastbert.tasks.model import OnOverflow

    Array = NDArray[np.float32]
    Pair = tuple[str, str] | list[str]

__all__ = ["CrossEncoder"]

Activation = Callable[[Any], Any]

ACTIVATIONS: dict[str, Activation] = {
    "identity": lambda scores: scores,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
}
# What files call them: the class of torch, with whatever path.
_TORCH_ACTIVATIONS = {"Identity": "identity", "Sigmoid": "sigmoid", "Tanh": "tanh"}


class CrossEncoder(SequenceModel, LabelledModel):
    """Scores pairs of texts that the model reads together: for reranking, and for comparing.

    >>> model = fastbert.CrossEncoder("cross-encoder/ms-marco-MiniLM-L6-v2")
    >>> model.rank("who wrote it?", ["Nobody knows.", "Harper Lee wrote it."], top_k=1)
    [{'corpus_id': 1, 'score': 4.52}]

    Results are those of sentence-transformers' class of the same name, whose directories it reads.

    Attributes:
        labels: name of each score, by id; one for a reranker.
        activation_fn: from the head's scores to those of a result: a name or a function.
        prompts: name -> text put before the first text of a pair.
        default_prompt_name: the prompt that goes before every pair, or None.
    """

    _task = "text-ranking"
    _head_name = "sequence_classification"
    activation_fn: str | Activation
    prompts: dict[str, str]
    default_prompt_name: str | None

    def __init__(
        self,
        model: str | PathLike[str],
        *,
        activation_fn: str | Activation | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        **options: Any,
    ) -> None:
        """Load a model.

        Args:
            model: a directory, or a name on the Hugging Face hub.
            activation_fn: "sigmoid", "identity" or "tanh", or a function from float32 (pairs,
                labels) to an array of the same shape; None takes what the directory says, or else
                "sigmoid" for one label and "identity" for several.
            prompts: name -> text put before the first text of a pair, added to the directory's.
            default_prompt_name: the prompt of a call that names none.
            options: those of every task model.

        Raises:
            ConfigError: if the directory names an activation that is not supported.
            TypeError: if `prompts` is not a mapping of str to str.
            ValueError: if `activation_fn` or `default_prompt_name` is not known.
        """
        given = checked_prompts(prompts)
        if activation_fn is not None and not callable(activation_fn):
            check_choice("activation_fn", activation_fn, tuple(ACTIVATIONS))
        super().__init__(model, **options)
        if activation_fn is None:
            activation_fn = self._files.activation(self._config_file)
        self.activation_fn = activation_fn or ("sigmoid" if self.num_labels == 1 else "identity")
        self.prompts = {**self._files.prompts, **given}
        self.default_prompt_name = default_prompt_name or self._files.default_prompt_name
        self._prompt(None, None)  # refuses a default name that there is not

    def _options(self) -> dict[str, Any]:
        return super()._options() | {
            "activation_fn": self.activation_fn,
            "prompts": self.prompts,
            "default_prompt_name": self.default_prompt_name,
        }

    def _transformer(self) -> str:
        self._files = _read_files(Path(self.directory))
        return self._files.transformer

    def _stated_length(self) -> int | None:
        return self._files.max_seq_length or super()._stated_length()

    @property
    def num_labels(self) -> int:
        """How many scores a pair has."""
        return len(self.labels)

    def predict(
        self,
        pairs: Pair | Sequence[Pair],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        activation_fn: str | Activation | None = None,
        apply_softmax: bool = False,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
    ) -> NDArray[Any] | np.float32:
        """Score pairs.

        Args:
            pairs: one pair of texts, or a sequence of pairs.
            prompt_name: which of `prompts` goes before the first text of every pair.
            prompt: the text itself that goes there; wins over `prompt_name`.
            batch_size: most pairs of one native call; results do not depend on it.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            activation_fn: in place of the model's.
            apply_softmax: after the activation, scale the scores of each pair to a sum of 1; of no
                effect with one label.
            on_overflow: what happens to a pair of more than `max_length` tokens: "truncate" cuts
                the longer text first, and warns once; "error" raises.
            threads: of this call.

        Returns:
            A float32 for one pair and one label, (labels,) for one pair and several; (pairs,) or
            (pairs, labels) for a sequence.

        Raises:
            TypeError: if a pair is not two texts.
            ValueError: if an argument is out of its range.
        """
        single = _is_pair(pairs)
        listed = [as_pair(pairs, "pairs")] if single else pairs
        firsts, seconds = split_pairs(listed)
        before = self._prompt(prompt, prompt_name)
        scores = self._sequence_scores(
            [self._prepared(before + first) for first in firsts],
            [self._prepared(second) for second in seconds],
            describe="pair {}".format,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            on_overflow=on_overflow,
            threads=threads,
        )
        scores = self._activated(scores, activation_fn)
        if self.num_labels == 1 and scores.ndim > 1:
            scores = scores[:, 0]
        if apply_softmax and scores.ndim > 1:
            scores = softmax(scores)
        return scores[0] if single else scores

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        activation_fn: str | Activation | None = None,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
    ) -> list[dict[str, Any]]:
        """Sort documents by their score beside a query, the best first.

        Args:
            query: the text that every document is read with.
            documents: the texts to sort.
            top_k: return this many; None for all.
            return_documents: also return the texts.
            prompt_name: which of `prompts` goes before the query.
            prompt: the text itself that goes there; wins over `prompt_name`.
            batch_size: most pairs of one native call; results do not depend on it.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            activation_fn: in place of the model's.
            on_overflow: as for `predict`.
            threads: of this call.

        Returns:
            A dictionary for each document: "corpus_id", its place in `documents`; "score"; and with
            `return_documents` "text". Documents of equal scores keep their order.

        Raises:
            TypeError: if a text is not a str.
            ValueError: if the model has several labels, or an argument is out of its range.
        """
        if self.num_labels != 1:
            raise ValueError(
                f"rank needs a model with one label, but {self.directory} has {self.num_labels}: "
                "use predict"
            )
        check_positive("top_k", top_k)
        if not isinstance(query, str):
            raise TypeError(f"query is a {type(query).__name__}, but must be a str")
        texts = as_texts(documents, "documents", "a list of str")
        pairs = [(query, text) for text in texts]
        predicted = self.predict(
            pairs,
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            activation_fn=activation_fn,
            on_overflow=on_overflow,
            threads=threads,
        )
        scores = np.asarray(predicted)
        order = np.argsort(-scores, kind="stable")[:top_k].tolist()
        results: list[dict[str, Any]] = [{"corpus_id": i, "score": float(scores[i])} for i in order]
        if return_documents:
            for result in results:
                result["text"] = texts[result["corpus_id"]]
        return results

    def _prepared(self, text: str) -> str:
        return text.lower() if self._files.do_lower_case else text

    def _activated(self, scores: Array, activation_fn: str | Activation | None) -> Array:
        chosen = self.activation_fn if activation_fn is None else activation_fn
        if not callable(chosen):
            check_choice("activation_fn", chosen, tuple(ACTIVATIONS))
            chosen = ACTIVATIONS[chosen]
        activated = np.asarray(chosen(scores))
        if activated.shape != scores.shape:
            raise ValueError(
                f"activation_fn makes an array of shape {activated.shape} of scores of shape "
                f"{scores.shape}, but must keep the shape"
            )
        return activated

    def _prompt(self, prompt: str | None, name: str | None) -> str:
        return choose_prompt(self.prompts, self.default_prompt_name, prompt=prompt, name=name)


class _Files(NamedTuple):
    """What the files of sentence-transformers say about a cross-encoder, if there are any."""

    transformer: str
    max_seq_length: int | None
    do_lower_case: bool
    prompts: dict[str, str]
    default_prompt_name: str | None
    sentence_config: JsonObject | None

    def activation(self, config: JsonObject) -> str | None:
        """Our name of the activation that the files name."""
        if self.sentence_config is not None and self.sentence_config.get("activation_fn"):
            return _activation(self.sentence_config, "activation_fn")
        newer = config.get("sentence_transformers")
        if isinstance(newer, dict) and "activation_fn" in newer:
            return _activation(JsonObject(config.path, newer), "activation_fn")
        return _activation(config, "sbert_ce_default_activation_function")


def _read_files(directory: Path) -> _Files:
    transformer = directory
    if (directory / "modules.json").exists():
        modules = list_modules(directory, ("Transformer",))
        transformer = modules[0][1] if modules else directory
    length, lower = read_transformer(transformer)
    path = directory / "config_sentence_transformers.json"
    if not path.exists():
        return _Files(os.fspath(transformer), length, lower, {}, None, None)
    file = JsonObject.read(path)
    return _Files(os.fspath(transformer), length, lower, *read_prompts(file), file)


def _activation(file: JsonObject, key: str) -> str | None:
    if file.get(key) is None:
        return None
    name = _TORCH_ACTIVATIONS.get(file.text(key).rpartition(".")[2])
    if name is None or not file.text(key).startswith("torch."):
        known = ", ".join(f"torch.nn.{name}" for name in _TORCH_ACTIVATIONS)
        raise file.error(key, f"one of the supported ones: {known}")
    return name


def _is_pair(pairs: object) -> bool:
    """As in sentence-transformers: a list whose first element is no list."""
    return isinstance(pairs, list | tuple) and len(pairs) > 0 and isinstance(pairs[0], str)
