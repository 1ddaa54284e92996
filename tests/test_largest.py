import numpy as np
import pytest

from fastbert.largest import largest

FEW_VALUES = np.random.default_rng(0).integers(0, 7, 50).astype(np.float32)


@pytest.mark.parametrize("scores", [FEW_VALUES, np.ones(50), np.array([-np.inf, np.inf, 0.0])])
@pytest.mark.parametrize("count", [1, 2, 20, 50, 99])
def test_largest_first_and_of_equals_the_first(scores, count):
    ranked = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    assert largest(scores, count).tolist() == ranked[:count]


def test_of_no_scores_none_is_largest():
    assert largest(np.empty(0), 3).shape == (0,)
