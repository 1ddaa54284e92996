"""The sizes that the benchmarks run over, taken from real models."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """The sizes of a BERT."""

    name: str
    layers: int
    hidden: int
    heads: int
    inner: int

    @property
    def head_size(self):
        """Width of one head."""
        return self.hidden // self.heads

    @property
    def products(self):
        """Name, inputs and outputs of the matrix products of a layer."""
        return (
            ("qkv", self.hidden, 3 * self.hidden),
            ("output", self.hidden, self.hidden),
            ("ffn_in", self.hidden, self.inner),
            ("ffn_out", self.inner, self.hidden),
        )

    def flops(self, texts, tokens):
        """Multiplications and additions of a forward pass over texts of so many tokens each."""
        products = sum(2 * inputs * outputs for _, inputs, outputs in self.products)
        attention = 4 * tokens * self.hidden
        return texts * tokens * self.layers * (products + attention)


@dataclass(frozen=True)
class Product:
    """(rows, inputs) times the transpose of (outputs, inputs)."""

    name: str
    rows: int
    inputs: int
    outputs: int

    def __str__(self):
        return f"{self.name} {self.rows}x{self.inputs}x{self.outputs}"


@dataclass(frozen=True)
class Rows:
    """The rows and columns of an array."""

    rows: int
    columns: int

    def __str__(self):
        return f"{self.rows}x{self.columns}"


MINILM_L6 = Model("minilm-l6", layers=6, hidden=384, heads=12, inner=1536)
BERT_BASE = Model("bert-base", layers=12, hidden=768, heads=12, inner=3072)
MODELS = (MINILM_L6, BERT_BASE)

# Tokens of a short question, of a passage, and of the longest input.
SHORT, PASSAGE, LONGEST = 9, 128, 512

MATMUL = [
    Product(f"{model.name} {name}", rows, inputs, outputs)
    for model in MODELS
    for rows in (SHORT, PASSAGE)
    for name, inputs, outputs in model.products
]
# Tokens to the vocabulary: what SPLADE takes the maximum of.
MAXIMUM = [Product("bert-base vocabulary", 2048, BERT_BASE.hidden, 30522)]
ATTENTION = [
    Rows(tokens, model.head_size) for model in MODELS for tokens in (SHORT, PASSAGE, LONGEST)
]
LAYER_NORM = [Rows(tokens, model.hidden) for model in MODELS for tokens in (SHORT, PASSAGE)]
ACTIVATE = [Rows(tokens, model.inner) for model in MODELS for tokens in (SHORT, PASSAGE)]

# What goes into the products.
QUANTIZE = [
    Rows(tokens, columns)
    for model in MODELS
    for tokens in (SHORT, PASSAGE)
    for columns in (model.hidden, model.inner)
]

# Texts, and tokens of each.
FORWARD = [(1, SHORT), (1, PASSAGE), (1, LONGEST), (32, 16)]
