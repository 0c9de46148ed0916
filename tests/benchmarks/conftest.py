"""Prints the table of targets under pytest-benchmark's own."""

from __future__ import annotations

import pytest

from tests.benchmarks.cases import Figures, target_table

figures: Figures = {}


@pytest.fixture(name="figures")
def figures_fixture() -> Figures:
    """What was measured so far."""
    return figures


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured beside what was wanted."""
    if figures:
        terminalreporter.section("targets")
        terminalreporter.write_line(target_table(figures))
