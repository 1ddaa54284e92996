"""`FastBertVectorizer`: texts to vectors as a step of scikit-learn; needs the extra `sklearn`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastbert.api import DEFAULT_MODEL, load_once

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
except ImportError:
    raise ImportError(
        "fastbert.sklearn needs scikit-learn 1.6 or newer: pip install 'fastbert[sklearn]'"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from fastbert.encoder import Encoder, OnOverflow

__all__ = ["FastBertVectorizer"]


class FastBertVectorizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns texts into the vectors of a BERT model, in place of a bag of words.

    >>> classifier = make_pipeline(FastBertVectorizer(), LogisticRegression())
    >>> classifier.fit(texts, labels).predict(["how do I reset my password"])

    Nothing is learnt from data: `transform` works without `fit`. The model is loaded when it is
    first needed and shared with all that use it in this process, `fastbert.encode` included. A
    pickle or a clone has the parameters only, so the model must be found wherever it is unpickled.

    With `n_jobs`, each process of joblib loads the model (from fastbert's cache, whose pages they
    share) and takes its part of the threads.

    Args:
        model: a directory, or a name on the Hugging Face hub.
        compute_type: "float32", "bfloat16" or "int8", see `fastbert.load`.
        threads: threads of every call; None takes all that the process may use.
        max_seq_length: longest input in tokens; None takes the model's own limit.
        prompt_name: which of the model's prompts goes before every text.
        prompt: the text itself that goes before every text.
        batch_size: most texts of one native call; results do not depend on it.
        normalize_embeddings: scale every vector to length 1, after `truncate_dim`.
        truncate_dim: keep only this many leading dimensions.
        on_overflow: what happens to a text that is too long: "truncate", "error" or "window", see
            `Encoder.encode`.
        show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
    """

    def __init__(
        self,
        model: str | PathLike[str] = DEFAULT_MODEL,
        *,
        compute_type: str = "float32",
        threads: int | None = None,
        max_seq_length: int | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        on_overflow: OnOverflow = "truncate",
        show_progress_bar: bool | None = None,
    ) -> None:
        self.model = model
        self.compute_type = compute_type
        self.threads = threads
        self.max_seq_length = max_seq_length
        self.prompt_name = prompt_name
        self.prompt = prompt
        self.batch_size = batch_size
        self.normalize_embeddings = normalize_embeddings
        self.truncate_dim = truncate_dim
        self.on_overflow = on_overflow
        self.show_progress_bar = show_progress_bar

    def fit(self, X: Sequence[str], y: object = None) -> FastBertVectorizer:  # noqa: N803
        """Load the model and check the parameters; nothing is learnt.

        Args:
            X: the texts, as for `transform`.
            y: ignored.

        Raises:
            ModelNotFoundError, ConfigError, WeightsError: if the model cannot be loaded.
            TypeError, ValueError: if a parameter is out of its range, or X is not one column.
        """
        _column(X)
        self._encode([])
        return self

    def transform(self, X: Sequence[str]) -> NDArray[np.float32]:  # noqa: N803
        """The vectors of the texts.

        Args:
            X: the texts: a list or tuple, a 1-D array or a column of a data frame.

        Returns:
            float32 (texts, dim); a data frame after `set_output(transform="pandas")`.

        Raises:
            TypeError: if a text is not a str.
            ValueError: if X is not one column, a parameter is out of its range, or a text is too
                long and `on_overflow` is "error".
        """
        vectors: NDArray[np.float32] = self._encode(_column(X))
        return vectors

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 (scikit-learn has no types)
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _n_features_out(self) -> int:
        """Width of the output, under the name that scikit-learn's mixin of feature names reads."""
        dimension = self._encoder().embedding_dimension
        return min(dimension, self.truncate_dim or dimension)

    def _encoder(self) -> Encoder:
        # Not an attribute, which would be in every pickle and every copy.
        return load_once(self.model, self.compute_type, self.max_seq_length)

    def _encode(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 (`encode` can return lists too)
        return self._encoder().encode(
            texts,
            prompt_name=self.prompt_name,
            prompt=self.prompt,
            batch_size=self.batch_size,
            show_progress_bar=self.show_progress_bar,
            normalize_embeddings=self.normalize_embeddings,
            truncate_dim=self.truncate_dim,
            on_overflow=self.on_overflow,
            threads=self.threads,
        )


def _column(X: Any) -> Sequence[str]:  # noqa: ANN401, N803
    """X, if it is one column; the encoder checks the texts in it."""
    if isinstance(X, str):
        raise TypeError("X is a str, but must be a list or a column of texts")
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        raise ValueError(
            f"X has shape {tuple(shape)}, but must be one column of texts (a ColumnTransformer "
            "passes a column for 'name', and a table for ['name'])"
        )
    texts: Sequence[str] = X.tolist() if hasattr(X, "tolist") else X
    return texts
