"""The sentence-transformers files of a sparse encoder: SPLADE, and queries without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject, shown
from fastbert.layers import MAX_SIZE
from fastbert.modules import (
    inside,
    list_modules,
    read_sentence_config,
    read_transformer,
)

__all__ = ["POOLING_STRATEGIES", "SparseModules", "read_sparse_modules"]

POOLING_STRATEGIES = ("max", "sum")

_TRANSFORMERS = ("Transformer", "MLMTransformer")
_POOLING, _STATIC, _ROUTER = "SpladePooling", "SparseStaticEmbedding", "Router"
_ROUTES = ("query", "document")

_Modules = list[tuple[str, Path]]


class SparseModules(NamedTuple):
    """What a model directory says beyond the transformer itself.

    Attributes:
        transformer: directory of config.json, the weights and the tokenizer.
        max_seq_length: longest input in tokens, or None when the directory does not say.
        do_lower_case: lower-case every text before anything else.
        pooling_strategy: max or sum, over the tokens of a text.
        logarithms: how many times log(1 + x) is taken of a positive score: 1 or 2.
        static_queries: directory of a query's weights by token id, or None.
        default_route: "query" or "document", what a plain `encode` takes its texts for.
        prompts: name -> text put before an input.
        default_prompt_name: the prompt of a plain `encode`, or None.
        similarity: name out of `fastbert.similarity.SIMILARITIES`.
        max_active_dims: how many dimensions of a vector are kept, or None for all.
    """

    transformer: str
    max_seq_length: int | None
    do_lower_case: bool
    pooling_strategy: str
    logarithms: int
    static_queries: str | None
    default_route: str
    prompts: dict[str, str]
    default_prompt_name: str | None
    similarity: str
    max_active_dims: int | None


def read_sparse_modules(directory: str | os.PathLike[str]) -> SparseModules:
    """Read the sentence-transformers files of a sparse encoder.

    A directory without modules.json is a masked-language model: its vectors are the maxima over
    its tokens.

    Raises:
        ConfigError: if a file is damaged, or a module or a value is not supported.
    """
    directory = Path(directory)
    modules, static, default_route = _routes(directory)
    transformer = modules[0][1]
    max_seq_length, do_lower_case = read_transformer(transformer)
    pooling, logarithms = _read_pooling(modules[1][1]) if len(modules) > 1 else ("max", 1)
    prompts, default_prompt_name, similarity = read_sentence_config(directory, "dot")
    return SparseModules(
        transformer=os.fspath(transformer),
        max_seq_length=max_seq_length,
        do_lower_case=do_lower_case,
        pooling_strategy=pooling,
        logarithms=logarithms,
        static_queries=None if static is None else os.fspath(static),
        default_route=default_route,
        prompts=prompts,
        default_prompt_name=default_prompt_name,
        similarity=similarity,
        max_active_dims=_read_max_active_dims(directory),
    )


def _routes(directory: Path) -> tuple[_Modules, Path | None, str]:
    """The modules of the network, the directory of static queries, and the default route."""
    path = directory / "modules.json"
    if not path.exists():
        return [("Transformer", directory)], None, "document"
    modules = list_modules(directory, (*_TRANSFORMERS, _POOLING, _ROUTER))
    if [kind for kind, _ in modules] == [_ROUTER]:
        return _read_router(modules[0][1])
    _check_splade(path, modules)
    return modules, None, "document"


def _check_splade(path: Path, modules: _Modules) -> None:
    kinds = [kind for kind, _ in modules]
    if len(kinds) != 2 or kinds[0] not in _TRANSFORMERS or kinds[1] != _POOLING:
        raise ConfigError(
            f"{path} lists the modules {', '.join(kinds) or 'none'}, "
            f"expected a Transformer and a {_POOLING}"
        )


def _read_router(directory: Path) -> tuple[_Modules, Path | None, str]:
    path = directory / "router_config.json"
    file = JsonObject.read(path if path.exists() else directory / "config.json")
    routes = _read_structure(file, directory)
    network, queries = routes["document"], routes["query"]
    _check_splade(file.path, network)
    static = None
    if [kind for kind, _ in queries] == [_STATIC]:
        static = queries[0][1]
    elif queries != network:
        raise file.error(
            "structure", f"queries of the modules of documents or of one {_STATIC} module"
        )
    return network, static, _read_default_route(file, list(routes))


def _read_structure(file: JsonObject, directory: Path) -> dict[str, _Modules]:
    """The modules of each route, in the order of the file."""
    types, structure = file.get("types"), file.get("structure")
    if not isinstance(types, dict) or not all(isinstance(kind, str) for kind in types.values()):
        raise file.error("types", "an object: name of a module -> its class")
    if not isinstance(structure, dict) or set(structure) != set(_ROUTES):
        raise file.error("structure", f"an object with the routes {' and '.join(_ROUTES)}")
    routes = {}
    for route, names in structure.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise file.error("structure", "lists of names of modules")
        routes[route] = [_routed(file, directory, types, name) for name in names]
    return routes


def _routed(
    file: JsonObject, directory: Path, types: dict[str, str], name: str
) -> tuple[str, Path]:
    folder = inside(directory, name)
    if name not in types or folder is None:
        raise ConfigError(f"{file.path}: {shown(name)} in structure is not one of its types")
    return types[name].rpartition(".")[2], folder


def _read_default_route(file: JsonObject, routes: list[str]) -> str:
    parameters = file.get("parameters", {})
    if not isinstance(parameters, dict):
        raise file.error("parameters", "an object")
    settings = JsonObject(file.path, parameters)
    if settings.get("route_mappings"):
        raise settings.error("route_mappings", "none: the routes are query and document")
    default = settings.text("default_route", routes[0])
    if default not in _ROUTES:
        raise settings.error("default_route", " or ".join(_ROUTES))
    return default


def _read_pooling(directory: Path) -> tuple[str, int]:
    file = JsonObject.read(directory / "config.json")
    strategy = file.text("pooling_strategy", "max")
    if strategy not in POOLING_STRATEGIES:
        raise file.error("pooling_strategy", " or ".join(POOLING_STRATEGIES))
    logarithms = {"relu": 1, "log1p_relu": 2}
    activation = file.text("activation_function", "relu")
    if activation not in logarithms:
        raise file.error("activation_function", " or ".join(logarithms))
    return strategy, logarithms[activation]


def _read_max_active_dims(directory: Path) -> int | None:
    path = directory / "config_sentence_transformers.json"
    file = JsonObject.read(path) if path.exists() else None
    if file is None or file.get("max_active_dims") is None:
        return None
    return file.integer("max_active_dims", minimum=1, maximum=MAX_SIZE)
