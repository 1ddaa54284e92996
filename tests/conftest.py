import os

import pytest
from tiny import write_model


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Tests write packed weights to a cache of their own, not to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTBERT_CACHE", os.fspath(tmp_path_factory.mktemp("own-cache")))
        yield


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The directory of a random BERT: 2 layers, hidden 32, 4 heads, mean pooling, Normalize.

    `tiny.write_model` writes others.
    """
    return write_model(tmp_path_factory.mktemp("tiny") / "model")
