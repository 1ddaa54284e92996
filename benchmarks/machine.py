"""What a timing cannot be read without: the machine, the build and the versions.

Imports neither NumPy nor fastbert by itself, since `set_threads` must come before them.
"""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

# Distribution names, in the order of the report.
PEERS = (
    "sentence-transformers",
    "torch",
    "onnxruntime",
    "openvino",
    "nncf",
    "ctranslate2",
    "tokenizers",
    "flash-tokenizer",
)

# Read by OpenMP, by the BLAS of NumPy, and by the tokenizers library; each once, when it is loaded.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "RAYON_NUM_THREADS",
)


def usable_threads():
    """How many threads fastbert takes by itself; asked in a process of its own."""
    program = "import fastbert; print(fastbert.cpu_info()['threads'])"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE)
    return int(done.stdout)


def set_threads(threads):
    """Set the threads of everything that is not told per call; False if NumPy had been loaded."""
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    return "numpy" not in sys.modules


def facts(threads):
    """Name -> value, for the header and for the saved results."""
    from fastbert._native import _core

    info = _core.cpu_info()
    return {
        "cpu": info["model_name"] or "unknown",
        "isa": info["isa"],
        "threads": threads,
        "compiler": _compiler(Path(_core.__file__)),
        "numpy": _numpy(),
        "peers": {name: _version(name) for name in PEERS},
    }


def header(threads):
    """The facts as lines."""
    found = facts(threads)
    peers = found["peers"].items()
    installed = ", ".join(f"{name} {version}" for name, version in peers if version)
    lines = [
        f"fastbert: {found['cpu']}, {found['isa']}, threads: {threads}, {found['compiler']}",
        f"numpy: {found['numpy']}",
        f"peers: {installed or 'none'}",
    ]
    missing = [name for name, version in peers if not version]
    if missing:
        lines.append(f"not installed: {', '.join(missing)} (pip install '.[peers]')")
    return lines


def _compiler(module):
    """The mark that compilers leave in an ELF file."""
    found = re.search(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", module.read_bytes())
    return found[0].decode() if found else "unknown compiler"


def _numpy():
    import numpy as np

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{np.__version__} with {blas['name']} {blas['version']}"


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
