"""The fastest way to run BERT on a CPU: text in, vectors out, no PyTorch.

>>> import fastbert
>>> fastbert.encode(["how do I reset my password", "忘记密码怎么办"]).shape
(2, 384)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastbert.api import cpu_info, encode, load
    from fastbert.encoder import Encoder
    from fastbert.errors import ConfigError, ModelNotFoundError, WeightsError
    from fastbert.profiling import Profile
    from fastbert.quantization import quantize_embeddings
    from fastbert.search import (
        community_detection,
        paraphrase_mining,
        paraphrase_mining_embeddings,
        semantic_search,
    )
    from fastbert.sparse_vectors import SparseVector, SparseVectors
    from fastbert.tasks import load_task
    from fastbert.tasks.cross_encoder import CrossEncoder
    from fastbert.tasks.fill_mask import FillMask
    from fastbert.tasks.next_sentence import NextSentence
    from fastbert.tasks.question_answerer import QuestionAnswerer
    from fastbert.tasks.sparse_encoder import SparseEncoder
    from fastbert.tasks.text_classifier import TextClassifier
    from fastbert.tasks.token_classifier import TokenClassifier
    from fastbert.tasks.zero_shot_classifier import ZeroShotClassifier
    from fastbert.tokenizer import Tokenizer, Tokens

__all__ = [
    "ConfigError",
    "CrossEncoder",
    "Encoder",
    "FillMask",
    "ModelNotFoundError",
    "NextSentence",
    "Profile",
    "QuestionAnswerer",
    "SparseEncoder",
    "SparseVector",
    "SparseVectors",
    "TextClassifier",
    "TokenClassifier",
    "Tokenizer",
    "Tokens",
    "WeightsError",
    "ZeroShotClassifier",
    "__version__",
    "community_detection",
    "cpu_info",
    "encode",
    "load",
    "load_task",
    "paraphrase_mining",
    "paraphrase_mining_embeddings",
    "quantize_embeddings",
    "semantic_search",
]

__version__: str

# Where each public name lives; imported when first used, so that `import fastbert` costs nothing.
_HOMES = {
    "ConfigError": "errors",
    "CrossEncoder": "tasks.cross_encoder",
    "Encoder": "encoder",
    "FillMask": "tasks.fill_mask",
    "ModelNotFoundError": "errors",
    "NextSentence": "tasks.next_sentence",
    "Profile": "profiling",
    "SparseEncoder": "tasks.sparse_encoder",
    "SparseVector": "sparse_vectors",
    "SparseVectors": "sparse_vectors",
    "QuestionAnswerer": "tasks.question_answerer",
    "TextClassifier": "tasks.text_classifier",
    "TokenClassifier": "tasks.token_classifier",
    "Tokenizer": "tokenizer",
    "Tokens": "tokenizer",
    "WeightsError": "errors",
    "ZeroShotClassifier": "tasks.zero_shot_classifier",
    "community_detection": "search",
    "cpu_info": "api",
    "encode": "api",
    "load": "api",
    "load_task": "tasks",
    "paraphrase_mining": "search",
    "paraphrase_mining_embeddings": "search",
    "quantize_embeddings": "quantization",
    "semantic_search": "search",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module's attribute can be anything)
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("fastbert")
    elif name in _HOMES:
        value = getattr(importlib.import_module(f"fastbert.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'fastbert' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
