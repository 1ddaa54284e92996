"""The default model with a head of random weights: what a task costs does not depend on them."""

import json
import shutil

from tiny import head_tensors, write_json, write_safetensors

from fastbert.checkpoints import open_checkpoint

ARCHITECTURES = {
    "sequence_classification": "BertForSequenceClassification",
    "token_classification": "BertForTokenClassification",
    "masked_lm": "BertForMaskedLM",
    "question_answering": "BertForQuestionAnswering",
}
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "special_tokens_map.json",
)


def write(directory, model, head, labels):
    """Copy the encoder and the tokenizer of `model`, and add a head with these labels."""
    directory.mkdir()
    config = json.loads((model / "config.json").read_text())
    config |= {"architectures": [ARCHITECTURES[head]], "id2label": dict(enumerate(labels))}
    config["label2id"] = {label: i for i, label in enumerate(labels)}
    write_json(directory / "config.json", config)
    tensors = {f"bert.{name}": file[name] for name, file in open_checkpoint(model).items()}
    outputs = config["vocab_size"] if head == "masked_lm" else len(labels)
    own = head_tensors(head, config, outputs)
    tensors |= {f"bert.{n}" if n.startswith("pooler.") else n: own[n] for n in own}
    write_safetensors(directory / "model.safetensors", tensors, {"format": "pt"})
    for name in _TOKENIZER_FILES:
        if (model / name).exists():
            shutil.copy(model / name, directory / name)
    return directory
