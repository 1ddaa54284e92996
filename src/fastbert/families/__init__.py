"""The model families: everything that is BERT with other names, or with one more term.

To add one, write a file with a `Family` and list it here. `config.py`, `weights.py` and `heads.py`
read only these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fastbert.families.albert import ALBERT
from fastbert.families.bert import BERT
from fastbert.families.distilbert import DISTILBERT
from fastbert.families.electra import ELECTRA
from fastbert.families.family import Family, HeadLinear, HeadNorm
from fastbert.families.mpnet import MPNET
from fastbert.families.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA

__all__ = ["FAMILIES", "Family", "HeadLinear", "HeadNorm"]

_ALL = (BERT, DISTILBERT, ROBERTA, XLM_ROBERTA, CAMEMBERT, MPNET, ELECTRA, ALBERT)

FAMILIES: Mapping[str, Family] = MappingProxyType({family.model_type: family for family in _ALL})
