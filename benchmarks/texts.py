"""The texts that are encoded: made here, always the same, shaped like what people search for."""

import functools

import numpy as np

SHORT = "where can I buy tickets for tonight"  # 9 tokens with [CLS] and [SEP]
CORPUS_TEXTS = 512

# One token each in the vocabulary of bert-base-uncased.
_COMMON_WORDS = """
the a of and to in is was for on with as by at from it his her they we you this that which who
are were be been has have had not but or if when while after before about over under between
man woman child people dog cat horse bird city house street river water fire music film book
letter school market train car road bridge garden kitchen table window door game team player
match season government company police court law money bank price report country world war
peace president minister nation state group member party leader plan idea question answer
day night morning week month year summer winter old new young small large great long short
red green white black blue quick slow early late high low good bad first second last next
run walk sit stand play write read buy sell open close find lose make take give show build
say tell ask hear see watch wait work move turn start stop help learn grow fall rise
"""

# Two to six tokens each: rarer words, names and compounds.
_RARE_WORDS = """
skateboarder hummingbird unbelievably microservice counterproductive snowboarding retweeted
tokenization rechargeable parliamentarian biodegradable waterproofing Wolfsburg Qaanaaq
oversimplification sunbathing firmware unsubscribed misconfigured kayaking
"""

_COMMON, _RARE = _COMMON_WORDS.split(), _RARE_WORDS.split()
_MARKS = (".", ".", ".", "?", "!", "")
_CHINESE = "我忘记了密码怎么办今天北京的天气很好请问去火车站要多长时间这本书在哪里可以买到谢谢你"


def _rng():
    return np.random.default_rng(20)


def _sentence(rng, words):
    chosen = [str(rng.choice(_RARE if rng.random() < 0.04 else _COMMON)) for _ in range(words)]
    return " ".join(chosen).capitalize() + str(rng.choice(_MARKS))


@functools.cache
def corpus():
    """Sentences of 4 to 40 tokens, 14 on average: short ones, and a tail of longer ones."""
    rng = _rng()
    lengths = np.exp(rng.normal(np.log(10), 0.45, CORPUS_TEXTS)).astype(int).clip(2, 50)
    return [_sentence(rng, words) for words in lengths]


@functools.cache
def passage(tokens=128):
    """A text of exactly so many tokens."""
    return " ".join(map(str, _rng().choice(_COMMON, tokens - 2)))


@functools.cache
def chinese():
    """Sentences of 5 to 40 characters, a token each; an English vocabulary lacks most of them."""
    rng = _rng()
    lengths = rng.integers(5, 41, CORPUS_TEXTS)
    return ["".join(rng.choice(list(_CHINESE), length)) + "。" for length in lengths]


@functools.cache
def book():
    """One text of 20,000 words."""
    rng = _rng()
    return " ".join(_sentence(rng, 20) for _ in range(1000))
