"""How long an input may be: what the files say, and what is asked for."""

import json

import numpy as np
import pytest
from tiny import write_json, write_model

import fastbert

LONG = "hello world the cat runs"
NO_ROOM = r"its files allow inputs of {} tokens, but a text takes at least 3, special ones included"


def state(directory, file, **values):
    path = directory / file
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_json(path, content | values)
    return directory


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ],
)
def test_files_that_leave_no_room_for_a_text_are_refused(tmp_path, file, key, length):
    directory = state(write_model(tmp_path), file, **{key: length})
    with pytest.raises(fastbert.ConfigError, match=NO_ROOM.format(length)):
        fastbert.load(directory)


def test_a_network_without_positions_for_a_text_is_refused(tmp_path):
    with pytest.raises(fastbert.ConfigError, match=NO_ROOM.format(2)):
        fastbert.load(write_model(tmp_path, max_position_embeddings=2))


def test_task_models_refuse_such_files_too(tmp_path):
    directory = write_model(tmp_path, head="token_classification", labels=["O", "B-X"])
    state(directory, "tokenizer_config.json", model_max_length=1)
    with pytest.raises(fastbert.ConfigError, match=NO_ROOM.format(1)):
        fastbert.TokenClassifier(directory)
    model = fastbert.TokenClassifier(directory, max_length=3)
    with pytest.raises(ValueError, match="max_length is 2, but this model can take 3 to 64 tokens"):
        model.max_length = 2


@pytest.mark.parametrize("value", [2, 65, None, "64", 3.0, True])
def test_what_is_assigned_is_checked(tiny_model, value):
    encoder = fastbert.load(tiny_model)
    with pytest.raises(ValueError, match=r"max_seq_length is .*, but this model can take 3 to 64"):
        encoder.max_seq_length = value
    assert encoder.max_seq_length == 64


@pytest.mark.parametrize("length", [3, np.int64(4), 64])
def test_the_least_and_the_largest_lengths_work(tiny_model, length):
    encoder = fastbert.load(tiny_model)
    expected = encoder.encode(LONG, output_value="token_embeddings")
    encoder.max_seq_length = length
    rows = encoder.encode(LONG, output_value="token_embeddings", on_overflow="window")
    assert rows.shape == expected.shape
    assert np.abs(rows).max() < 100  # not what memory happened to hold
