"""Classes, ranks and next sentences as transformers and sentence-transformers have them."""

import json
import random

import numpy as np
import pytest
from tiny import write_json, write_model

from fastbert.tasks.cross_encoder import CrossEncoder
from fastbert.tasks.next_sentence import NextSentence
from fastbert.tasks.text_classifier import TextClassifier
from fastbert.tasks.zero_shot_classifier import ZeroShotClassifier

torch = pytest.importorskip("torch", reason="parity tests need torch and transformers")
transformers = pytest.importorskip("transformers", reason="parity tests need transformers")

pytestmark = pytest.mark.filterwarnings("ignore")

WORDS = (
    "how do i reset my password hello world cat dog runs very good 忘记 密码 怎么办 世界 zzz naïve"
).split()
# What both round differently, after two layers and a head of order 1.
TOLERANCE = 2e-5


def texts_of(count, seed, longest):
    source = random.Random(seed)
    return [" ".join(source.choices(WORDS, k=source.randint(0, longest))) for _ in range(count)]


TEXTS = [*texts_of(12, 0, 30), "", "cat", "cat " * 510]  # 1 to 512 tokens and special ones
PAIRS = list(zip(texts_of(12, 1, 30), texts_of(12, 2, 30), strict=True))
PAIRS += [("", ""), ("cat", ""), ("cat " * 400, "dog " * 109)]


def write(directory, labels, **options):
    return write_model(
        directory,
        head="sequence_classification",
        labels=labels,
        max_position_embeddings=512,
        **options,
    )


def pipeline(task, directory):
    return transformers.pipeline(task, model=str(directory), device="cpu")


