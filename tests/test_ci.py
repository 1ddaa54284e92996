"""The steps of .ci/run must fail when what they run fails."""

import os
import subprocess
from pathlib import Path

RUN = Path(__file__).parent.parent / ".ci" / "run"


def run_step(directory, name, **programs):
    """The exit status of a step, and what it printed, with scripts in place of programs."""
    (directory / ".venv" / "bin").mkdir(parents=True)
    (directory / ".venv" / "bin" / "activate").touch()
    for program, script in programs.items():
        path = directory / program
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
    result = subprocess.run(
        ["bash", RUN, "--step", name],
        cwd=directory,
        env=os.environ | {"PATH": f"{directory}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout


TESTS = 'echo "$FASTBERT_ISA tested"'


def test_isas_are_tested_one_by_one(tmp_path):
    code, output = run_step(tmp_path, "isas", python="echo avx2 baseline", pytest=TESTS)
    assert code == 0
    assert [line for line in output.splitlines() if "tested" in line] == [
        "avx2 tested",
        "baseline tested",
    ]


def test_isas_that_cannot_be_listed_are_a_failure(tmp_path):
    code, output = run_step(tmp_path, "isas", python="exit 3", pytest=TESTS)
    assert code == 3
    assert "tested" not in output


def test_failing_tests_of_one_isa_are_a_failure(tmp_path):
    tests = TESTS + '; [ "$FASTBERT_ISA" != avx2 ]'
    code, output = run_step(tmp_path, "isas", python="echo avx2 baseline", pytest=tests)
    assert code == 1
    assert "baseline tested" not in output


def test_sanitizers_without_their_libraries_are_a_failure(tmp_path):
    programs = {"pip": "exit 0", "pytest": TESTS}
    code, output = run_step(tmp_path, "sanitizers", **programs, **{"g++": "exit 4"})
    assert code == 4
    assert "tested" not in output
