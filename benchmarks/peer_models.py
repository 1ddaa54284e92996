"""The default model in the forms that peers read, each made once and kept in fastbert's cache.

The imports are inside the functions, because a form that exists needs none of them.
"""

import importlib.metadata
import shutil
import tempfile
from pathlib import Path

from fastbert.config import read_config
from fastbert.own_cache import own_cache


def onnx(model):
    """A plain export to ONNX, from token ids, mask and type ids to token vectors."""
    return _made(f"onnx-torch-{_version('torch')}", _export, model) / "model.onnx"


def fused_onnx(model):
    """The export after the optimizer of ONNX Runtime, which makes a BERT of whole operators."""
    return _made(f"onnx-fused-{_version('onnxruntime')}", _fuse, model) / "model.onnx"


def ctranslate2(model):
    """The output of CTranslate2's converter, float32."""
    return _made(f"ctranslate2-{_version('ctranslate2')}", _convert, model)


def _version(name):
    return importlib.metadata.version(name)


def _made(name, make, model):
    """The folder `name` of the cache, filled by make(model, folder) if it is not there yet."""
    cache = Path(own_cache()) / "benchmarks"
    folder = cache / name
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache))
        try:
            make(model, unfinished)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished)
            raise
    return folder


def _export(model, folder):
    import torch
    import transformers

    bert = transformers.AutoModel.from_pretrained(model, attn_implementation="eager").eval()

    class TokenVectors(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = bert

        def forward(self, ids, mask, types):
            found = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=types)
            return found.last_hidden_state

    example = torch.ones(2, 16, dtype=torch.long)
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    # Not the exporter over torch.export: ONNX Runtime's optimizer knows the patterns of this one.
    torch.onnx.export(
        TokenVectors(),
        (example, example, example),
        folder / "model.onnx",
        input_names=inputs,
        output_names=["token_vectors"],
        dynamic_axes={name: {0: "texts", 1: "length"} for name in [*inputs, "token_vectors"]},
        opset_version=17,
        dynamo=False,
    )


def _fuse(model, folder):
    from onnxruntime.transformers import optimizer

    config = read_config(model)
    fused = optimizer.optimize_model(
        str(onnx(model)),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=1,
    )
    fused.save_model_to_file(str(folder / "model.onnx"))


def _convert(model, folder):
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(model)).convert(str(folder), force=True)
