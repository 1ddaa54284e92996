import numpy as np
import pytest
from tiny import write_model

from fastbert import reference
from fastbert.tasks.text_classifier import TextClassifier
from fastbert.tasks.zero_shot_classifier import ZeroShotClassifier

NLI = ["contradiction", "neutral", "entailment"]
TEXTS = ["how do i reset my password", "", "忘记密码怎么办", "the cat runs fast, very good!"]
LABELS = ["cat", "password", "hello world"]


def write(directory, labels=tuple(NLI)):
    return write_model(directory, head="sequence_classification", labels=list(labels))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def classifier(directory):
    return ZeroShotClassifier(directory)


def plain_scores(directory, text, labels, template="This example is {}."):
    """The head's scores beside each label; tests of TextClassifier compare with the definition."""
    pairs = [(text, template.format(label)) for label in labels]
    return TextClassifier(directory).scores(pairs, function_to_apply="none")


def check(result, text, labels, chances):
    order = np.argsort(-chances)
    assert (result["sequence"], result["labels"]) == (text, [labels[i] for i in order])
    np.testing.assert_allclose(result["scores"], chances[order], atol=1e-6)


@pytest.mark.parametrize("text", TEXTS)
def test_one_label_fits(directory, classifier, text):
    scores = plain_scores(directory, text, LABELS)
    check(classifier(text, LABELS), text, LABELS, reference.softmax(scores[:, 2]))


@pytest.mark.parametrize("names", [NLI, NLI[::-1], ["no", "Entailed", "maybe"]])
@pytest.mark.parametrize("labels", [LABELS, LABELS[:1]])
def test_several_labels_fit(tmp_path, names, labels):
    classifier = ZeroShotClassifier(write(tmp_path, names))
    entailment = {NLI[2]: 2, NLI[0]: 0, "maybe": 1}[names[-1]]
    assert classifier.entailment_id == entailment
    other = 2 if entailment == 0 else 0
    template = "my {}"
    result = classifier(TEXTS[0], labels, multi_label=True, hypothesis_template=template)
    scores = plain_scores(tmp_path, TEXTS[0], labels, template)
    chances = reference.softmax(scores[:, [other, entailment]])[:, 1]
    check(result, TEXTS[0], labels, chances)
    if len(labels) == 1:  # one label alone is one of several that may fit
        assert classifier(TEXTS[0], labels, hypothesis_template=template) == result


def test_company_changes_no_bit(classifier):
    together = classifier(TEXTS, LABELS, threads=2)
    assert [classifier(text, LABELS, threads=1, batch_size=1) for text in TEXTS] == together
    assert classifier(TEXTS[:1], ", ".join(LABELS) + ",") == together[:1]
    assert classifier([], LABELS) == []


def test_only_the_text_is_cut(directory):
    classifier = ZeroShotClassifier(directory, max_length=20)
    text = "cat " * 30
    with pytest.raises(ValueError, match=r"^sequence 0 with the label 'cat' has \d+ tokens, but"):
        classifier(text, LABELS, on_overflow="error")
    with pytest.raises(ValueError, match=r"^sequence 1 with the label 'a' has"):
        classifier(["cat", text], ["a", "cat"], on_overflow="error")
    with pytest.warns(UserWarning, match="sequence 0 with the label 'cat' has"):
        result = classifier(text, LABELS[:1])
    hypothesis = classifier.tokenizer.encode_batch(["This example is cat."]).lengths[0] - 2
    kept = "cat " * (20 - 3 - hypothesis)
    assert result["scores"] == classifier(kept, LABELS[:1])["scores"]


def test_a_label_leaves_room_for_a_text(directory):
    classifier = ZeroShotClassifier(directory, max_length=20)
    template = "{}"
    assert classifier("cat", ["dog " * 16], hypothesis_template=template)["scores"]
    reason = r"^the label 'dog .*' makes a hypothesis of 17 tokens, which leaves no room .* 20$"
    for text in ("", "cat", "cat " * 30):
        with pytest.raises(ValueError, match=reason):
            classifier(text, ["cat", "dog " * 17], hypothesis_template=template)


def test_last_label_counts_when_none_entails(tmp_path):
    write(tmp_path, ["a", "b"])
    with pytest.warns(UserWarning, match="no label out of .* begins with 'entail'") as record:
        classifier = ZeroShotClassifier(tmp_path)
    assert record[0].filename == __file__
    assert classifier.entailment_id == 1


@pytest.mark.parametrize(
    ("labels", "options", "reason"),
    [
        ([], {}, r"candidate_labels is \[\], but must have one label at least"),
        (" , ", {}, "candidate_labels is ' , '"),
        ("a", {"hypothesis_template": "none"}, "hypothesis_template is 'none', but must have {}"),
        ("a", {"hypothesis_template": "{} {}"}, "hypothesis_template is '{} {}', but must"),
        ("a", {"hypothesis_template": "{x}"}, "hypothesis_template is '{x}', but must"),
        ("a", {"hypothesis_template": "{"}, "hypothesis_template is '{', but must"),
    ],
)
def test_bad_arguments_are_refused(classifier, labels, options, reason):
    with pytest.raises(ValueError, match=reason):
        classifier("text", labels, **options)


@pytest.mark.parametrize("template", [3, "{.x}", "no place", np.array(["{}", "{}"])])
def test_a_template_has_a_place_for_the_label(tmp_path, template):
    labels = ["contradiction", "entailment"]
    directory = write_model(tmp_path, head="sequence_classification", labels=labels)
    model = ZeroShotClassifier(directory)
    with pytest.raises(ValueError, match=r"hypothesis_template is .*, but must have"):
        model("hello", ["a"], hypothesis_template=template)
