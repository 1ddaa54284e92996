import json
import pickle

import numpy as np
import pytest
from tiny import write_json, write_model, write_module_list

from fastbert.errors import ConfigError
from fastbert.tasks.cross_encoder import CrossEncoder
from fastbert.tasks.probabilities import sigmoid, softmax
from fastbert.tasks.text_classifier import TextClassifier

QUERY = "how do i reset my password"
DOCUMENTS = [
    "the cat runs fast",
    "忘记密码怎么办",
    "very good",
    "reset the password",
    "hello world",
]
PAIRS = [(QUERY, document) for document in DOCUMENTS]


def write(directory, labels=("x",), **config):
    write_model(directory, head="sequence_classification", labels=list(labels))
    path = directory / "config.json"
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | config)
    return directory


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def model(directory):
    return CrossEncoder(directory)


@pytest.fixture(scope="module")
def plain(directory):
    """The head's scores of PAIRS; tests of TextClassifier compare them with the definition."""
    return TextClassifier(directory).scores(PAIRS, function_to_apply="none")


def test_one_label_gives_probabilities(model, plain):
    scores = model.predict(PAIRS)
    assert (scores.dtype, scores.shape) == (np.float32, (len(PAIRS),))
    np.testing.assert_array_equal(scores, sigmoid(plain)[:, 0])
    np.testing.assert_array_equal(model.predict(PAIRS, activation_fn="identity"), plain[:, 0])
    np.testing.assert_array_equal(model.predict(PAIRS, activation_fn=np.exp), np.exp(plain)[:, 0])
    np.testing.assert_array_equal(model.predict(PAIRS, apply_softmax=True), scores)


def test_one_pair_gives_a_number(model):
    scores = model.predict(PAIRS)
    for pair, expected in zip(PAIRS, scores, strict=True):
        score = model.predict(pair, threads=1)
        assert isinstance(score, np.float32)
        assert score == expected
        assert model.predict(list(pair)) == expected
        assert model.predict([pair]).tolist() == [expected]
    np.testing.assert_array_equal(model.predict(PAIRS, batch_size=2, threads=2), scores)
    np.testing.assert_array_equal(model.predict(np.array(PAIRS).tolist()), scores)
    assert model.predict([]).shape == (0,)


def test_several_labels_give_vectors(tmp_path):
    model = CrossEncoder(write(tmp_path, labels="abc"))
    assert (model.num_labels, model.activation_fn) == (3, "identity")
    scores = model.predict(PAIRS)
    assert scores.shape == (len(PAIRS), 3)
    np.testing.assert_array_equal(model.predict(PAIRS[0]), scores[0])
    np.testing.assert_array_equal(model.predict(PAIRS, apply_softmax=True), softmax(scores))
    np.testing.assert_array_equal(
        model.predict(PAIRS, apply_softmax=True, activation_fn="sigmoid"), softmax(sigmoid(scores))
    )
    assert model.predict([]).shape == (0, 3)
    with pytest.raises(ValueError, match=r"rank needs a model with one label, but .* has 3"):
        model.rank(QUERY, DOCUMENTS)


def test_rank_sorts(model):
    scores = model.predict(PAIRS).tolist()
    ranked = model.rank(QUERY, DOCUMENTS)
    assert [entry["score"] for entry in ranked] == sorted(scores, reverse=True)
    assert {entry["corpus_id"]: entry["score"] for entry in ranked} == dict(enumerate(scores))
    assert model.rank(QUERY, DOCUMENTS, top_k=2) == ranked[:2]
    texts = model.rank(QUERY, DOCUMENTS, return_documents=True)
    assert [entry.pop("text") for entry in texts] == [DOCUMENTS[e["corpus_id"]] for e in ranked]
    assert texts == ranked
    assert model.rank(QUERY, []) == []


def test_equal_documents_keep_their_order(model):
    ranked = model.rank(QUERY, ["hello", "the cat"] * 20)
    assert len({entry["score"] for entry in ranked}) == 2
    ids = [entry["corpus_id"] for entry in ranked]
    assert ids[:20] == sorted(ids[:20])
    assert ids[20:] == sorted(ids[20:])


IDENTITY = "torch.nn.modules.linear.Identity"


@pytest.mark.parametrize(
    "config",
    [
        {"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.1.0"}},
        {"sbert_ce_default_activation_function": IDENTITY},
        {
            "sentence_transformers": {"activation_fn": IDENTITY},
            "sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid",
        },
    ],
)
def test_config_names_the_activation(tmp_path, config, plain):
    model = CrossEncoder(write(tmp_path, **config))
    assert model.activation_fn == "identity"
    np.testing.assert_array_equal(model.predict(PAIRS), plain[:, 0])
    chosen = CrossEncoder(tmp_path, activation_fn="sigmoid")
    np.testing.assert_array_equal(chosen.predict(PAIRS), sigmoid(plain)[:, 0])


def write_new(directory, **fields):
    """The files that sentence-transformers 5.4 and later write beside those of transformers."""
    write_json(
        directory / "config_sentence_transformers.json", {"model_type": "CrossEncoder"} | fields
    )
    write_module_list(directory, [("Transformer", "")])
    write_json(
        directory / "sentence_bert_config.json", {"transformer_task": "sequence-classification"}
    )


