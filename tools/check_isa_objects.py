"""Checks that the objects of each instruction set export their table and nothing else.

Of an inline function that several objects define, the linker keeps one copy. If that is the one
compiled for AVX-512, a CPU without it dies in code that looks plain. So every object of
csrc/kernels/isa must define exactly one global symbol, `fastbert::<isa>::table()`, and no weak one.
A Debug build shows most, since nothing is inlined there:

    python tools/check_isa_objects.py BUILD_DIR
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

_OBJECT = re.compile(r"kernels_(\w+)\.dir")
# Letters of nm for symbols that other objects can see: lower case is local, except for these.
_WEAK_OR_UNIQUE = "VvWwu"


def exported(path: Path) -> list[tuple[str, str]]:
    """Letter and demangled name of every symbol that `path` defines and others can see."""
    command = ["nm", "--demangle", "--defined-only", "--no-sort", str(path)]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    symbols = [tuple(line.split(maxsplit=2)[1:]) for line in listing.splitlines()]
    return [(kind, name) for kind, name in symbols if kind.isupper() or kind in _WEAK_OR_UNIQUE]


def check(path: Path) -> bool:
    """Print what `path` exports; returns whether it is its table alone."""
    isa = _OBJECT.search(str(path)).group(1)
    symbols = exported(path)
    good = symbols == [("T", f"fastbert::{isa}::table()")]
    print(f"{isa}: {'its table and nothing else' if good else f'{len(symbols)} symbols'}")
    if not good:
        print(*(f"    {kind} {name}" for kind, name in symbols), sep="\n")
    return good


def main() -> int:
    """Check all objects below the directory; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path, metavar="BUILD_DIR", help="where CMake has built")
    objects = sorted(parser.parse_args().build.glob("**/kernels_*.dir/**/*.o"))
    if not objects:
        print("no objects of csrc/kernels/isa found: has it been built?")
        return 1
    results = [check(path) for path in objects]  # a list: all are printed
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
