"""Microbenchmarks of sh4a: each takes the ticks derived for it by hand, on each core that has the model."""

import functools
import json

import pytest

from bench import micro
from cpu_node import make_core
from cpu_node.timing import FE_BUSY, LATENCY, TICKS

SHORT = 5000  # ticks an iteration: what is measured under many tables


@pytest.fixture(autouse=True)
def ready(built):
    built("bench", "micro.elf")


@pytest.fixture(params=["native", "python"])
def kind(request):
    # tests/cpu/test_timing.py's test_capability says which kinds must have it.
    if not hasattr(make_core(request.param, (micro.BASE, 4096)), "timing"):
        pytest.skip(f"the {request.param} core has no timing model yet")
    return request.param


@functools.cache
def everything(kind):
    return micro.measure(micro.benchmarks(), kind)


def differing(results):
    return [f"{r.benchmark.name}: expected {r.expected}, measured {r.measured}" for r in results
            if r.measured != r.expected]  # fmt: skip


def test_each_takes_what_was_derived(kind):
    results = everything(kind)
    assert len(results) > 80
    assert not differing(results)


@pytest.mark.parametrize("hot", [0, 1])
def test_generated_code_takes_as_long(hot):
    """Interpreted only, and generated at the first arrival."""
    core = make_core("native", (micro.BASE, 4096))
    if not hasattr(core, "timing"):
        pytest.skip("the native core has no timing model yet")
    assert not differing(micro.measure(micro.benchmarks(), "native", hot))


@pytest.fixture
def tables():
    """The parameters may be changed; afterwards they are as before."""
    from cpu_node.python_core.timing import use_of

    kept = [(table, dict(table)) for table in (TICKS, LATENCY, FE_BUSY)]
    yield use_of.cache_clear
    for table, values in kept:
        table.update(values)
    use_of.cache_clear()


def short():
    return [b for b in micro.benchmarks() if micro.expected(b.formula) < SHORT]


def test_formulas_hold_for_other_stalls(tables):
    """Each parameter another prime: that no other number of stalls gives the same sum."""
    primes = [101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151]
    chosen = short()
    before = {b.name: micro.expected(b.formula) for b in chosen}
    TICKS.update(zip(TICKS, primes, strict=True))
    results = micro.measure(chosen, "python")
    assert sum(r.expected != before[r.benchmark.name] for r in results) > 15
    assert not differing(results)


@pytest.mark.parametrize("name", [name for name, (single, _) in LATENCY.items() if single])
def test_formulas_hold_for_another_latency(tables, name):
    """A tick more of a class: on the Python core, whose tables are not compiled."""
    chosen = short()
    before = {b.name: micro.expected(b.formula) for b in chosen}
    LATENCY[name] = tuple(ticks + 1 for ticks in LATENCY[name])
    tables()
    results = [r for r in micro.measure([b for b in chosen if micro.expected(b.formula) != before[b.name]], "python")]
    assert results, "no benchmark depends on this class"
    assert not differing(results)


def test_table_of_the_page_is_current(kind):
    _, table, _ = micro.parts(micro.PAGE.read_text())
    assert table == micro.table(everything(kind)), (
        "docs/explanation/timing-model.md is old: run `python -m bench.micro --page`"
    )


def test_a_difference_is_shown_and_fails(kind, tmp_path, monkeypatch, capsys):
    words = ["alu_chain", "trap", "--core", kind, "--json", str(tmp_path / "micro.json")]
    assert micro.main(words) == 0
    real = micro.expected
    monkeypatch.setattr(micro, "expected", lambda formula: real(formula) + (formula == "8 + loop"))
    assert micro.main(words) == 1
    rows = json.loads((tmp_path / "micro.json").read_text())["benchmarks"]
    assert [(row["name"], row["expected"], row["measured"], row["difference"]) for row in rows] == [
        ("alu_chain", 12, 11, -1),
        ("trap", 21, 21, 0),
    ]
    assert "-1" in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        micro.main(["nothing"])
    assert stop.value.code == 2
    assert "no benchmark nothing: there are alu_chain, " in capsys.readouterr().err


def test_a_program_that_does_not_end_is_told(kind):
    with pytest.raises(SystemExit, match=r"bench.micro: lost on the \w+ core stopped: .*horizon.*: see guests/bench"):
        micro.ticks(b"\xfe\xaf\x09\x00".ljust(16, b"\0"), micro.Benchmark("lost", "", "", 0), 1, kind)  # bra itself
