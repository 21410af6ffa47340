"""Guest images: what is loaded, and the full text of every refusal. The ELF files are built here, by hand."""

from __future__ import annotations

import os
import random
import re
import struct
from pathlib import Path

import pytest

from cosim.image import LARGEST, Image, ImageError, check_inside, load_elf, load_raw

EM_SH, EM_ARM = 42, 40
START = 0x8C001000
Segment = tuple[int, int, bytes, int]  # virtual, physical, bytes, size in memory
TEXT: Segment = (START, 0x0C001000, b"code", 4)


def elf(segments=(TEXT,), symbols=(("main", START, 1),), machine=EM_SH, order="<", entry=START) -> bytes:
    """A 32-bit executable. Symbols: name, value, section index (0 is undefined)."""
    after_headers = 52 + 32 * len(segments)
    program, body = b"", b""
    for virtual, physical, data, size in segments:
        at = after_headers + len(body)
        program += struct.pack(order + "8I", 1, at, virtual, physical, len(data), size, 5, 4)
        body += data
    strings, table = b"\0", bytes(16)
    for name, value, section in symbols:
        table += struct.pack(order + "3IBBH", len(strings), value, 0, 0x12, 0, section)
        strings += name.encode() + b"\0"
    names = b"\0.symtab\0.strtab\0.shstrtab\0"
    at, sections = after_headers + len(body), struct.pack(order + "10I", *[0] * 10)
    for name, kind, data, link, size in ((1, 2, table, 2, 16), (9, 3, strings, 0, 0), (17, 3, names, 0, 0)):
        sections += struct.pack(order + "10I", name, kind, 0, 0, at, len(data), link, 1, 1, size)
        body += data
        at += len(data)
    head = b"\x7fELF" + bytes([1, 1 if order == "<" else 2, 1]) + bytes(9)
    head += struct.pack(order + "2H5I6H", 2, machine, 1, entry, 52, at, 0, 52, 32, len(segments), 40, 4, 3)
    return head + program + body + sections


@pytest.fixture
def write(tmp_path):
    def to_file(raw: bytes) -> Path:
        path = tmp_path / "guest.elf"
        path.write_bytes(raw)
        return path

    return to_file


def refused(call, *arguments) -> str:
    with pytest.raises(ImageError) as caught:
        call(*arguments)
    return str(caught.value)


# What is loaded ---------------------------------------------------------------------------------------


def test_segments_by_physical_address_with_entry_and_symbols(write):
    data = (0x8C002000, 0x8C002000, b"data", 0x100)
    image = load_elf(write(elf([TEXT, data], [("main", START, 1), ("end", START + 4, 1)])))
    assert image.segments == [(0x0C001000, b"code"), (0x0C002000, b"data")]
    assert image.entry == START
    assert image.symbols == {"main": START, "end": START + 4}
    assert image.extents == [(0x0C001000, 4), (0x0C002000, 0x100)]


def test_bss_alone_is_taken_but_not_loaded(write):
    image = load_elf(write(elf([TEXT, (0x8C004000, 0x0C004000, b"", 0x80)])))
    assert image.segments == [(0x0C001000, b"code")]
    assert image.extents[1] == (0x0C004000, 0x80)


def test_a_program_without_symbols_loads(write):
    assert load_elf(write(elf(symbols=()))).symbols == {}


def test_of_two_symbols_of_one_name_the_last_stays(write):
    assert load_elf(write(elf(symbols=[("tick", 1, 1), ("tick", 2, 1)]))).symbol("tick") == 2


def test_raw_bytes_at_an_address_are_entered_through_p1(write):
    image = load_raw(write(bytes(0x102)), 0x0C000000)
    assert (image.segments, image.entry) == ([(0x0C000000, bytes(0x102))], 0x8C000000)
    assert (image.start(None), image.start(0xAC000100)) == (0x8C000000, 0xAC000100)


# Refusals -----------------------------------------------------------------------------------------------


def test_a_missing_file():
    path = Path("no/such.elf")
    assert refused(load_elf, path) == (
        "image no/such.elf is missing: build it with `cosim guests build`, or correct the topology"
    )
    assert refused(load_raw, path, 0) == "image no/such.elf is missing: correct the topology"


