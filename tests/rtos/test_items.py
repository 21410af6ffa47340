"""The self test's items, executed: all go well, and each call has one for each error that kernel.h says it returns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from board import Board

from guests.rtos import configure
from guests.rtos.calls import calls

ITEM = re.compile(r"(\w+) (E_\w+) (.*): (ok|FAIL, got -?\d+, not -?\d+)")
# (image, SPUMONE's ceiling): one binary serves a partition and none.
MACHINES = [("bare", None), ("spumone", 7), ("spumone", 0)]
# uITRON4.0, standard profile: appendix of the specification.
STANDARD = """
    act_tsk iact_tsk can_act ext_tsk ter_tsk chg_pri get_pri
    slp_tsk tslp_tsk wup_tsk iwup_tsk can_wup rel_wai irel_wai sus_tsk rsm_tsk frsm_tsk dly_tsk
    ras_tex iras_tex dis_tex ena_tex sns_tex
    sig_sem isig_sem wai_sem pol_sem twai_sem set_flg iset_flg clr_flg wai_flg pol_flg twai_flg
    snd_dtq psnd_dtq ipsnd_dtq tsnd_dtq fsnd_dtq ifsnd_dtq rcv_dtq prcv_dtq trcv_dtq
    snd_mbx rcv_mbx prcv_mbx trcv_mbx get_mpf pget_mpf tget_mpf rel_mpf
    set_tim get_tim isig_tim sta_cyc stp_cyc
    rot_rdq irot_rdq get_tid iget_tid loc_cpu iloc_cpu unl_cpu iunl_cpu dis_dsp ena_dsp sns_ctx sns_loc sns_dsp sns_dpn
""".split()


@pytest.fixture(scope="module", params=MACHINES, ids=["bare", "partition on", "partition off"])
def lines(request: pytest.FixtureRequest, elves: Path) -> list[str]:
    """What the self test says on its console."""
    kind, ceiling = request.param
    board = Board(elves / f"rtos-selftest-{kind}.elf", spumone=ceiling is not None, ceiling=ceiling or 0)
    board.run(30 * 400_000_000, stop=b" failed\r\n")
    return board.output.decode().splitlines()


def items(lines: list[str]) -> list[tuple[str, str, str, str]]:
    return [match.groups() for line in lines if (match := ITEM.fullmatch(line))]  # type: ignore[misc]


def test_every_item_goes_well(lines: list[str]) -> None:
    found = items(lines)
    assert [item for item in found if item[3] != "ok"] == []
    assert lines[-1] == f"selftest: {len(found)} passed, 0 failed"
    unread = [line for line in lines[:-1] if not ITEM.fullmatch(line) and not line.startswith("# ")]
    assert unread == []


def test_every_error_of_every_call_has_an_item(lines: list[str]) -> None:
    tested = {(name, code) for name, code, _, _ in items(lines)}
    wanted = {(call.name, code) for call in calls() for code in ("E_OK", *call.errors)}
    wanted |= {(call.name, "E_CTX") for call in calls() if call.refused}
    assert wanted - tested == set(), "declared in kernel.h, without an item"
    names = {call.name for call in calls()}
    undeclared = {(name, code) for name, code in tested - wanted if name in names}
    assert undeclared == set(), "tested, but not declared in kernel.h"


def test_every_context_a_call_is_refused_in_has_an_item(lines: list[str]) -> None:
    tested = {(name, what) for name, code, what, _ in items(lines) if code == "E_CTX"}
    wanted = {(call.name, where) for call in calls() for where in call.refused}
    assert wanted - tested == set()


def test_every_static_api_has_an_item(lines: list[str]) -> None:
    assert set(configure.APIS) - {name for name, _, _, _ in items(lines)} == set()


def test_kernel_has_the_calls_of_the_standard_profile() -> None:
    assert len(STANDARD) == 70
    declared = {call.name: call.extension for call in calls()}
    assert sorted(name for name, extension in declared.items() if not extension) == sorted(STANDARD)
    assert sorted(name for name, extension in declared.items() if extension) == ["chg_ipm", "get_ipm", "vxget_tim"]


def test_prototype_without_its_comment_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"kernel\.h: wai_sem: no comment"):
        calls("/* Semaphores: semaphore.c */\nER wai_sem(ID semid);\nER pol_sem(ID semid); /* task: E_ID */\n")
