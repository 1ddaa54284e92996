"""The default model in the forms that peers read, each made once and kept in fastbert's cache.

The imports are inside the functions, because a form that exists needs none of them.
"""

import importlib.metadata
import shutil
import tempfile
from pathlib import Path

import numpy as np

from fastbert.config import read_config
from fastbert.own_cache import own_cache

from . import texts


def onnx(model):
    """A plain export to ONNX, from token ids, mask and type ids to token vectors."""
    return _made(f"onnx-torch-{_version('torch')}", _export, model) / "model.onnx"


def fused_onnx(model):
    """The export after the optimizer of ONNX Runtime, which makes a BERT of whole operators."""
    return _made(f"onnx-fused-{_version('onnxruntime')}", _fuse, model) / "model.onnx"


def int8_onnx(model):
    """The fused export with weights of int8, for activations that are quantised as they come."""
    return _made(f"onnx-int8-{_version('onnxruntime')}", _quantize, model) / "model.onnx"


def int8_openvino(model):
    """The plain export with weights and activations of int8, calibrated by NNCF."""
    version = f"{_version('openvino')}-nncf-{_version('nncf')}"
    return _made(f"openvino-int8-{version}", _calibrate, model) / "model.xml"


def ctranslate2(model):
    """The output of CTranslate2's converter, float32, which it quantises itself while loading."""
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


def _quantize(model, folder):
    import onnx as onnx_library
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        fused_onnx(model),
        folder / "model.onnx",
        per_channel=True,
        reduce_range=False,
        weight_type=QuantType.QInt8,
        extra_options={
            "WeightSymmetric": True,
            "MatMulConstBOnly": True,
            "DefaultTensorType": onnx_library.TensorProto.FLOAT,
        },
    )


def _calibrate(model, folder):
    import nncf
    import openvino
    from tokenizers import Tokenizer

    calibration_texts = _calibration_texts()
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def feed(text):
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        return ids, np.ones_like(ids), np.zeros_like(ids)

    quantized = nncf.quantize(
        openvino.Core().read_model(onnx(model)),
        nncf.Dataset(calibration_texts, feed),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(calibration_texts),
    )
    openvino.save_model(quantized, folder / "model.xml", compress_to_fp16=False)


def _calibration_texts():
    """100 texts, some as long as the model can take: what is not seen here has no range."""
    return texts.corpus()[:80] + [texts.passage(tokens) for tokens in range(37, 513, 25)]


def _convert(model, folder):
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(model)).convert(str(folder), force=True)
