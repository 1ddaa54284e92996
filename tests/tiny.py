"""Write small model directories with random weights, in the layout of published models."""

import json
import math
from pathlib import Path

import numpy as np

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PUNCTUATION = ".,!?-'\"()"
_PIECES = (
    "a b c d e h i l m n o r s t u 0 1 2 ##a ##b ##d ##e ##i ##l ##n ##o ##r ##s ##t ##u ##1 ##2"
)
_WORDS = "the of and to in is it my how do reset password hello world cat dog runs fast very good"
_ENDINGS = "##ing ##ed ##er ##ly ##es ##word ##able"
_CHINESE = "忘记密码怎么办你好世界"

# Enough for whole words, pieces, unknown words and CJK characters.
VOCABULARY = (
    *SPECIALS,
    *_PUNCTUATION,
    *_PIECES.split(),
    *_WORDS.split(),
    *_ENDINGS.split(),
    *_CHINESE,
)

_NUMPY_TO_SAFETENSORS = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
}

_POOLING_FLAGS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


# Head -> the class that transformers has for it, and its linear layers and norms.
_HEADS = {
    "sequence_classification": (
        "BertForSequenceClassification",
        ("bert.pooler.dense", "classifier"),
    ),
    "token_classification": ("BertForTokenClassification", ("classifier",)),
    "masked_lm": (
        "BertForMaskedLM",
        (
            "cls.predictions.transform.dense",
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.decoder",
        ),
    ),
    "question_answering": ("BertForQuestionAnswering", ("qa_outputs",)),
    "next_sentence": (
        "BertForNextSentencePrediction",
        ("bert.pooler.dense", "cls.seq_relationship"),
    ),
}


class Table(list):
    """What a pandas.DataFrame is to whoever goes through it: the names of its columns."""

    ndim = 2


