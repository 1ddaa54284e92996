"""Every family with every head against transformers; needs `pip install ".[parity]"`."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="parity tests need torch and transformers")
transformers = pytest.importorskip("transformers", reason="parity tests need transformers")

import families  # noqa: E402 (needs both)
from definitions import definition  # noqa: E402

import fastbert  # noqa: E402
from fastbert import postprocessing, reference  # noqa: E402
from fastbert._native import _core  # noqa: E402
from fastbert.config import read_config  # noqa: E402
from fastbert.heads import read_head  # noqa: E402
from fastbert.weights import load_weights  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

ISAS = _core.cpu_info()["available_isas"]
TOLERANCE = 2e-5  # hidden states and scores are of size 1, up to some 10
POOLED = {"sequence_classification", "next_sentence"}
LABELS = ("no", "yes", "maybe")


@pytest.fixture(scope="module", params=families.combinations(), ids="-".join)
def written(request, tmp_path_factory):
    """Directory, name of the head, the model of transformers."""
    family, head = request.param
    directory = tmp_path_factory.mktemp(f"{family}-{head}")
    labels = LABELS if head in ("sequence_classification", "token_classification") else None
    return directory, head, families.write(directory, family, head, labels=labels)


def inputs(directory):
    """Single texts and pairs, as ragged tokens: (tokenizer of transformers, list of encodings)."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    first, second = families.texts(9), families.texts(9, seed=5)
    single = [tokenizer(text, truncation=True, max_length=512) for text in first]
    pairs = [
        tokenizer(*pair, truncation=True, max_length=512)
        for pair in zip(first, second, strict=True)
    ]
    return [*single, *pairs]


def expected(model, encodings):
    """What transformers computes of each, alone and so without padding: states and scores."""
    states, scores = [], []
    with torch.no_grad():
        for encoding in encodings:
            names = ["input_ids"] + ["token_type_ids"] * families.token_types(model)
            tensors = {n: torch.tensor([encoding[n]]) for n in names if n in encoding}
            output = model(**tensors, output_hidden_states=True)
            states.append(output.hidden_states[-1][0].numpy())
            if hasattr(output, "start_logits"):
                logits = torch.stack([output.start_logits[0], output.end_logits[0]], dim=-1)
                scores.append(logits.numpy())
            elif hasattr(output, "logits"):
                scores.append(output.logits.numpy().reshape(-1, output.logits.shape[-1]))
    return np.concatenate(states), np.concatenate(scores) if scores else None


def ragged(encodings, config):
    ids = np.concatenate([e["input_ids"] for e in encodings]).astype(np.int32)
    offsets = np.cumsum([0, *(len(e["input_ids"]) for e in encodings)]).astype(np.int32)
    types = None
    if config.type_vocab_size > 1:
        types = np.concatenate([e["token_type_ids"] for e in encodings]).astype(np.int32)
    return ids, offsets, types


def test_states_and_scores_agree_with_transformers(written):
    directory, head, model = written
    encodings = inputs(directory)
    states, scores = expected(model, encodings)
    config = read_config(directory)
    ids, offsets, types = ragged(encodings, config)
    for isa in ISAS:
        native = _core.Encoder(config._asdict(), load_weights(directory, config), isa=isa)
        got = native.forward(ids, offsets, type_ids=types)
        np.testing.assert_allclose(got, states, atol=TOLERANCE)
        if head == "encoder":
            continue
        rows = got[offsets[:-1]] if head in POOLED else got
        for step in postprocessing.prepare(read_head(directory, config, head), isa, 0):
            rows = step(rows, 0)
        np.testing.assert_allclose(rows, scores, atol=TOLERANCE)


@pytest.mark.parametrize("compute_type", ["bfloat16", "int8"])
@pytest.mark.parametrize("family", families.FAMILIES)
def test_other_compute_types_are_those_of_the_reference(family, compute_type, tmp_path):
    families.write(tmp_path, family)
    config = read_config(tmp_path)
    weights = load_weights(tmp_path, config)
    encodings = inputs(tmp_path)
    ids, offsets, types = ragged(encodings, config)
    native = _core.Encoder(config._asdict(), weights, compute_type=compute_type)
    got = native.forward(ids, offsets, type_ids=types)
    options = {"type_ids": types, "poolings": ()}
    name = definition(compute_type, native.isa)
    defined = reference.forward(ids, offsets, config, weights, compute_type=name, **options)
    # As in tests/test_native_encoder.py: a number half way between two roundings goes either way,
    # which is what the type does to any number.
    error = np.abs(reference.forward(ids, offsets, config, weights, **options) - defined)
    assert np.abs(got - defined).max() < 2 * error.max()
    assert np.abs(got - defined).mean() < error.mean() / 2


@pytest.mark.parametrize("family", families.FAMILIES)
def test_encode_of_every_family_agrees_with_transformers(family, tmp_path):
    """From text to vectors, by way of our own tokenizer."""
    model = families.write(tmp_path, family)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = families.texts(12, seed=3)
    encodings = [tokenizer(text, truncation=True, max_length=512) for text in texts]
    encoder = fastbert.load(tmp_path)
    got = encoder.encode(texts, output_value="token_embeddings")
    for matrix, encoding in zip(got, encodings, strict=True):
        states, _ = expected(model, [encoding])
        np.testing.assert_allclose(matrix, states, atol=TOLERANCE)
    means = np.stack([matrix.astype(np.float64).mean(axis=0) for matrix in got])
    np.testing.assert_allclose(encoder.encode(texts), means, atol=TOLERANCE)
