"""How alike are two Chinese texts?

The default model is made for English: its vocabulary lacks most of these characters, so good and
bad weather, "很好" and "很差", are the same to it, and the rest of the order means little. Name a
model for Chinese for real use: `python examples/chinese_similarity.py BAAI/bge-small-zh-v1.5`.
The default one prints:

     0.55  忘记密码怎么办  |  我的密码忘了，该怎么办
     0.78  今天天气很好  |  今天的天气真不错
     1.00  今天天气很好  |  今天天气很差
     0.68  我想买一张去北京的火车票  |  北京是中国的首都
     0.48  忘记密码怎么办  |  猫坐在垫子上
"""

from __future__ import annotations

import sys

import fastbert

PAIRS = [
    ("忘记密码怎么办", "我的密码忘了，该怎么办"),
    ("今天天气很好", "今天的天气真不错"),
    ("今天天气很好", "今天天气很差"),
    ("我想买一张去北京的火车票", "北京是中国的首都"),
    ("忘记密码怎么办", "猫坐在垫子上"),
]


def main() -> None:
    encoder = fastbert.load(*sys.argv[1:2])
    left, right = (encoder.encode(texts) for texts in zip(*PAIRS, strict=True))
    for score, pair in zip(encoder.similarity_pairwise(left, right), PAIRS, strict=True):
        print(f"{score:5.2f}  {pair[0]}  |  {pair[1]}")


if __name__ == "__main__":
    main()
