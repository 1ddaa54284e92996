"""The native encoder. Arrays must be C-contiguous and of the dtype named; none is converted."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Integers = NDArray[np.int32]
Bytes = NDArray[np.uint8]

PACKED_LAYOUT: int

def cpu_info() -> dict[str, Any]: ...
def isa() -> str: ...
def kernels(isa: str) -> Kernels: ...
def compute_types() -> list[str]: ...
def packed_bytes(
    config: Mapping[str, Any], *, isa: str = "", compute_type: str = "float32"
) -> int: ...
def peak_gops(isa: str, compute_type: str = "float32", tries: int = 20) -> float: ...
def matmul_gops(
    isa: str,
    rows: int,
    outputs: int,
    inputs: int,
    compute_type: str = "float32",
    tries: int = 20,
) -> float: ...
def outgrows_caches(bytes: int) -> bool: ...
def stream_gb_per_s(threads: int, bytes: int, tries: int = 10) -> float: ...
def pool(
    x: Array,
    offsets: Integers,
    poolings: Sequence[str],
    skip: int = 0,
    mask: Bytes | None = None,
) -> Array: ...
def normalize(x: Array) -> None: ...
def checksum(bytes: Bytes, threads: int = 0) -> int: ...
def copy_to_huge_pages(bytes: Bytes) -> None: ...

class Encoder:
    def __init__(
        self,
        config: Mapping[str, Any],
        weights: Mapping[str, Array],
        *,
        isa: str = "",
        threads: int = 0,
        compute_type: str = "float32",
        packed: Bytes | None = None,
    ) -> None: ...
    @overload
    def forward(
        self,
        ids: Integers,
        offsets: Integers,
        *,
        type_ids: Integers | None = None,
        mask: Bytes | None = None,
        layers: Sequence[int] = ...,
        poolings: Sequence[str] = ...,
        pool_skip: int = 0,
        attentions: Literal[False] = False,
        threads: int = 0,
        profile: Profile | None = None,
    ) -> Array: ...
    @overload
    def forward(
        self,
        ids: Integers,
        offsets: Integers,
        *,
        type_ids: Integers | None = None,
        mask: Bytes | None = None,
        layers: Sequence[int] = ...,
        poolings: Sequence[str] = ...,
        pool_skip: int = 0,
        attentions: Literal[True],
        threads: int = 0,
        profile: Profile | None = None,
    ) -> tuple[Array, Array]: ...
    @property
    def isa(self) -> str: ...
    @property
    def compute_type(self) -> str: ...
    @property
    def packed(self) -> Bytes: ...
    dynamic_batching: bool
    @property
    def companions(self) -> int: ...

class Profile:
    def __init__(self) -> None: ...
    def steps(self) -> dict[str, tuple[float, int, float, float]]: ...
    @property
    def threads(self) -> int: ...

class Linear:
    def __init__(
        self,
        weight: Array,
        bias: Array,
        *,
        isa: str = "",
        compute_type: str = "float32",
        threads: int = 0,
    ) -> None: ...
    def forward(self, x: Array, *, activation: str = "identity", threads: int = 0) -> Array: ...
    def forward_max(self, x: Array, offsets: Integers, *, threads: int = 0) -> Array: ...

class Kernels:
    def layer_norm(
        self, x: Array, gamma: Array, beta: Array, eps: float, residual: Array | None = None
    ) -> Array: ...
    def activate(self, activation: str, x: Array) -> Array: ...
    def attention(
        self,
        query: Array,
        key: Array,
        value: Array,
        scale: float = 1.0,
        begin: int = 0,
        end: int = -1,
        distance_bias: Array | None = None,
        key_bias: Array | None = None,
        probabilities: Array | None = None,
    ) -> Array: ...
    def attention_int8(
        self,
        query: Array,
        key: Array,
        value: Array,
        scale: float = 1.0,
        begin: int = 0,
        end: int = -1,
        distance_bias: Array | None = None,
        key_bias: Array | None = None,
        probabilities: Array | None = None,
    ) -> Array: ...
    def quantize(self, x: Array, activation: str = "identity") -> tuple[Bytes, Array]: ...
    def pack(self, weight: Array) -> Array: ...
    @property
    def isa(self) -> str: ...
    @property
    def panel_columns(self) -> int: ...
    @property
    def tile_rows(self) -> int: ...
