"""Fixtures of the core tests: each test runs on both cores."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bench_core import Bench


@pytest.fixture(params=["native", "python"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(kind: str) -> Bench:
    """A core of either kind with helpers; see bench_core.py."""
    return Bench(kind)


@pytest.fixture
def make_bench(kind: str) -> Callable[[], Bench]:
    return lambda: Bench(kind)