def bfloat16_bits(values):
    """The upper halves of float32 values, truncated; `write_safetensors` takes uint16 as BF16."""
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def safetensors_bytes(tensors, metadata=None):
    """The bytes of a .safetensors file; a uint16 array is stored as BF16."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, array in tensors.items():
        dtype = "BF16" if array.dtype == np.uint16 else _NUMPY_TO_SAFETENSORS[array.dtype.name]
        stored = np.ascontiguousarray(array).tobytes()
        offsets = [len(data), len(data) + len(stored)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        data += stored
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def write_safetensors(path, tensors, metadata=None):
    Path(path).write_bytes(safetensors_bytes(tensors, metadata))


def write_json(path, value):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2), encoding="utf-8")


def bert_tensors(config, seed=0):
    """Random float32 tensors under BERT's checkpoint names, sized by a config.json dictionary."""
    rng = np.random.default_rng(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    tensors = {}

    def add(name, *shape, scale=0.1, offset=0.0):
        values = offset + scale * rng.standard_normal(shape)
        tensors[name] = values.astype(np.float32)

    def linear(name, outputs, inputs):
        add(f"{name}.weight", outputs, inputs, scale=1 / math.sqrt(inputs))
        add(f"{name}.bias", outputs)

    def norm(name):
        add(f"{name}.weight", hidden, offset=1.0)
        add(f"{name}.bias", hidden)

    add("embeddings.word_embeddings.weight", config["vocab_size"], hidden, scale=0.5)
    add("embeddings.position_embeddings.weight", config["max_position_embeddings"], hidden)
    add("embeddings.token_type_embeddings.weight", config["type_vocab_size"], hidden)
    norm("embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", hidden, hidden)
        linear(f"{layer}.attention.output.dense", hidden, hidden)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", inner, hidden)
        linear(f"{layer}.output.dense", hidden, inner)
        norm(f"{layer}.output.LayerNorm")
    return tensors


def head_tensors(head, config, outputs, *, tied=True, seed=0):
    """Random tensors of a head; its scores are of order 1, those over a tied word table of 3."""
    rng = np.random.default_rng([seed, 1])
    hidden = config["hidden_size"]
    tensors = {}
    _, names = _HEADS[head]
    for name in names:
        rows = outputs if name == names[-1] else hidden
        if name.endswith("LayerNorm"):
            tensors[f"{name}.weight"] = 1 + 0.1 * rng.standard_normal(hidden)
            tensors[f"{name}.bias"] = 0.1 * rng.standard_normal(hidden)
        else:
            tensors[f"{name}.weight"] = rng.standard_normal((rows, hidden)) / math.sqrt(hidden)
            tensors[f"{name}.bias"] = 0.1 * rng.standard_normal(rows)
    if head == "masked_lm":
        tensors["cls.predictions.bias"] = tensors["cls.predictions.decoder.bias"]
        if tied:
            del tensors["cls.predictions.decoder.weight"], tensors["cls.predictions.decoder.bias"]
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def _head_fields(head, labels, problem_type, tied):
    """What config.json says about a head."""
    fields = {"architectures": [_HEADS[head][0]]}
    if labels is not None:
        fields["id2label"] = {str(i): label for i, label in enumerate(labels)}
        fields["label2id"] = {label: i for i, label in enumerate(labels)}
    if problem_type is not None:
        fields["problem_type"] = problem_type
    if not tied:
        fields["tie_word_embeddings"] = False
    return fields


def write_model(
    directory,
    *,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    hidden_act="gelu",
    max_position_embeddings=64,
    type_vocab_size=2,
    layer_norm_eps=1e-12,
    vocabulary=VOCABULARY,
    do_lower_case=True,
    max_seq_length=None,
    pooling=("mean",),
    dense_size=None,
    normalize=True,
    prompts=None,
    prefix="",
    dtype="float32",
    seed=0,
    sentence_transformers=True,
    head=None,
    labels=None,
    problem_type=None,
    tied=True,
):
    """Write a random BERT; returns its directory.

    `dense_size` adds a Dense module with tanh, `prefix` goes before every tensor's name, `dtype` is
    float32, float16 or bfloat16, and `sentence_transformers=False` leaves a plain transformers
    directory. `head` is a key of `_HEADS`: a plain directory of that class, whose classifier has a
    score for each of `labels`, or two without names; `tied=False` gives a masked_lm head a matrix
    of its own in place of the word table.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": len(vocabulary),
        "hidden_size": hidden_size,
        "num_hidden_layers": num_hidden_layers,
        "num_attention_heads": num_attention_heads,
        "intermediate_size": intermediate_size,
        "hidden_act": hidden_act,
        "max_position_embeddings": max_position_embeddings,
        "type_vocab_size": type_vocab_size,
        "layer_norm_eps": layer_norm_eps,
        "position_embedding_type": "absolute",
        "pad_token_id": 0,
    }
    tensors = bert_tensors(config, seed)
    if head is not None:
        config |= _head_fields(head, labels, problem_type, tied)
        outputs = len(vocabulary) if head == "masked_lm" else 2 if labels is None else len(labels)
        tensors = {f"bert.{name}": value for name, value in tensors.items()}
        tensors |= head_tensors(head, config, outputs, tied=tied, seed=seed)
    write_json(directory / "config.json", config)
    tensors = {prefix + name: value for name, value in tensors.items()}
    if dtype == "bfloat16":
        tensors = {name: bfloat16_bits(value) for name, value in tensors.items()}
    else:
        tensors = {name: value.astype(dtype) for name, value in tensors.items()}
    write_safetensors(directory / "model.safetensors", tensors, {"format": "pt"})
    _write_tokenizer(directory, vocabulary, do_lower_case, max_position_embeddings)
    if sentence_transformers and head is None:
        _write_transformer_limits(directory, max_seq_length)
        _write_modules(directory, hidden_size, pooling, dense_size, normalize)
        if prompts is not None:
            write_json(directory / "config_sentence_transformers.json", {"prompts": prompts})
    return directory


def _write_tokenizer(directory, vocabulary, do_lower_case, max_length):
    text = "".join(token + "\n" for token in vocabulary)
    (directory / "vocab.txt").write_text(text, encoding="utf-8")
    fields = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": do_lower_case,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "model_max_length": max_length,
    }
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    write_json(
        directory / "tokenizer_config.json", fields | dict(zip(names, SPECIALS, strict=True))
    )


def _write_transformer_limits(directory, max_seq_length):
    limits = {"max_seq_length": max_seq_length, "do_lower_case": False}
    write_json(directory / "sentence_bert_config.json", limits)


def _write_modules(directory, hidden_size, pooling, dense_size, normalize):
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    flags = {flag: mode in pooling for mode, flag in _POOLING_FLAGS.items()}
    write_json(
        directory / "1_Pooling" / "config.json", {"word_embedding_dimension": hidden_size, **flags}
    )
    if dense_size is not None:
        modules.append(("Dense", "2_Dense"))
        write_dense(directory / "2_Dense", hidden_size * len(pooling), dense_size)
    if normalize:
        modules.append(("Normalize", f"{len(modules)}_Normalize"))
        (directory / modules[-1][1]).mkdir(exist_ok=True)
    write_module_list(directory, modules)


def write_module_list(directory, modules):
    """Write modules.json from pairs of a kind and a folder."""
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ]
    write_json(directory / "modules.json", listed)


def write_dense(directory, inputs, outputs, *, activation="activation.Tanh", bias=True, seed=0):
    rng = np.random.default_rng(seed)
    write_json(
        directory / "config.json",
        {
            "in_features": inputs,
            "out_features": outputs,
            "bias": bias,
            "activation_function": f"torch.nn.modules.{activation}",
        },
    )
    weight = rng.standard_normal((outputs, inputs)) / math.sqrt(inputs)
    tensors = {"linear.weight": weight.astype(np.float32)}
    if bias:
        tensors["linear.bias"] = rng.standard_normal(outputs).astype(np.float32)
    write_safetensors(directory / "model.safetensors", tensors)
