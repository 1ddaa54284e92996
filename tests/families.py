"""Model directories of every family and head with random weights, written by transformers.

For the parity tests: `write` returns the model of transformers whose files fastbert reads. Needs
torch and transformers.
"""

import inspect
import random

import torch
import transformers
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

MAX_TOKENS = 512

_SIZES = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 80,
    "layer_norm_eps": 1e-5,
}
_DISTILBERT_SIZES = {"dim": 48, "n_layers": 3, "n_heads": 4, "hidden_dim": 80}
_ROBERTA = {"max_position_embeddings": MAX_TOKENS + 2, "type_vocab_size": 1, "pad_token_id": 1}

# family -> beginning of its class names, its configuration, its kind of tokenizer
FAMILIES = {
    "bert": ("Bert", _SIZES, "wordpiece"),
    "distilbert": ("DistilBert", _DISTILBERT_SIZES, "wordpiece"),
    "roberta": ("Roberta", _SIZES | _ROBERTA, "bpe"),
    "xlm-roberta": ("XLMRoberta", _SIZES | _ROBERTA, "unigram"),
    "camembert": ("Camembert", _SIZES | _ROBERTA, "unigram"),
    "mpnet": ("MPNet", _SIZES | {"max_position_embeddings": MAX_TOKENS + 2}, "wordpiece_s"),
    "electra": ("Electra", _SIZES | {"embedding_size": 32}, "wordpiece"),
    "electra_base": ("Electra", _SIZES | {"embedding_size": 48}, "wordpiece"),
    "albert": ("Albert", _SIZES | {"embedding_size": 32}, "unigram_cls"),
    "albert_groups": (
        "Albert",
        _SIZES | {"embedding_size": 32, "num_hidden_groups": 2, "num_hidden_layers": 5},
        "unigram_cls",
    ),
}

# our name of a head -> end of the class names
HEADS = {
    "encoder": "Model",
    "sequence_classification": "ForSequenceClassification",
    "token_classification": "ForTokenClassification",
    "masked_lm": "ForMaskedLM",
    "question_answering": "ForQuestionAnswering",
    "next_sentence": "ForNextSentencePrediction",
}

_ENGLISH = (
    "the a of quick brown fox jumps over lazy dog password reset bank river loan money how do I my "
    "today tomorrow embedding vector language naïve café don't 3.14 2026 e-mail London Anna Berlin"
).split()
_CHINESE = list("我们今天天气很好忘记密码怎么办世界你北京上海")


def texts(count, seed=0, longest=400):
    """English, Chinese and mixed texts in turn, of 0 to `longest` words."""
    source = random.Random(seed)
    vocabularies = (_ENGLISH, _CHINESE, _ENGLISH + _CHINESE)
    lengths = [min(longest, int(source.expovariate(1 / 20))) for _ in range(count)]
    lengths[:3] = [0, 1, longest]
    return [
        ("" if i % 3 == 1 else " ").join(source.choices(vocabularies[i % 3], k=length))
        for i, length in enumerate(lengths)
    ]


def combinations():
    """All pairs of a family and a head that transformers has."""
    return [
        (family, head)
        for family, (prefix, _, _) in FAMILIES.items()
        for head, suffix in HEADS.items()
        if hasattr(transformers, prefix + suffix)
    ]


def write(directory, family, head="encoder", *, labels=None, problem_type=None, seed=0):
    """Write a model directory; returns the model, in evaluation mode."""
    prefix, sizes, kind = FAMILIES[family]
    tokenizer = _TOKENIZERS[kind]()
    tokenizer.model_max_length = MAX_TOKENS
    extra = {} if labels is None else {"id2label": dict(enumerate(labels))}
    if labels is not None:
        extra["label2id"] = {label: i for i, label in enumerate(labels)}
    if problem_type is not None:
        extra["problem_type"] = problem_type
    config = getattr(transformers, prefix + "Config")(
        vocab_size=len(tokenizer), hidden_act="gelu", **sizes, **extra
    )
    model_class = getattr(transformers, prefix + HEADS[head])
    model = model_class(config).eval()
    _randomize(model, seed)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return model


def _randomize(model, seed):
    """Values of the size of trained ones: activations of size 1, no zero biases, scores apart."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                is_norm = "norm" in name.lower() and name.endswith("weight")
                parameter.copy_(is_norm + 0.1 * noise)
            elif "embeddings.weight" in name:  # also the vocabulary matrix of masked words
                parameter.copy_(0.2 * noise)
            elif "relative_attention_bias" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise * 1.5 / parameter.shape[1] ** 0.5)
    model.tie_weights()


# --- tokenizers: whole words, pieces, single characters, and some that are unknown ---


def _characters(*without):
    found = set("".join(_ENGLISH + _CHINESE).lower()) | set("qxz.,!?")
    return sorted(found - set(without))


def _fast(tokenizer, cls, sep, pad, unk, mask):  # noqa: PLR0917
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token=cls,
        sep_token=sep,
        bos_token=cls,
        eos_token=sep,
        pad_token=pad,
        unk_token=unk,
        mask_token=mask,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def _wordpiece(cls="[CLS]", sep="[SEP]", pad="[PAD]", mask="[MASK]", pair="[SEP]"):
    special = [pad, "[UNK]", cls, sep, mask]
    if cls == "<s>":
        special = [cls, pad, sep, "[UNK]", mask]
    characters = _characters("北", "z")
    pieces = [*(word.lower() for word in _ENGLISH[::2]), "##ing", "##er", "##an"]
    tokens = [*special, *characters, *(f"##{c}" for c in characters), *pieces]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    type_b = 0 if cls == "<s>" else 1
    between = f"{sep}:0" if pair == "[SEP]" else f"{sep}:0 {sep}:0"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {between} $B:{type_b} {sep}:{type_b}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (cls, sep)],
    )
    return _fast(tokenizer, cls, sep, pad, "[UNK]", mask)


def _wordpiece_s():
    return _wordpiece("<s>", "</s>", "<pad>", "<mask>", "</s></s>")


_ROBERTA_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def _bpe():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=_ROBERTA_SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts(60, seed=1, longest=60), trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return _fast(tokenizer, "<s>", "</s>", "<pad>", "<unk>", "<mask>")


def _unigram(cls="<s>", sep="</s>", pad="<pad>", mask="<mask>"):
    special = [cls, pad, sep, "<unk>", mask]
    pieces = ["▁", *(f"▁{word}" for word in _ENGLISH[::2]), "ing", "er", "天气", "密码"]
    pieces += [*_characters("北", "z"), *"ABDIL"]
    scored = [(token, 0.0) for token in special]
    scored += [(piece, -2.0 - 0.05 * i) for i, piece in enumerate(dict.fromkeys(pieces))]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    roberta = cls == "<s>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} {sep} $B {sep}" if roberta else f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (cls, sep)],
    )
    return _fast(tokenizer, cls, sep, pad, "<unk>", mask)


def _unigram_cls():
    return _unigram("[CLS]", "[SEP]", "<pad>", "[MASK]")


_TOKENIZERS = {
    "wordpiece": _wordpiece,
    "wordpiece_s": _wordpiece_s,
    "bpe": _bpe,
    "unigram": _unigram,
    "unigram_cls": _unigram_cls,
}


def token_types(model):
    """Whether a model of transformers takes token_type_ids."""
    return "token_type_ids" in inspect.signature(model.forward).parameters
