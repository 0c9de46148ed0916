"""One verdict, legal and refused, beside its peers: `pytest tests/benchmarks`.

Nothing here fails for being slow: the table at the end sets what was measured beside the targets.
"""

from __future__ import annotations

import timeit

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.cases import LEGAL, MORE, REFUSED, Case, Figures, other_cases, verdict_cases

QUESTIONS = 1000
SECONDS = 1.0  # or 20 rounds: a shared machine is slow for tenths of a second at a time

CASES = verdict_cases()


def measure(benchmark: BenchmarkFixture, figures: Figures, case: Case) -> None:
    """Time 1000 runs of the case's statement in every round."""
    if case.skipped:
        pytest.skip(case.skipped)
    benchmark.group = f"{case.group}: {QUESTIONS} times each, so that 1 us means 1 ns"
    run = case.compile()
    round_time = min(timeit.repeat(lambda: run(case.rows(QUESTIONS)), number=1, repeat=10))
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        run,
        setup=lambda: ((case.rows(QUESTIONS),), {}),
        rounds=max(20, int(SECONDS / round_time)),
    )
    if benchmark.stats is not None:
        figures[case.group, case.name] = benchmark.stats.stats.min / QUESTIONS * 1e9


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.group == LEGAL], ids=lambda case: case.name
)
def test_legal(benchmark: BenchmarkFixture, figures: Figures, case: Case) -> None:
    """os-stop of an active server."""
    measure(benchmark, figures, case)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.group == REFUSED], ids=lambda case: case.name
)
def test_refused(benchmark: BenchmarkFixture, figures: Figures, case: Case) -> None:
    """os-stop of a paused server."""
    measure(benchmark, figures, case)


@pytest.mark.parametrize("case", other_cases(), ids=lambda case: case.name)
def test_more(benchmark: BenchmarkFixture, figures: Figures, case: Case) -> None:
    """Many verdicts, new ones, and what one has to tell."""
    assert case.group == MORE
    measure(benchmark, figures, case)