def test_new_directories_are_read(tmp_path, plain):
    write(tmp_path, sbert_ce_default_activation_function="torch.nn.modules.activation.Sigmoid")
    write_new(
        tmp_path,
        activation_fn=IDENTITY,
        prompts={"query": "my ", "document": ""},
        default_prompt_name="query",
    )
    model = CrossEncoder(tmp_path)
    assert model.activation_fn == "identity"
    np.testing.assert_array_equal(model.predict(PAIRS, prompt=""), plain[:, 0])
    prompted = model.predict(PAIRS)
    assert not np.array_equal(prompted, plain[:, 0])
    longer = [("my " + query, document) for query, document in PAIRS]
    np.testing.assert_array_equal(model.predict(longer, prompt_name="document"), prompted)
    np.testing.assert_array_equal(model.predict(PAIRS, prompt="my "), prompted)
    with pytest.warns(UserWarning, match="prompt is used, prompt_name is ignored"):
        model.predict(PAIRS, prompt="my ", prompt_name="document")
    with pytest.raises(ValueError, match=r"^prompt_name is 'x', but this model has"):
        model.predict(PAIRS, prompt_name="x")
    assert CrossEncoder(tmp_path, default_prompt_name="document").default_prompt_name == "document"


def test_transformer_may_have_a_folder_and_a_limit(tmp_path, plain):
    write(tmp_path / "0_Transformer")
    write_module_list(tmp_path, [("Transformer", "0_Transformer")])
    model = CrossEncoder(tmp_path)
    np.testing.assert_array_equal(model.predict(PAIRS), sigmoid(plain)[:, 0])
    limits = {"max_seq_length": 9, "do_lower_case": True}
    write_json(tmp_path / "0_Transformer" / "sentence_bert_config.json", limits)
    limited = CrossEncoder(tmp_path)
    assert limited.max_length == 9
    assert CrossEncoder(tmp_path, max_length=20).max_length == 20
    assert limited.predict(("MY CAT", "A Dog")) == limited.predict(("my cat", "a dog"))


def test_too_long_pairs_are_cut_or_refused(directory):
    model = CrossEncoder(directory, max_length=9)
    pair = ("cat " * 4, "dog " * 20)
    with pytest.raises(ValueError, match=r"^pair 1 has 27 tokens, but max_length is 9$"):
        model.predict([("a", "b"), pair], on_overflow="error")
    with pytest.warns(UserWarning, match="pair 0 has 27 tokens"):
        score = model.predict(pair)
    assert score == model.predict(("cat " * 3, "dog " * 3))


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ("ab", "pairs is a str, but must be a pair of texts or a list of pairs"),
        (3, "pairs is a int, but must be a pair of texts or a list of pairs"),
        (None, "pairs is a NoneType, but must be a pair of texts or a list of pairs"),
        (np.array("a"), "pairs is a str, but must be"),
        (("a", "b", "c"), "pairs is .*, but must be a pair of str"),
        ([("a", "b"), ("c", 1)], r"pairs\[1\] is \('c', 1\)"),
    ],
)
def test_bad_pairs_are_refused(model, pairs, reason):
    with pytest.raises(TypeError, match=reason):
        model.predict(pairs)


def test_bad_arguments_are_refused(model, directory, tiny_model, tmp_path):
    with pytest.raises(ValueError, match="activation_fn is 'max', but must be one of identity"):
        model.predict(PAIRS, activation_fn="max")
    with pytest.raises(ValueError, match="activation_fn is 'max'"):
        CrossEncoder(directory, activation_fn="max")
    with pytest.raises(ValueError, match="top_k is 0"):
        model.rank(QUERY, DOCUMENTS, top_k=0)
    for documents in ("document", None):
        kind = type(documents).__name__
        with pytest.raises(TypeError, match=f"documents is a {kind}, but must be a list of str"):
            model.rank(QUERY, documents)
    with pytest.raises(TypeError, match="query is a int"):
        model.rank(1, DOCUMENTS)
    write(tmp_path / "a", sbert_ce_default_activation_function="evil.Sigmoid")
    with pytest.raises(ConfigError, match=r"function is 'evil.Sigmoid', expected one of"):
        CrossEncoder(tmp_path / "a")
    assert CrossEncoder(tmp_path / "a", activation_fn="tanh").activation_fn == "tanh"
    with pytest.raises(ConfigError, match=r"json names a pooling: an encoder for fastbert\.load, "):
        CrossEncoder(tiny_model)
    write(tmp_path / "b")
    write_module_list(tmp_path / "b", [("Transformer", ""), ("LogitScore", "1_LogitScore")])
    with pytest.raises(ConfigError, match=r"LogitScore', expected one of .* Transformer"):
        CrossEncoder(tmp_path / "b")


def test_pickled_model_gives_the_same(directory):
    model = CrossEncoder(directory, activation_fn=np.tanh, prompts={"q": "my "}, max_length=30)
    again = pickle.loads(pickle.dumps(model))
    assert (again.activation_fn, again.prompts, again.max_length) == (np.tanh, model.prompts, 30)
    np.testing.assert_array_equal(again.predict(PAIRS), model.predict(PAIRS))


def test_pairs_may_be_the_rows_of_an_array(model):
    pairs = [("hello", "the cat"), ("dog", "")]
    np.testing.assert_array_equal(model.predict(np.array(pairs)), model.predict(pairs))


def test_an_activation_keeps_the_shape(model):
    with pytest.raises(ValueError, match="must keep the shape"):
        model.predict([("a", "b")], activation_fn=np.sum)
    with pytest.raises(ValueError, match="activation_fn is 3, but must be one of"):
        model.predict([("a", "b")], activation_fn=3)
