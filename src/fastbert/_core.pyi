"""The native encoder. Arrays must be C-contiguous and of exactly the dtype named; none is converted."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Integers = NDArray[np.int32]

def cpu_info() -> dict[str, Any]: ...
def kernels(isa: str) -> Kernels: ...
def pool(x: Array, offsets: Integers, poolings: Sequence[str], skip: int = 0) -> Array: ...
def normalize(x: Array) -> None: ...

class Encoder:
    def __init__(
        self,
        config: Mapping[str, Any],
        weights: Mapping[str, Array],
        *,
        isa: str = "",
        threads: int = 0,
    ) -> None: ...
    def forward(
        self,
        ids: Integers,
        offsets: Integers,
        *,
        type_ids: Integers | None = None,
        poolings: Sequence[str] = ...,
        pool_skip: int = 0,
        threads: int = 0,
    ) -> Array: ...
    @property
    def isa(self) -> str: ...
    @property
    def packed_bytes(self) -> int: ...

class Linear:
    def __init__(self, weight: Array, bias: Array, *, isa: str = "", threads: int = 0) -> None: ...
    def forward(self, x: Array, *, activation: str = "identity", threads: int = 0) -> Array: ...

class Kernels:
    def layer_norm(
        self, x: Array, gamma: Array, beta: Array, eps: float, residual: Array | None = None
    ) -> Array: ...
    def activate(self, activation: str, x: Array) -> Array: ...
    def attention(self, query: Array, key: Array, value: Array) -> Array: ...
    def pack(self, weight: Array) -> Array: ...
    @property
    def isa(self) -> str: ...
    @property
    def panel_columns(self) -> int: ...
    @property
    def tile_rows(self) -> int: ...
