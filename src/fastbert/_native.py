"""Loads the compiled modules, the one place that does."""

import os

# A libgomp worker that has nothing to do spins before it sleeps: 300,000 rounds, 4 to 14 ms, unless
# told otherwise, and it can only be told by the environment it finds while it is being loaded.
# 3,000 rounds, some 100 microseconds, still cover the gap between two calls of a busy caller; more
# hold up whatever else the caller does in between, see "Steadiness" in docs/performance.md.
_SPIN = "GOMP_SPINCOUNT"
_own = not {_SPIN, "OMP_WAIT_POLICY"} & os.environ.keys()
if _own:
    os.environ[_SPIN] = "3000"
try:
    from fastbert import _core, _wordpiece
except ImportError as error:
    raise ImportError(
        "the native part of fastbert cannot be loaded: build it with 'pip install .'"
    ) from error
finally:
    if _own:
        del os.environ[_SPIN]

__all__ = ["_core", "_wordpiece"]
