"""`FastBertVectorizer` in everything that scikit-learn does with a transformer."""

import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import fastbert
from fastbert import api

sklearn = pytest.importorskip("sklearn", reason="fastbert.sklearn needs scikit-learn")

import joblib  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.exceptions import SkipTestWarning  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.utils import estimator_checks, get_tags  # noqa: E402

from fastbert.sklearn import FastBertVectorizer  # noqa: E402

TEXTS = [
    "the cat runs fast",
    "the dog is good",
    "my cat and my dog",
    "a very good dog",
    "how do i reset my password",
    "忘记密码怎么办",
    "reset the password",
    "hello world, how is it",
]
LABELS = ["animal"] * 4 + ["computer"] * 4


@pytest.fixture
def vectorizer(tiny_model):
    return FastBertVectorizer(os.fspath(tiny_model))


@pytest.fixture(scope="module")
def expected(tiny_model):
    return fastbert.load(tiny_model).encode(TEXTS)


def test_vectors_are_those_of_the_encoder(vectorizer, expected):
    vectors = vectorizer.fit_transform(TEXTS, LABELS)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, expected)
    assert vectorizer.transform([]).shape == (0, 32)


@pytest.mark.parametrize(
    "options",
    [
        {"normalize_embeddings": True, "truncate_dim": 8},
        {"prompt": "the "},
        {"prompt_name": "query"},
        {"on_overflow": "window", "batch_size": 2, "threads": 1, "show_progress_bar": False},
    ],
)
def test_parameters_are_those_of_encode(tiny_model, options):
    texts = [*TEXTS, "the cat runs fast " * 100] if "on_overflow" in options else TEXTS
    expected = fastbert.load(tiny_model).encode(texts, **options)
    vectors = FastBertVectorizer(tiny_model, **options).transform(texts)
    np.testing.assert_array_equal(vectors, expected)


def test_parameters_of_loading_are_used(tiny_model):
    options = {"compute_type": "int8", "max_seq_length": 4}
    with pytest.warns(UserWarning, match="max_seq_length is 4"):
        expected = fastbert.load(tiny_model, **options).encode(TEXTS)
    with pytest.warns(UserWarning, match="max_seq_length is 4"):
        vectors = FastBertVectorizer(tiny_model, **options).transform(TEXTS)
    np.testing.assert_array_equal(vectors, expected)


def test_transform_needs_no_fit_and_follows_set_params(vectorizer):
    assert vectorizer.transform(TEXTS).shape == (8, 32)
    assert vectorizer.set_params(truncate_dim=5).transform(TEXTS).shape == (8, 5)


@pytest.mark.parametrize(
    "column",
    [
        tuple,
        np.array,
        lambda texts: np.array(texts, object),
        lambda texts: pytest.importorskip("pandas").Series(texts, index=range(7, 15)),
        lambda texts: pytest.importorskip("pandas").Series(texts, dtype="string"),
        lambda texts: pytest.importorskip("pandas").Series(texts, dtype="category"),
    ],
)
def test_every_kind_of_column_is_taken(vectorizer, expected, column):
    np.testing.assert_array_equal(vectorizer.fit_transform(column(TEXTS)), expected)


@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        ("hello", TypeError, "X is a str, but must be a list or a column of texts"),
        (np.array([["a"], ["b"]]), ValueError, r"X has shape \(2, 1\), but must be one column"),
        (np.array("a"), ValueError, r"X has shape \(\), but must be one column"),
    ],
)
def test_other_shapes_are_refused(vectorizer, method, data, error, reason):
    with pytest.raises(error, match=reason):
        getattr(vectorizer, method)(data)


@pytest.mark.parametrize("item", [None, float("nan"), 3, b"bytes", ["nested"]])
def test_what_is_no_text_is_refused(vectorizer, item):
    reason = rf"texts\[1\] is a {type(item).__name__}, but must be a str"
    with pytest.raises(TypeError, match=reason):
        vectorizer.fit_transform(["hello", item])
    column = np.empty(2, object)
    column[:] = ["hello", item]
    with pytest.raises(TypeError, match=reason):
        vectorizer.transform(column)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"compute_type": "float8"}, "compute_type is 'float8'"),
        ({"threads": 0}, "threads is 0"),
        ({"max_seq_length": 1}, "max_seq_length is 1"),
        ({"prompt_name": "nobody"}, "prompt_name is 'nobody'"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"truncate_dim": 0}, "truncate_dim is 0"),
        ({"on_overflow": "ignore"}, "on_overflow is 'ignore'"),
    ],
)
def test_fit_checks_the_parameters(vectorizer, options, reason):
    with pytest.raises(ValueError, match=reason):
        vectorizer.set_params(**options).fit([])


def test_fit_needs_the_model(tmp_path):
    with pytest.raises(fastbert.ModelNotFoundError, match="nothing does not exist"):
        FastBertVectorizer(tmp_path / "nothing").fit(TEXTS)


def test_one_encoder_serves_the_process(tiny_model, vectorizer):
    encoder = vectorizer._encoder()
    assert clone(vectorizer)._encoder() is encoder
    assert api.load_once(tiny_model, "float32", None) is encoder
    fastbert.encode(TEXTS, model=tiny_model)
    assert vectorizer._encoder() is encoder


