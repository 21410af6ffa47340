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
        CRE_TSK(T1, { TA_HLNG, 0, f, 5, 512, NULL }); // another
        DEF_INH(0x720, { TA_HLNG, handler });
        ATT_INI({ TA_HLNG, 7, start });
    """
    assert configure(tmp_path, text).returncode == 0
    ids = (tmp_path / "kernel_id.h").read_text()
    assert "#define T1 1\n#define S1 1\n#define S2 2\n" in ids
    tables = (tmp_path / "kernel_cfg.c").read_text()
    assert '#include "a.h"' in tables
    assert "{TA_TFIFO, (1, 2), 3}," in tables
    assert "const INT sem_count = 2;" in tables
    assert "const INT cyc_count = 0;" in tables
    assert "{0x720, handler}," in tables
    assert "{(VP_INT)(7), start}," in tables


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("\nCRE_TASK(T, { 1 });", "app.cfg:2: unknown static API CRE_TASK; known are CRE_TSK, "),
        ("CRE_SEM(S, { 0, 1 });", "app.cfg:1: CRE_SEM takes { sematr, isemcnt, maxsem }, 3 values"),
        ("CRE_SEM(S);", "app.cfg:1: CRE_SEM takes (ID, { ... })"),
        ("ATT_INI(1, { 0, 0, f });", "app.cfg:1: ATT_INI takes ({ ... })"),
        ("DEF_INH({ 0, f });", "app.cfg:1: DEF_INH takes (inhno, { ... })"),
        ("CRE_FLG(3, { 0, 0 });", "app.cfg:1: CRE_FLG: `3` is not a name for an ID"),
        (
            "CRE_FLG(F, { 0, 0 });\n\nCRE_SEM(F, { 0, 0, 1 });",
            "app.cfg:3: F was defined in line 1 already",
        ),
        (
            "/* a\nb */ CRE_SEM(S, { 0, 0, 1 })\n",
            "app.cfg:2: expected a static API call ending with `);` at `CRE_SEM(S,`",
        ),
        ("CRE_CYC(C, { 0, 0, f, , 1 });", "app.cfg:1: CRE_CYC takes { cycatr, "),
    ],
)
def test_mistake_names_file_line_and_form(tmp_path: Path, text: str, error: str) -> None:
    done = configure(tmp_path, text)
    assert done.returncode == 1
    assert done.stderr.startswith(error)
    assert not (tmp_path / "kernel_cfg.c").exists()
