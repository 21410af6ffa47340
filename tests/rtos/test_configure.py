"""The static API configurator: its tables, and the texts of its errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIGURE = Path(__file__).parents[2] / "guests" / "rtos" / "configure.py"


def configure(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "app.cfg").write_text(text)
    command = [sys.executable, "-B", str(CONFIGURE), "app.cfg", "."]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_ids_count_from_one_by_kind_in_file_order(tmp_path: Path) -> None:
    text = """#include "a.h"
        CRE_SEM(S1, { TA_TFIFO, 0, 1 }); /* comment */ CRE_SEM(S2, { TA_TFIFO, (1, 2), 3 });
        DEF_TEX(T1, { TA_HLNG, routine });
        CRE_TSK(T1, { TA_HLNG, 0, f, 5, 512, NULL }); // another
        DEF_INH(0x720, { TA_HLNG, handler });
        DEF_EXC(0x160, { TA_HLNG, trap });
        CRE_MBX(M, { TA_TPRI | TA_MPRI, 4, NULL });
        CRE_MPF(P, { TA_TFIFO, 3, 10, NULL });
        INCLUDE("\\"b.h\\"");
        INCLUDE("<c.h>");
        ATT_INI({ TA_HLNG, 7, start });
    """
    done = configure(tmp_path, text)
    assert (done.returncode, done.stderr) == (0, "")
    ids = (tmp_path / "kernel_id.h").read_text()
    assert "#define T1 1\n#define S1 1\n#define S2 2\n#define M 1\n#define P 1\n" in ids
    tables = (tmp_path / "kernel_cfg.c").read_text()
    assert '#include "a.h"\n#include "b.h"\n#include <c.h>\n' in tables
    assert "{TA_TFIFO, (1, 2), 3}," in tables
    assert "const INT sem_count = 2;" in tables
    assert "const INT cyc_count = 0;" in tables
    assert "(char *)(stack_T1), routine}," in tables
    assert "{0x720, handler}," in tables
    assert '#line 6 "app.cfg"\n    {0x160, trap},\n    {0},\n' in tables
    assert "{TA_TPRI | TA_MPRI, 4}," in tables
    assert "static UH next_P[3];" in tables
    assert "{(VP_INT)(7), start}," in tables


@pytest.mark.parametrize(
    ("text", "error"),
    [
        # The form of a call.
        ("\nCRE_TASK(T, { 1 });", "app.cfg:2: unknown static API CRE_TASK; known are CRE_TSK, "),
        ("CRE_SEM(S, { 0, 1 });", "app.cfg:1: CRE_SEM takes { sematr, isemcnt, maxsem }, 3 values"),
        ("CRE_SEM(S, { 0, 1, 1, 1 });", "app.cfg:1: CRE_SEM takes { sematr, isemcnt, maxsem }, 3 values"),
        ("CRE_CYC(C, { 0, 0, f, , 1 });", "app.cfg:1: CRE_CYC takes { cycatr, "),
        ("CRE_SEM(S);", "app.cfg:1: CRE_SEM takes (ID, { ... })"),
        ("CRE_SEM(S, 0, 1, 1);", "app.cfg:1: CRE_SEM takes (ID, { ... })"),
        ("ATT_INI(1, { 0, 0, f });", "app.cfg:1: ATT_INI takes ({ ... })"),
        ("DEF_INH({ 0, f });", "app.cfg:1: DEF_INH takes (inhno, { ... })"),
        ("DEF_TEX({ 0, f });", "app.cfg:1: DEF_TEX takes (tskid, { ... })"),
        ("CRE_FLG(3, { 0, 0 });", "app.cfg:1: CRE_FLG: `3` is not a name for an ID"),
        ('INCLUDE("a.h");', 'app.cfg:1: INCLUDE takes ("\\"file\\"") or ("<file>")'),
        ("#define A 1\n", 'app.cfg:1: `#define A 1`: of # only #include <file> or "file" is known'),
        # Brackets, semicolons, comments.
        ("/* a\nb */ CRE_SEM(S, { 0, 0, 1 })\n", "app.cfg:2: expected `;` after CRE_SEM(...)"),
        ("CRE_SEM(S, { 0, 0, 1 })\nCRE_SEM(R, { 0, 0, 1 });", "app.cfg:1: expected `;` after CRE_SEM(...)"),
        ("\nCRE_SEM(S,\n { 0, (0], 1 });", "app.cfg:3: `]` does not close the `(` of line 3"),
        ("CRE_SEM(S, { 0, 0, 1 );\n", "app.cfg:1: `)` does not close the `{` of line 1"),
        ("CRE_SEM(S, { 0, 0, 1 ;\n", "app.cfg:1: `;` inside CRE_SEM: the `{` of line 1 is open"),
        ("CRE_SEM(S, {\n 0, 0, 1 }", "app.cfg:1: the `(` of line 1 is not closed"),
        ("CRE_SEM S;", "app.cfg:1: expected `(` after CRE_SEM, found `S`"),
        ("CRE_SEM", "app.cfg:1: expected `(` after CRE_SEM, found the end of the file"),
        ("\n);", "app.cfg:2: expected a static API call at `)`"),
        ("\n/* no end", "app.cfg:2: the comment has no end"),
        ('ATT_INI({ 0, "a\n, f });', 'app.cfg:1: the text that " begins does not end in its line'),
        # Attributes.
        (
            "CRE_SEM(S, { TA_TPRI | TA_CLR, 0, 1 });",
            "app.cfg:1: CRE_SEM has no attribute TA_CLR; it has TA_TFIFO, TA_TPRI",
        ),
        ("CRE_CYC(C, { TA_HLNG | TA_PHS, 0, f, 1, 1 });", "app.cfg:1: CRE_CYC has no attribute TA_PHS; it has "),
        ("CRE_FLG(F, { TA_TFIFO | TA_TPRI, 0 });", "app.cfg:1: CRE_FLG: TA_TFIFO and TA_TPRI exclude each other"),
        ("CRE_FLG(F, { TA_WSGL | TA_WMUL, 0 });", "app.cfg:1: CRE_FLG: TA_WSGL and TA_WMUL exclude each other"),
        ("CRE_MBX(M, { TA_MFIFO | TA_MPRI, 1, NULL });", "app.cfg:1: CRE_MBX: TA_MFIFO and TA_MPRI exclude each "),
        ("CRE_DTQ(D, { 2, 1, NULL });", "app.cfg:1: CRE_DTQ: attribute 2 has bits that none of TA_TFIFO, TA_TPRI has"),
        # Plain numbers.
        ("CRE_TSK(T, { 0, 0, f, 17, 512, NULL });", "app.cfg:1: CRE_TSK: itskpri is 17, not TMIN_TPRI to TMAX_TPRI "),
        ("CRE_TSK(T, { 0, 0, f, -1, 512, NULL });", "app.cfg:1: CRE_TSK: itskpri is -1, not TMIN_TPRI "),
        ("CRE_TSK(T, { 0, 0, f, 1, 255, NULL });", "app.cfg:1: CRE_TSK: stksz is 255, not 256 to 0x1000000"),
        ("CRE_SEM(S, { 0, 0, 0 });", "app.cfg:1: CRE_SEM: maxsem is 0, not 1 to TMAX_MAXSEM (65535)"),
        ("CRE_SEM(S, { 0, 3, 2 });", "app.cfg:1: CRE_SEM: isemcnt is 3, above maxsem, 2"),
        ("CRE_DTQ(D, { 0, 65536, NULL });", "app.cfg:1: CRE_DTQ: dtqcnt is 65536, not 0 to 65535"),
        ("CRE_MBX(M, { TA_MPRI, 0, NULL });", "app.cfg:1: CRE_MBX: maxmpri is 0, not TMIN_MPRI to TMAX_MPRI (16)"),
        ("CRE_MBX(M, { TA_MPRI, 4, heads });", "app.cfg:1: CRE_MBX: mprihd is heads, not NULL"),
        ("CRE_MPF(P, { 0, 0, 8, NULL });", "app.cfg:1: CRE_MPF: blkcnt is 0, not 1 to 65534"),
        ("CRE_MPF(P, { 0, 1, 0, NULL });", "app.cfg:1: CRE_MPF: blksz is 0, not 1 to 0x100000"),
        ("CRE_CYC(C, { 0, 0, f, 0, 0 });", "app.cfg:1: CRE_CYC: cyctim is 0, not 1 to TMAX_RELTIM ("),
        ("DEF_INH(0x721, { 0, f });", "app.cfg:1: DEF_INH: inhno is 0x721, no multiple of 0x20"),
        ("DEF_INH(0x1000, { 0, f });", "app.cfg:1: DEF_INH: inhno is 0x1000, not 0x40 to 0xfe0"),
        ("DEF_EXC(0, { 0, f });", "app.cfg:1: DEF_EXC: excno is 0, not 0x40 to 0xfe0"),
        # What is defined twice, or not.
        (
            "CRE_FLG(F, { 0, 0 });\n\nCRE_SEM(F, { 0, 0, 1 });",
            "app.cfg:3: CRE_SEM: F was defined in line 1 already",
        ),
        ("DEF_INH(0x720, { 0, f });\nDEF_INH(1824, { 0, g });", "app.cfg:2: DEF_INH: interrupt 1824 has a handler "),
        ("DEF_INH(A, { 0, f });\nDEF_INH(A, { 0, g });", "app.cfg:2: DEF_INH: interrupt A has a handler from line 1"),
        ("DEF_EXC(0x180, { 0, f });\nDEF_EXC(0x180, { 0, g });", "app.cfg:2: DEF_EXC: exception 0x180 has a handler "),
        ("CRE_SEM(S, { 0, 0, 1 });\nDEF_TEX(S, { 0, f });", "app.cfg:2: DEF_TEX: no CRE_TSK defines S"),
        (
            "CRE_TSK(T, { 0, 0, f, 1, 512, NULL });\nDEF_TEX(T, { 0, f });\nDEF_TEX(T, { 0, f });",
            "app.cfg:3: DEF_TEX: task T has a handler from line 2 already",
        ),
    ],
)  # fmt: skip
def test_mistake_names_file_line_and_form(tmp_path: Path, text: str, error: str) -> None:
    done = configure(tmp_path, text)
    assert done.returncode == 1
    assert done.stderr.startswith(error), done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.cfg"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("CRE_TSK(T, { TA_ACT, 0, (FP)0, TMAX_TPRI + 1, 512, NULL });", '"CRE_TSK: itskpri out of range"'),
        ("CRE_SEM(S, { TA_TPRI + 2, 0, 1 });", '"CRE_SEM: unknown attribute"'),
        ("CRE_SEM(S, { 0, 1 + 1, 1 });", '"CRE_SEM: isemcnt above maxsem"'),
        ("DEF_INH(INTNO_SCIF0_RXI, { 0, (FP)0 }); DEF_INH(0x700 + 0x20, { 0, (FP)0 });", "duplicate case value"),
        ("DEF_INH(INTNO_TMU3, { 0, (FP)0 });", "DEF_INH: TMU3 is the kernel"),
        ("CRE_MPF(P, { 0, 4096 * 4, 1024 * 4, NULL });", '"CRE_MPF: pool above 16 MB"'),
    ],
)
def test_compiler_holds_expressions_to_the_same_rules(tmp_path: Path, cc: str, text: str, error: str) -> None:
    assert configure(tmp_path, "\n\n" + text).returncode == 0
    rtos = CONFIGURE.parent
    includes = [f"-I{path}" for path in (rtos / "include", rtos / "kernel", rtos.parent / "include", tmp_path)]
    command = [cc, "-m4a-nofpu", "-ml", "-fsyntax-only", "-ffreestanding", *includes, "kernel_cfg.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "app.cfg:3:" in done.stderr
    assert error in done.stderr
