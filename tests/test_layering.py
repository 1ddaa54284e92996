"""The rules of docs/architecture.md about who may use what."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "csrc").rglob("*.h")) + sorted((ROOT / "csrc").rglob("*.cpp"))
PYTHON = sorted((ROOT / "src" / "fastbert").glob("**/*.py"))


def users(pattern):
    return {
        path.relative_to(ROOT / "csrc").as_posix()
        for path in SOURCES
        if re.search(pattern, path.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize(
    ("pattern", "home"),
    [
        (r"pybind11", r"bindings/"),
        (r"#include <(imm|x86|arm_neon)\w*\.h>", r"kernels/isa/"),
        (r"#pragma omp|#include <omp\.h>|\bomp_\w+\(", r"parallel\.cpp"),
        (r"\bgetenv\b|__builtin_cpu_supports|sched_getaffinity", r"cpu\.cpp"),
    ],
)
def test_only_one_place_knows(pattern, home):
    assert {path for path in users(pattern) if not re.match(home, path)} == set()
    assert users(pattern)


def includes(path):
    return re.findall(r'#include "([^"]+)"', path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("kernels/isa", r"(kernels/kernels\.h|[\w.]+)$"),
        ("encoder", r"(encoder/|kernels/kernels\.h|parallel\.h|cpu\.h)"),
        ("tokenizer", r"(tokenizer/|parallel\.h|cpu\.h|[\w.]+$)"),
        ("bindings", r"(bindings/|encoder/|kernels/kernels\.h|cpu\.h|checksum\.h|huge_pages\.h)"),
    ],
)
def test_arrows_go_one_way(folder, allowed):
    for path in SOURCES:
        if path.relative_to(ROOT / "csrc").as_posix().startswith(folder + "/"):
            foreign = [name for name in includes(path) if not re.match(allowed, name)]
            assert foreign == [], path


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name, module):
    return f"{name}.".startswith(f"{module}.")


def module_name(path):
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


@pytest.mark.parametrize(
    ("module", "users"),
    [
        ("fastbert._core", {"_native.py"}),
        ("fastbert._wordpiece", {"_native.py"}),
        ("fastbert.reference", set()),
        ("fastbert.api", {"__init__.py", "cli.py", "sklearn.py"}),
    ],
)
def test_modules_are_imported_only_where_they_belong(module, users):
    found = {
        path.name
        for path in PYTHON
        if not is_within(module_name(path), module)
        and any(is_within(name, module) for name in imports(path))
    }
    assert found <= users


def test_parts_of_a_module_count_as_the_module(tmp_path):
    path = tmp_path / "some.py"
    path.write_text("from fastbert.reference.pooling import pool\nimport fastbert.referenced\n")
    found = {name for name in imports(path) if is_within(name, "fastbert.reference")}
    assert found == {"fastbert.reference.pooling", "fastbert.reference.pooling.pool"}


def test_reference_stays_a_page():
    assert (
        len((ROOT / "src/fastbert/reference/__init__.py").read_text(encoding="utf-8").splitlines())
        < 200
    )
