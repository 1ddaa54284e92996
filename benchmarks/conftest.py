"""Threads, the report's header and end, and what the benchmarks share."""

import warnings

import pytest
from pytest_benchmark.logger import PytestBenchmarkWarning

from . import machine

# NumPy reads the number of its threads while it is imported: nothing above may import it, nor
# fastbert, which imports it.

ROWS = pytest.StashKey[list]()
_NUMPY_OBEYS = pytest.StashKey[bool]()


def pytest_addoption(parser):
    parser.addoption(
        "--threads", type=int, help="threads of every engine (default: as fastbert chooses)"
    )


@pytest.hookimpl(tryfirst=True)  # pytest-benchmark asks for the facts in its own
def pytest_configure(config):
    if config.option.threads is None:
        config.option.threads = machine.usable_threads()
    if config.option.threads < 1:
        raise pytest.UsageError(f"--threads is {config.option.threads}, but must be at least 1")
    # Our pyproject.toml makes errors of warnings; a comparison with another machine is none.
    warnings.filterwarnings("default", category=PytestBenchmarkWarning)
    config.stash[ROWS] = []
    config.stash[_NUMPY_OBEYS] = machine.set_threads(config.option.threads)


def pytest_report_header(config):
    lines = machine.header(config.option.threads)
    if not config.stash[_NUMPY_OBEYS]:
        lines.append("numpy was loaded before its threads could be set: run benchmarks alone")
    return lines


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["fastbert"] = machine.facts(config.option.threads)


def pytest_terminal_summary(terminalreporter, config):
    from . import rates

    rows = config.stash[ROWS]
    if rows:
        terminalreporter.section("rates, from the fastest round of each")
        for line in rates.report(rows):
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def threads(pytestconfig):
    """Threads of every engine."""
    return pytestconfig.option.threads


@pytest.fixture(scope="session")
def model():
    """The directory of the default model."""
    from fastbert import api, hub

    return hub.resolve(api.DEFAULT_MODEL)


@pytest.fixture
def measure(benchmark, pytestconfig):
    """Times a call; see `rates.Measure`."""
    from . import rates

    return rates.Measure(benchmark, pytestconfig.stash[ROWS])


@pytest.fixture
def engine_of(model, threads):
    """Engine's name -> engine on the default model; see `engines.load`."""
    from . import engines

    return lambda name: engines.load(name, model, threads)