def test_a_folder(tmp_path):
    assert refused(load_elf, tmp_path) == f"image {tmp_path} is a folder; expected a regular file"
    assert refused(load_raw, tmp_path, 0) == f"image {tmp_path} is a folder; expected a regular file"


def test_an_empty_raw_file(write):
    path = write(b"")
    assert refused(load_raw, path, 0) == f"image {path} is empty"


@pytest.mark.parametrize("raw", [b"", b"\x7f", b"#!/bin/sh\necho this is no program\n", bytes(100)])
def test_a_file_that_is_no_elf(write, raw):
    path = write(raw)
    assert refused(load_elf, path) == f"image {path} is no ELF file: Magic number does not match"


def test_another_machine(write):
    path = write(elf(machine=EM_ARM))
    text = f"image {path}: machine EM_ARM, little endian; expected EM_SH, little endian"
    assert refused(load_elf, path) == text


def test_big_endian(write):
    path = write(elf(order=">"))
    assert refused(load_elf, path) == f"image {path}: machine EM_SH, big endian; expected EM_SH, little endian"


def test_an_object_file_has_nothing_to_load(write):
    path = write(elf(segments=()))
    assert refused(load_elf, path) == f"image {path} has nothing to load: is it a linked program?"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (0, "of type ET_NONE, of 32 bits"),
        (1, "an object that is not linked, of 32 bits"),
        (3, "a shared object or position-independent program, of 32 bits"),
        (4, "a core dump, of 32 bits"),
        (77, "of type 77, of 32 bits"),
    ],
)
def test_a_file_that_is_no_executable(write, kind, said):
    raw = bytearray(elf())
    struct.pack_into("<H", raw, 16, kind)
    path = write(bytes(raw))
    assert refused(load_elf, path) == f"image {path} is {said}; expected an executable (ET_EXEC) of 32 bits"


@pytest.mark.parametrize(("physical", "size"), [(0x0C001000, 3), (0x0C001000, 0), (0xE8001000, 4)])
def test_a_segment_that_takes_less_memory_than_it_has_bytes_or_lies_elsewhere(write, physical, size):
    path = write(elf([(START, physical, b"code", size)]))
    assert refused(load_elf, path) == (
        f"image {path}: the segment at physical 0x{physical:08x} has 0x4 bytes in the file, 0x{size:x} in memory; "
        "expected at least as many in memory, below 0xe0000000"
    )


@pytest.mark.parametrize("second", [0x0C001003, 0x0C001000])
def test_segments_that_overlap(write, second):
    path = write(elf([TEXT, (START, second, b"data", 8)]))
    assert refused(load_elf, path) == (
        f"image {path}: the segment at physical 0x0c001000, 0x4 bytes in memory, overlaps the one at 0x{second:08x}; "
        "expected each byte once"
    )


def test_segments_side_by_side(write):
    assert len(load_elf(write(elf([TEXT, (START, 0x0C001004, b"data", 8)]))).segments) == 2


