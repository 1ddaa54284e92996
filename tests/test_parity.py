"""The same numbers as transformers and sentence-transformers; needs `pip install ".[parity]"`."""

import random

import numpy as np
import pytest
from tiny import write_model

import fastbert
from fastbert._native import _core
from fastbert.config import read_config
from fastbert.weights import load_weights

torch = pytest.importorskip("torch", reason="parity tests need torch and transformers")
transformers = pytest.importorskip("transformers", reason="parity tests need transformers")

pytestmark = pytest.mark.filterwarnings("ignore")

ISAS = _core.cpu_info()["available_isas"]
WORDS = (
    "the a of quick brown fox jumps over lazy dog password reset bank river loan money how do I my "
    "today tomorrow embedding vector language naïve café Über straße 我们 今天 天气 很好 忘记 密码 "
    "怎么办 привет мир как дела مرحبا بالعالم こんにちは 世界 안녕하세요 🎉 3.14 2026 e-mail don't"
).split()


def mixed_texts(count, seed=0):
    """Texts of 0 to some 300 words in many languages, most of them short."""
    source = random.Random(seed)
    lengths = [min(300, int(source.expovariate(1 / 25))) for _ in range(count)]
    return [" ".join(source.choices(WORDS, k=length)) for length in lengths]


def torch_hidden_states(directory, batches):
    """transformers' last hidden states of each text, alone and so without padding."""
    model = transformers.BertModel.from_pretrained(directory, attn_implementation="eager").eval()
    with torch.no_grad():
        return [
            model(
                input_ids=torch.tensor(ids[None].astype(np.int64)),
                token_type_ids=torch.tensor(types[None].astype(np.int64)),
            )
            .last_hidden_state[0]
            .numpy()
            for ids, types in batches
        ]


@pytest.fixture(scope="module")
def default_vectors(default_model):
    """500 texts and what transformers and plain arithmetic make of them."""
    texts = mixed_texts(500)
    tokenizer = transformers.AutoTokenizer.from_pretrained(default_model)
    ids = [
        np.array(tokenizer(text, truncation=True, max_length=256)["input_ids"]) for text in texts
    ]
    states = torch_hidden_states(default_model, [(i, np.zeros_like(i)) for i in ids])
    means = np.stack([state.astype(np.float64).mean(axis=0) for state in states])
    return texts, means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.mark.parametrize("isa", ISAS)
def test_default_model_agrees_with_transformers(default_model, default_vectors, isa, monkeypatch):
    texts, expected = default_vectors
    monkeypatch.setenv("FASTBERT_ISA", isa)
    encoder = fastbert.load(default_model)
    assert encoder.isa == isa
    vectors = encoder.encode(texts)
    assert np.abs(vectors - expected).max() <= 1e-5
    assert (vectors * expected).sum(axis=1).min() >= 0.999999


# Least mean cosine and least of all: int8 has a mean of 0.9996, bfloat16 rounds weights to 8 bits.
OTHER_COMPUTE_TYPES = {"bfloat16": (0.9999, 0.9995), "int8": (0.9990, 0.995)}


@pytest.mark.parametrize("compute_type", OTHER_COMPUTE_TYPES)
def test_other_compute_types_stay_near_transformers(default_model, default_vectors, compute_type):
    texts, expected = default_vectors
    vectors = fastbert.load(default_model, compute_type=compute_type).encode(texts)
    cosines = (vectors * expected).sum(axis=1)
    least_mean, least = OTHER_COMPUTE_TYPES[compute_type]
    assert cosines.mean() >= least_mean
    assert cosines.min() >= least


def test_default_model_agrees_with_sentence_transformers(default_model):
    library = pytest.importorskip("sentence_transformers")
    texts = mixed_texts(40, seed=1)
    expected = library.SentenceTransformer(str(default_model), device="cpu").encode(texts)
    np.testing.assert_allclose(fastbert.load(default_model).encode(texts), expected, atol=1e-5)


# hidden, layers, heads, inner: BERT-base, BERT-tiny, TinyBERT-312, sizes that fit no vector.
SHAPES = [(768, 12, 12, 3072), (128, 2, 2, 512), (312, 4, 12, 1200), (40, 2, 5, 72)]


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def random_model(request, tmp_path_factory):
    hidden, layers, heads, inner = request.param
    return write_model(
        tmp_path_factory.mktemp("shape"),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=512,
        type_vocab_size=2,
    )


def test_random_models_agree_with_transformers(random_model):
    config = read_config(random_model)
    weights = load_weights(random_model, config)
    rng = np.random.default_rng(0)
    batches = [
        (rng.integers(0, config.vocab_size, n), rng.integers(0, 2, n)) for n in (1, 2, 13, 33, 512)
    ]
    expected = np.concatenate(torch_hidden_states(random_model, batches))
    ids = np.concatenate([ids for ids, _ in batches]).astype(np.int32)
    types = np.concatenate([types for _, types in batches]).astype(np.int32)
    offsets = np.cumsum([0] + [len(ids) for ids, _ in batches]).astype(np.int32)
    for isa in ISAS:
        encoder = _core.Encoder(config._asdict(), weights, isa=isa)
        got = encoder.forward(ids, offsets, type_ids=types)
        # Hidden states after LayerNorm, of size 1 and up to 5, not yet averaged or normalised.
        np.testing.assert_allclose(got, expected, atol=2e-5)
        cosine = (
            (got * expected).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(expected, axis=1)
        )
        assert cosine.min() >= 0.999999
