"""From texts to token ids, one by one and in batches."""

import functools

import numpy as np
import pytest

from fastbert import Tokenizer

from . import texts
from .engines import skip_without
from .rates import Work

NO_LIMIT = 10**6  # tokens of a text

WORKLOADS = {
    "short": lambda: [texts.SHORT],
    "corpus": texts.corpus,
    "chinese": texts.chinese,
    "book": lambda: [texts.book()],
}


class FastBert:
    """fastbert's tokenizer, in one call or a call a text."""

    def __init__(self, model, threads, batched):
        self._tokenizer = Tokenizer.from_pretrained(model)
        self._threads = threads
        self.encode = self._batch if batched else self._one_by_one

    def _batch(self, texts):
        return self._tokenizer.encode_batch(texts, threads=self._threads)

    def _one_by_one(self, texts):
        return [self._tokenizer.encode(text) for text in texts]

    def ids(self, result):
        """The ids of each text, out of what `encode` has returned."""
        if isinstance(result, list):
            return result
        return np.split(result.ids, result.offsets[1:-1])


class Tokenizers:
    """The `tokenizers` library; its batches take the threads that the environment says."""

    def __init__(self, model, threads, batched):
        skip_without("tokenizers")
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._encode = tokenizer.encode
        self.encode = tokenizer.encode_batch_fast if batched else self._one_by_one

    def _one_by_one(self, texts):
        return [self._encode(text) for text in texts]

    def ids(self, result):
        """The ids of each text, out of what `encode` has returned."""
        return [one.ids for one in result]


class FlashTokenizer:
    """flash-tokenizer, called below its Python wrapper, which adds masks."""

    def __init__(self, model, threads, batched):
        skip_without("flash_tokenizer")
        from flash_tokenizer import BertTokenizerFlash

        flash = BertTokenizerFlash(str(model / "vocab.txt"), model_max_length=NO_LIMIT)
        self._tokenizer = flash.tokenizer
        self._parallel = threads > 1
        self.encode = self._batch if batched else self._one_by_one

    def _batch(self, texts):
        return self._tokenizer.batch_encode(texts, "longest", NO_LIMIT, self._parallel)

    def _one_by_one(self, texts):
        return [self._tokenizer.encode(text, "longest", NO_LIMIT) for text in texts]

    def ids(self, result):
        """The ids of each text, out of what `encode` has returned."""
        return result


LIBRARIES = {"fastbert": FastBert, "tokenizers": Tokenizers, "flash-tokenizer": FlashTokenizer}


@pytest.fixture(scope="module")
def expected(model, threads):
    """Workload -> the ids that the `tokenizers` library gives."""
    library = Tokenizers(model, threads, batched=True)
    return functools.cache(lambda workload: library.ids(library.encode(WORKLOADS[workload]())))


@pytest.mark.parametrize("way", ["batch", "one by one"])
@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("workload", WORKLOADS)
def bench_tokenize(measure, *, model, threads, expected, workload, name, way):
    inputs = WORKLOADS[workload]()
    wanted = expected(workload)
    library = LIBRARIES[name](model, threads, batched=way == "batch")
    work = Work(
        bytes=sum(len(text.encode()) for text in inputs),
        texts=len(inputs),
        tokens=sum(map(len, wanted)),
    )
    result = measure(f"tokenize {workload}", f"{name}, {way}", library.encode, inputs, work=work)
    assert [list(ids) for ids in library.ids(result)] == wanted
