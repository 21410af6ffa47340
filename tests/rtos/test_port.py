"""What SPUMONE asks of the RTOS: the changed lines, counted, and the layout of the images."""

from __future__ import annotations

import re
from pathlib import Path

from elftools.elf.elffile import ELFFile

GUESTS = Path(__file__).parents[2] / "guests"
PAPER_LINES = 14  # TOPPERS/JSP 1.3, Table 3 of the paper


def changed_lines() -> list[tuple[str, int]]:
    """(file:line, lines) of each #ifdef SPUMONE: the larger side, neither blank nor comment."""
    hunks = []
    for path in sorted((GUESTS / "rtos").rglob("*.[chS]")):
        sides: list[int] | None = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r"#if.*\bSPUMONE\b", line):
                sides, start = [0, 0], number
            elif sides is not None and line.startswith("#else"):
                sides.reverse()
            elif sides is not None and line.startswith("#endif"):
                hunks.append((f"{path.name}:{start}", max(sides)))
                sides = None
            elif sides is not None and line.strip() and not line.strip().startswith(("/*", "*", "!")):
                sides[0] += 1
    return hunks


def test_port_changes_at_most_the_papers_lines() -> None:
    hunks = changed_lines()
    assert 0 < sum(lines for _, lines in hunks) <= PAPER_LINES, hunks
    assert sum(lines for _, lines in hunks) == 5  # the number guests/rtos/README.md gives


def test_call_page_addresses_follow_from_page_and_stride() -> None:
    text = (GUESTS / "include" / "spumone.h").read_text()
    values = {m[1]: int(m[2], 0) for m in re.finditer(r"#define (SPM_\w+) (0x\w+|\d+)\b", text)}
    for entry, name in enumerate(("SPM_SET_VBR", "SPM_IDLE", "SPM_ROUTE", "SPM_QUERY")):
        assert values[name] == values["SPM_PAGE"] + values["SPM_STRIDE"] * entry


def test_images_lie_in_the_rtos_range_and_have_the_named_symbols(elves: Path) -> None:
    files = sorted(path.name for path in elves.glob("*.elf"))
    apps = [
        f"rtos-{app}-{kind}.elf"
        for app in ("demo", "late", "selftest", "bench", "storm")
        for kind in ("bare", "spumone")
    ]
    assert files == sorted([*apps, "hello.elf", "wild.elf"])
    for name in files:
        with (elves / name).open("rb") as file:
            image = ELFFile(file)
            assert image["e_entry"] == 0x8E000000
            assert image.get_section_by_name(".data") is None  # what changes is in .bss: a guest starts again in place
            for segment in image.iter_segments("PT_LOAD"):
                first = segment["p_paddr"] & 0x1FFFFFFF
                assert 0x0E000000 <= first
                assert first + segment["p_memsz"] <= 0x0F000000
            symbols = {s.name: s["st_value"] for s in image.get_section_by_name(".symtab").iter_symbols()}
        assert symbols["_start"] == 0x8E000000
        if "demo" in name or "late" in name:
            assert {"periodic_job", "serial_rx_handler"} <= symbols.keys()


def test_image_holds_no_path_of_the_building_machine(elves: Path) -> None:
    for path in elves.glob("*.elf"):
        data = path.read_bytes()
        for needle in (b"/tmp", b"/work", b"/usr", str(GUESTS).encode()):
            assert needle not in data, (path.name, needle)
