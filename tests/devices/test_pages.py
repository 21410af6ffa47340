"""The committed register pages are the ones the tables give."""

from __future__ import annotations

from pathlib import Path

from device_nodes.pages import FOLDER, main, pages

HERE = Path(__file__).parents[2] / FOLDER


def test_the_committed_pages_are_current():
    assert {path.name: path.read_text() for path in HERE.glob("*.md")} == pages(), (
        "run `python -m device_nodes.pages` and commit docs/reference/registers"
    )


def test_pages_are_written_and_name_every_register(tmp_path):
    main(str(tmp_path))
    scif = (tmp_path / "scif1.md").read_text()
    assert "| FSR | 0xffe10010 | 2 | 0x0060 | 0x0000 |" in scif
    assert "Lines: ERI1, RXI1, BRI1, TXI1. Answers for 0xffe10000-0xffe100ff." in scif
    assert {path.name for path in tmp_path.iterdir()} == pages().keys()
