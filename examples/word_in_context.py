"""The same word in two senses: "bank" of a river and "bank" for money.

A token's vector depends on the whole sentence, so the cosines within a sense are higher than
those between the senses. Prints:

              river 1  river 2  money 1  money 2
    river 1      1.00     0.86     0.75     0.76
    river 2      0.86     1.00     0.66     0.66
    money 1      0.75     0.66     1.00     0.83
    money 2      0.76     0.66     0.83     1.00
"""

from __future__ import annotations

import fastbert

WORD = "bank"
SENTENCES = {
    "river 1": "We sat on the bank of the river and watched the water.",
    "river 2": "The boat drifted towards the muddy bank of the stream.",
    "money 1": "She opened an account at the bank to save her money.",
    "money 2": "The bank raised its interest rates for loans again.",
}


def main() -> None:
    encoder = fastbert.load()
    texts = list(SENTENCES.values())
    matrices = encoder.encode(texts, output_value="token_embeddings")
    tokens = encoder.tokenizer.encode_batch(texts, return_spans=True)
    vectors = []
    for i, (text, matrix) in enumerate(zip(texts, matrices, strict=True)):
        spans = tokens.spans[tokens.offsets[i] : tokens.offsets[i + 1]].tolist()
        begin = text.index(WORD)
        vectors.append(matrix[spans.index([begin, begin + len(WORD)])])
    print(" " * 8 + "".join(f"{name:>9}" for name in SENTENCES))
    for name, row in zip(SENTENCES, encoder.similarity(vectors, vectors), strict=True):
        print(f"{name:8}" + "".join(f"{score:9.2f}" for score in row))


if __name__ == "__main__":
    main()
