"""Other engines on the default model, each driven as its own documentation does it for speed.

All compute with the number of threads they are told, and in float32 unless told otherwise. Those
that take token ids get them from the `tokenizers` library in padded batches of like lengths.
"""

import numpy as np

from fastbert.config import read_config

from . import peer_models

_BATCH = 32  # texts, the default of sentence-transformers


class Padded:
    """What a peer needs that only knows token ids, as sentence-transformers does it.

    A peer adds `forward`: ids and mask, int64 (texts, length), to token vectors of the same shape
    with the hidden size at its end.
    """

    def __init__(self, model):
        from tokenizers import Tokenizer

        self._hidden = read_config(model).hidden_size
        self._tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self._tokenizer.enable_truncation(256)
        self._tokenizer.enable_padding()

    def token_vectors(self, ids):
        """Ids (texts, length) to token vectors (texts, length, hidden)."""
        return self.forward(ids, np.ones_like(ids))

    def encode(self, texts):
        """Texts to vectors of length 1, the longest texts first."""
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        vectors = np.empty((len(texts), self._hidden), np.float32)
        for first in range(0, len(texts), _BATCH):
            batch = order[first : first + _BATCH]
            vectors[batch] = self._encode_batch([texts[i] for i in batch])
        return vectors

    def _encode_batch(self, texts):
        tokens = self._tokenizer.encode_batch(texts)
        ids = np.array([text.ids for text in tokens], np.int64)
        mask = np.array([text.attention_mask for text in tokens], np.int64)
        weights = mask[:, :, None].astype(np.float32)
        sums = (self.forward(ids, mask) * weights).sum(axis=1)
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)


class OnnxRuntime(Padded):
    """ONNX Runtime on a model that its own optimizer has fused."""

    def __init__(self, model, threads, form=peer_models.fused_onnx):
        import onnxruntime

        super().__init__(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            form(model), options, providers=["CPUExecutionProvider"]
        )

    def forward(self, ids, mask):
        """See `Padded`."""
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return self._session.run(None, feeds)[0]


class OpenVino(Padded):
    """OpenVINO, with a precision for all that its form of the model does not quantise.

    Where the CPU has bfloat16, it would take that by itself.
    """

    def __init__(self, model, threads, form=peer_models.onnx, precision="f32"):
        import openvino

        super().__init__(model)
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(form(model)), "CPU", options)
        self._request = compiled.create_infer_request()

    def forward(self, ids, mask):
        """See `Padded`."""
        return self._request.infer([ids, mask, np.zeros_like(ids)])[0]


class CTranslate2(Padded):
    """CTranslate2, which is told the length of each text in place of a mask."""

    def __init__(self, model, threads, compute_type="float32"):
        import ctranslate2

        super().__init__(model)
        self._view = ctranslate2.StorageView.from_array
        self._encoder = ctranslate2.Encoder(
            str(peer_models.ctranslate2(model)),
            device="cpu",
            compute_type=compute_type,
            inter_threads=1,
            intra_threads=threads,
        )

    def forward(self, ids, mask):
        """See `Padded`."""
        lengths = mask.sum(axis=1).astype(np.int32)
        ids = self._view(ids.astype(np.int32))
        return np.array(self._encoder.forward_batch(ids, self._view(lengths)).last_hidden_state)


class SentenceTransformers:
    """sentence-transformers, on PyTorch."""

    def __init__(self, model, threads):
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self._torch = torch
        self._model = SentenceTransformer(str(model), device="cpu")

    def token_vectors(self, ids):
        """Ids (texts, length) to token vectors (texts, length, hidden)."""
        ids = self._torch.from_numpy(ids)
        features = {"input_ids": ids, "attention_mask": self._torch.ones_like(ids)}
        with self._torch.inference_mode():
            return self._model[0](features)["token_embeddings"].numpy()

    def encode(self, texts):
        """Texts to vectors of length 1."""
        return self._model.encode(texts, batch_size=_BATCH, show_progress_bar=False)
