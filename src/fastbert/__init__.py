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
    from fastbert.sparse_vectors import SparseVector, SparseVectors
    from fastbert.tasks.fill_mask import FillMask
    from fastbert.tasks.sparse_encoder import SparseEncoder
    from fastbert.tokenizer import Tokenizer, Tokens

__all__ = [
    "ConfigError",
    "Encoder",
    "FillMask",
    "ModelNotFoundError",
    "Profile",
    "SparseEncoder",
    "SparseVector",
    "SparseVectors",
    "Tokenizer",
    "Tokens",
    "WeightsError",
    "__version__",
    "cpu_info",
    "encode",
    "load",
    "quantize_embeddings",
]

__version__: str

# Where each public name lives; imported when first used, so that `import fastbert` costs nothing.
_HOMES = {
    "ConfigError": "errors",
    "Encoder": "encoder",
    "FillMask": "tasks.fill_mask",
    "ModelNotFoundError": "errors",
    "Profile": "profiling",
    "SparseEncoder": "tasks.sparse_encoder",
    "SparseVector": "sparse_vectors",
    "SparseVectors": "sparse_vectors",
    "Tokenizer": "tokenizer",
    "Tokens": "tokenizer",
    "WeightsError": "errors",
    "cpu_info": "api",
    "encode": "api",
    "load": "api",
    "quantize_embeddings": "quantization",
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