def test_clone_has_the_same_parameters(tiny_model):
    vectorizer = FastBertVectorizer(os.fspath(tiny_model), truncate_dim=8, threads=1).fit(TEXTS)
    assert clone(vectorizer).get_params() == vectorizer.get_params()
    assert list(vectorizer.get_params()) == sorted(
        "model compute_type threads max_seq_length prompt_name prompt batch_size "
        "normalize_embeddings truncate_dim on_overflow show_progress_bar".split()
    )


def test_pickle_has_the_parameters_only(vectorizer, expected):
    data = pickle.dumps(vectorizer.fit(TEXTS))
    assert len(data) < 1000
    np.testing.assert_array_equal(pickle.loads(data).transform(TEXTS), expected)


def test_pipeline_is_dumped_by_joblib(vectorizer, tmp_path):
    pipeline = make_pipeline(vectorizer, LogisticRegression()).fit(TEXTS, LABELS)
    joblib.dump(pipeline, tmp_path / "pipeline")
    again = joblib.load(tmp_path / "pipeline")
    np.testing.assert_array_equal(again.predict_proba(TEXTS), pipeline.predict_proba(TEXTS))


def test_pipeline_classifies(vectorizer):
    pipeline = make_pipeline(vectorizer, LogisticRegression(C=100)).fit(TEXTS, LABELS)
    assert pipeline.predict(TEXTS).tolist() == LABELS
    assert pipeline[:-1].get_feature_names_out()[-1] == "fastbertvectorizer31"
    assert cross_val_score(pipeline, TEXTS, LABELS, cv=2).shape == (2,)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(vectorizer, n_jobs):
    grid = {
        "fastbertvectorizer__truncate_dim": [4, None],
        "fastbertvectorizer__compute_type": ["float32", "int8"],
        "logisticregression__C": [1, 100],
    }
    pipeline = make_pipeline(vectorizer, LogisticRegression())
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs, error_score="raise")
    search.fit(TEXTS, LABELS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert set(search.predict(TEXTS)) <= set(LABELS)


def test_grid_search_does_not_depend_on_processes(vectorizer):
    grid = {"fastbertvectorizer__truncate_dim": [2, 4, 8]}
    scores = [
        GridSearchCV(make_pipeline(vectorizer, LogisticRegression()), grid, cv=4, n_jobs=n_jobs)
        .fit(TEXTS, LABELS)
        .cv_results_["mean_test_score"]
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*scores)


def test_column_of_an_array(vectorizer, expected):
    table = np.array([[text, i] for i, text in enumerate(TEXTS)], object)
    columns = ColumnTransformer([("text", vectorizer, 0)], remainder="passthrough")
    vectors = columns.fit_transform(table)
    np.testing.assert_array_equal(vectors[:, :-1].astype(np.float32), expected)
    assert columns.get_feature_names_out()[[0, -1]].tolist() == [
        "text__fastbertvectorizer0",
        "remainder__x1",
    ]


def test_column_of_a_data_frame(vectorizer, expected):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": TEXTS, "size": range(8)}, index=list("abcdefgh"))
    columns = ColumnTransformer([("bert", vectorizer, "text")], remainder="passthrough")
    vectors = columns.set_output(transform="pandas").fit_transform(frame)
    assert vectors.columns[[0, -1]].tolist() == ["bert__fastbertvectorizer0", "remainder__size"]
    assert vectors.index.tolist() == list("abcdefgh")
    np.testing.assert_array_equal(vectors.iloc[:, :-1], expected)
    table = ColumnTransformer([("bert", vectorizer, ["text"])])
    with pytest.raises(ValueError, match=r"X has shape \(8, 1\), but must be one column of texts"):
        table.fit(frame)


def test_output_is_a_data_frame_if_asked(vectorizer, expected):
    pandas = pytest.importorskip("pandas")
    vectorizer.set_output(transform="pandas")
    frame = vectorizer.fit_transform(pandas.Series(TEXTS, index=range(3, 11)))
    assert frame.index.tolist() == list(range(3, 11))
    assert frame.columns.tolist() == [f"fastbertvectorizer{i}" for i in range(32)]
    np.testing.assert_array_equal(frame, expected)
    assert vectorizer.transform(TEXTS).index.tolist() == list(range(8))


def test_feature_names_follow_the_width(vectorizer):
    names = vectorizer.set_params(truncate_dim=3).get_feature_names_out()
    assert names.tolist() == [f"fastbertvectorizer{i}" for i in range(3)]


def test_tags(vectorizer):
    tags = get_tags(vectorizer)
    assert not tags.requires_fit
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array


# scikit-learn's own checks. `check_estimator` stops at once for what does not take tables of
# numbers, its own text vectorizers among them; these are the checks that need no such table. The
# others fit a table of random numbers, which is refused here.
CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


@pytest.mark.parametrize("check", CHECKS)
def test_checks_of_scikit_learn(vectorizer, check):
    getattr(estimator_checks, check)("FastBertVectorizer", vectorizer)


def test_check_estimator_finds_nothing(vectorizer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        estimator_checks.check_estimator(vectorizer)


def test_without_scikit_learn_the_extra_is_named():
    code = "import sys; sys.modules['sklearn.base'] = None; import fastbert.sklearn"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stderr.splitlines()[-1] == (
        "ImportError: fastbert.sklearn needs scikit-learn 1.6 or newer: "
        "pip install 'fastbert[sklearn]'"
    )