def test_files_that_have_no_end_or_never_begin(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # to open it would wait for a writer
    for path, kind in ((pipe, "a pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "a folder")):
        for call in (load_elf, lambda path: load_raw(path, 0)):
            assert refused(call, path) == f"image {path} is {kind}; expected a regular file"


def test_a_file_larger_than_all_memory(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)  # takes no room
    assert refused(load_elf, path) == f"image {path} has 536,870,913 bytes; expected at most 536,870,912"


def test_a_segment_cut_off(write):
    # The section headers of a stripped program are gone, so only the segment tells that bytes are missing.
    raw = bytearray(elf([(START, 0x0C001000, bytes(1000), 1000)], symbols=()))
    struct.pack_into("<I", raw, 32, 0)  # e_shoff
    struct.pack_into("<HH", raw, 48, 0, 0)  # e_shnum, e_shstrndx
    path = write(bytes(raw[: 84 + 300]))
    assert refused(load_elf, path) == (
        f"image {path}: the segment at physical 0x0c001000 has 300 of 1000 bytes: the file is cut off; build it again"
    )


def test_a_file_cut_off_at_any_byte_is_an_image_error(write):
    raw = elf()
    for length in range(len(raw)):
        path = write(raw[:length])
        text = refused(load_elf, path)
        assert re.fullmatch(
            rf"image {path}( is no ELF file: .+| is damaged: .+; build it again|: .+ cut off; build it again)", text
        )


def test_damaged_bytes_give_an_image_or_an_image_error(write):
    rng, raw = random.Random(7), elf()
    for _ in range(1500):
        damaged = bytearray(raw)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(raw))] = rng.choice([0, 1, 255, rng.randrange(256)])
        try:
            image = load_elf(write(bytes(damaged)))
        except ImageError as error:
            assert str(error).startswith("image ")
        else:
            assert sum(len(data) for _, data in image.segments) <= len(raw)


@pytest.mark.parametrize("symbols", [[("main", START, 1)], [("main", START, 1), ("tick", 0, 0)]])
def test_a_symbol_that_is_missing_or_undefined(write, symbols):
    image = load_elf(write(elf(symbols=symbols)))
    assert image.symbol("main") == START
    assert refused(image.symbol, "tick") == ("guest.elf: no symbol 'tick'; is it the right program, and not stripped?")


PARTITION = (0x0C000000, 0x1000)


@pytest.mark.parametrize("paddr, length", [(0x0C000000, 0x1000), (0x0C000000, 1), (0x0C000FFF, 1)])
def test_a_segment_inside_its_partition(paddr, length):
    check_inside(Image(Path("x/guest.bin"), [(paddr, bytes(length))]), *PARTITION, "rtos")


@pytest.mark.parametrize("paddr, length", [(0x0BFFFFFF, 2), (0x0C000FFF, 2), (0x0D000000, 4)])
def test_a_segment_outside_its_partition(paddr, length):
    image = Image(Path("x/guest.bin"), [(0x0C000000, b"fits"), (paddr, bytes(length))])
    assert refused(check_inside, image, *PARTITION, "rtos") == (
        f"guest rtos: guest.bin has 0x{length:x} bytes at physical 0x{paddr:08x}, outside its partition "
        "0x0c000000..0x0c000fff"
    )


def test_bss_outside_the_partition(write):
    image = load_elf(write(elf([(0x8C000000, 0x0C000000, b"code", 0x2000)])))
    assert refused(check_inside, image, *PARTITION, "rtos") == (
        "guest rtos: guest.elf has 0x2000 bytes at physical 0x0c000000, outside its partition 0x0c000000..0x0c000fff"
    )


@pytest.mark.parametrize(("place", "offset"), [("main", 0), ("main+4", 4), ("main+0x1e", 30), (START, 0), (None, 0)])
def test_a_place_to_start_at(write, place, offset):
    text = (START, 0x0C001000, bytes(32), 32)
    assert load_elf(write(elf([text]))).start(place) == START + offset


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (None, "its entry point 0x8c002000"),
        (0x8C001004, "entry = 0x8c001004"),
        (0x8C001001, "entry = 0x8c001001"),
        (0xEC001000, "entry = 0xec001000"),
        ("main+4", "entry = 'main+4', 0x8c001004"),
    ],
    ids=["its own", "behind the end", "odd", "of the core's registers", "of a symbol"],
)
def test_a_start_outside_what_is_loaded(write, place, said):
    assert refused(load_elf(write(elf(entry=0x8C002000))).start, place) == (
        f"guest.elf: {said} is no place in what is loaded, physical 0x0c001000..0x0c001003: expected an even address "
        "there, below 0xe0000000"
    )


def test_a_start_behind_the_end_of_raw_bytes(write):
    assert "is no place in what is loaded" in refused(load_raw(write(bytes(8)), 0x0C000000).start, 0x8C000008)


def test_the_entry_point_does_not_matter_where_the_topology_names_another(write):
    assert load_elf(write(elf(entry=0))).start("main") == START


@pytest.mark.parametrize(("place", "said"), [("_stext+4", "no symbol '_stext'"), ("main-4", "expected an address")])
def test_a_place_that_is_none(write, place, said):
    with pytest.raises(ImageError, match=said):
        load_elf(write(elf())).start(place)