def check(found, expected):
    """Answers of pipelines, of whatever depth: equal but for the scores, which are near."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            check(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            check(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=TOLERANCE)
    else:
        assert found == expected


PROBLEMS = [
    (count, problem)
    for count in (1, 2, 5)
    for problem in (
        None,
        "regression",
        "multi_label_classification",
        "single_label_classification",
    )
    if (count, problem) != (1, "single_label_classification")  # theirs refuses it
]


@pytest.mark.parametrize(("count", "problem_type"), PROBLEMS)
def test_text_classifier(tmp_path, count, problem_type):
    labels = None if (count, problem_type) == (2, None) else [f"name {i}" for i in range(count)]
    write(tmp_path, labels, problem_type=problem_type)
    theirs, ours = pipeline("text-classification", tmp_path), TextClassifier(tmp_path)
    pairs = [{"text": first, "text_pair": second} for first, second in PAIRS]
    inputs = TEXTS + pairs
    check(ours(inputs), theirs(inputs))
    check(ours(inputs, top_k=None), theirs(inputs, top_k=None))
    for few in (TEXTS[0], TEXTS[:2], pairs[0], pairs[:2]):
        for options in ({}, {"top_k": None}, {"top_k": 1}, {"top_k": 3}):
            check(ours(few, **options), theirs(few, **options))
        for function in ("softmax", "sigmoid", "none"):
            options = {"function_to_apply": function, "top_k": None}
            check(ours(few, **options), theirs(few, **options))


def test_long_text_is_cut_as_with_truncation(tmp_path):
    write(tmp_path, ["a", "b"])
    theirs, ours = pipeline("text-classification", tmp_path), TextClassifier(tmp_path)
    pairs = [("cat " * 600, "dog " * 9), ("cat " * 9, "dog " * 600), ("cat " * 600, "dog " * 700)]
    for first, second in pairs:
        pair = {"text": first, "text_pair": second}
        check(ours(pair, top_k=None), theirs(pair, top_k=None, truncation=True))


NLI = [["contradiction", "neutral", "entailment"], ["ENTAILMENT", "other"], ["a", "b", "c"]]


@pytest.mark.parametrize("names", NLI, ids=lambda names: names[0])
def test_zero_shot_classifier(tmp_path, names):
    write(tmp_path, names)
    theirs = pipeline("zero-shot-classification", tmp_path)
    ours = ZeroShotClassifier(tmp_path)
    assert (ours.entailment_id - theirs.entailment_id) % len(names) == 0
    texts = [text for text in TEXTS if text] + ["cat " * 700]  # theirs refuses an empty one
    for multi_label in (False, True):
        options = {"multi_label": multi_label}
        for labels in (["cat", "password", "忘记 密码", "good"], "hello, world", ["dog"]):
            check(ours(texts, labels, **options), theirs(texts, labels, **options))
            check(ours(texts[0], labels, **options), theirs(texts[0], labels, **options))
    options = {"hypothesis_template": "my {} runs {}"}
    with pytest.raises(ValueError, match="hypothesis_template"):
        ours(texts, "a, b", **options)
    options = {"hypothesis_template": "my {0} runs {0}"}
    check(ours(texts, "cat, dog", **options), theirs(texts, "cat, dog", **options))


def test_next_sentence(tmp_path):
    write_model(tmp_path, head="next_sentence", max_position_embeddings=512)
    model = transformers.BertForNextSentencePrediction.from_pretrained(tmp_path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = NextSentence(tmp_path)
    firsts, seconds = ([pair[side] for pair in PAIRS] for side in (0, 1))
    with torch.no_grad():
        logits = np.concatenate(
            [model(**tokenizer([pair], return_tensors="pt")).logits.numpy() for pair in PAIRS]
        )
    np.testing.assert_allclose(ours.scores(firsts, seconds), logits, atol=TOLERANCE)
    chances = torch.softmax(torch.tensor(logits), dim=1)[:, 0]
    np.testing.assert_allclose(ours(firsts, seconds), chances, atol=TOLERANCE)


def cross_encoders(directory, **options):
    library = pytest.importorskip("sentence_transformers")
    ours = CrossEncoder(directory, **options)
    return ours, library.CrossEncoder(str(directory), device="cpu", **options)


@pytest.mark.parametrize("count", [1, 3])
def test_cross_encoder_predicts(tmp_path, count):
    write(tmp_path, [f"name {i}" for i in range(count)])
    ours, theirs = cross_encoders(tmp_path)
    assert (ours.num_labels, ours.max_length) == (count, theirs.max_seq_length)
    pairs = [*PAIRS, ("cat " * 600, "dog " * 700)]
    for options in ({}, {"apply_softmax": True}, {"prompt": "hello "}):
        expected = theirs.predict(pairs, **options)
        found = ours.predict(pairs, **options)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        one, other = ours.predict(PAIRS[0], **options), theirs.predict(PAIRS[0], **options)
        assert type(one) is type(other)
        np.testing.assert_allclose(one, other, atol=TOLERANCE)
    expected = theirs.predict(PAIRS, activation_fn=torch.nn.Tanh())
    np.testing.assert_allclose(ours.predict(PAIRS, activation_fn="tanh"), expected, atol=TOLERANCE)


def test_cross_encoder_ranks(tmp_path):
    write(tmp_path, ["x"])
    ours, theirs = cross_encoders(tmp_path, max_length=24)
    documents = sorted({second for _, second in PAIRS})  # theirs may tell equal ones apart
    for options in ({}, {"top_k": 3}, {"return_documents": True}):
        check(
            ours.rank("my cat", documents, **options), theirs.rank("my cat", documents, **options)
        )


@pytest.mark.parametrize("torch_name", ["linear.Identity", "activation.Sigmoid", "activation.Tanh"])
@pytest.mark.parametrize("release", ["legacy", "5.3", "6.2"])
def test_cross_encoder_takes_the_activation_of_the_files(tmp_path, torch_name, release):
    write(tmp_path / "model", ["x"])
    path, named = tmp_path / "model" / "config.json", f"torch.nn.modules.{torch_name}"
    config = json.loads(path.read_text(encoding="utf-8"))
    if release == "legacy":
        config["sbert_ce_default_activation_function"] = named
    else:
        config["sentence_transformers"] = {"activation_fn": named, "version": "5.3.0"}
    write_json(path, config)
    directory = tmp_path / "model"
    if release == "6.2":
        _, theirs = cross_encoders(directory)
        theirs.prompts["query"] = "hello "
        theirs.save_pretrained(str(tmp_path / "saved"))
        directory = tmp_path / "saved"
    ours, theirs = cross_encoders(directory)
    assert ours.prompts == theirs.prompts
    for options in ({}, *({"prompt_name": name} for name in theirs.prompts)):
        expected = theirs.predict(PAIRS, **options)
        np.testing.assert_allclose(ours.predict(PAIRS, **options), expected, atol=TOLERANCE)
