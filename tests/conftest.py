import pytest
from tiny import write_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The directory of a random BERT: 2 layers, hidden 32, 4 heads, mean pooling, Normalize.

    `tiny.write_model` writes others.
    """
    return write_model(tmp_path_factory.mktemp("tiny") / "model")
