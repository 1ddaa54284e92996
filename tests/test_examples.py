"""Every example runs, and prints what its docstring shows.

The figures there have two places, and none is nearer than 1e-4 to where it would be rounded the
other way: instruction sets differ by 1e-6.
"""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tiny import write_model

FOLDER = Path(__file__).parent.parent / "examples"
# These need a model that no package index has: they run on a random one.
NEED_A_MODEL = {"ner_highlight", "reranking"}
EXAMPLES = [path for path in sorted(FOLDER.glob("*.py")) if path.stem not in NEED_A_MODEL]


def shown(path):
    """What the docstring says that the example prints: its indented end."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    _, output = docstring.split(":\n\n", maxsplit=1)
    return textwrap.dedent(output).strip().splitlines()


@pytest.mark.usefixtures("default_model")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_prints_what_it_shows(path):
    if "sklearn" in path.read_text(encoding="utf-8"):
        pytest.importorskip("sklearn", reason="the example needs scikit-learn")
    result = subprocess.run(
        [sys.executable, os.fspath(path)],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert textwrap.dedent(result.stdout).strip().splitlines() == shown(path)


@pytest.mark.usefixtures("default_model")
def test_reranking_prints_the_best_passages_first(tmp_path):
    model = write_model(tmp_path, head="sequence_classification", labels=["relevance"])
    command = [sys.executable, os.fspath(FOLDER / "reranking.py"), os.fspath(model), "my password"]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    scores = [float(line.split()[0]) for line in result.stdout.splitlines()]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)


def test_examples_are_there():
    assert len(EXAMPLES) >= 5
    assert all((FOLDER / f"{name}.py").exists() for name in NEED_A_MODEL)
