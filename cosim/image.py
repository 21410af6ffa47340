"""Guest images: ELF (by physical address) and raw, checked before anything is loaded."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from cosim.inputs import InputError, read_file

LARGEST = 1 << 29  # bytes of an image file: all the physical addresses there are
KINDS = {"ET_REL": "an object that is not linked", "ET_DYN": "a shared object or position-independent program",
         "ET_CORE": "a core dump"}  # fmt: skip
PLACE = re.compile(r"([A-Za-z_.$][\w.$]*)(?:\+(0[xX][0-9a-fA-F]+|\d+))?")  # in a program: symbol, offset


class ImageError(Exception):
    """An image that cannot be loaded; the text names file, what was expected and what was found."""


@dataclass
class Image:
    """Segments (physical address, bytes), entry point (virtual), symbols, and the memory taken (address, bytes)."""

    path: Path
    segments: list[tuple[int, bytes]] = field(default_factory=list)
    entry: int = 0
    symbols: dict[str, int] = field(default_factory=dict)
    extents: list[tuple[int, int]] = field(default_factory=list)  # with .bss, which is not loaded

    def symbol(self, name: str) -> int:
        """Address of a symbol. Raises ImageError."""
        if name not in self.symbols:
            raise ImageError(f"{self.path.name}: no symbol {name!r}; is it the right program, and not stripped?")
        return self.symbols[name]

    def start(self, entry: int | str | None) -> int:
        """Where a guest begins: an address, a place such as "_stext+4", or None, the entry point. Raises ImageError."""
        if isinstance(entry, str):
            found = PLACE.fullmatch(entry)
            if not found:
                raise ImageError(f"{self.path.name}: entry = {entry!r}: expected an address, SYMBOL or SYMBOL+OFFSET")
            place, what = self.symbol(found[1]) + int(found[2] or "0", 0) & 0xFFFFFFFF, f"entry = {entry!r}, "
        else:
            place, what = self.entry if entry is None else entry, "its entry point " if entry is None else "entry = "
        physical = place & 0x1FFFFFFF
        if place % 2 or place >= 0xE0000000 or not any(p <= physical < p + len(data) for p, data in self.segments):
            rows = ", ".join(f"0x{p:08x}..0x{p + len(data) - 1:08x}" for p, data in self.segments)
            raise ImageError(
                f"{self.path.name}: {what}0x{place:08x} is no place in what is loaded, physical {rows}: expected an "
                "even address there, below 0xe0000000"
            )
        return place


def load_elf(path: Path) -> Image:
    """Image of a little-endian SuperH executable. Raises ImageError."""
    file = io.BytesIO(_read(path, "build it with `cosim guests build`, or correct the topology"))
    try:
        elf = ELFFile(file)
    except Exception as error:  # ELFError, and what a header cut off gives
        raise ImageError(f"image {path} is no ELF file: {str(error) or type(error).__name__}") from None
    try:
        return _load(path, elf)
    except ImageError:
        raise
    except Exception as error:  # the reader follows the file's offsets and raises what it meets there
        raise ImageError(f"image {path} is damaged: {str(error) or type(error).__name__}; build it again") from None


def _load(path: Path, elf: ELFFile) -> Image:
    machine, order = elf.header["e_machine"], "little" if elf.little_endian else "big"
    if machine != "EM_SH" or order != "little":
        raise ImageError(f"image {path}: machine {machine}, {order} endian; expected EM_SH, little endian")
    if elf.elfclass != 32 or elf.header["e_type"] != "ET_EXEC":
        kind = KINDS.get(elf.header["e_type"], f"of type {elf.header['e_type']}")
        raise ImageError(f"image {path} is {kind}, of {elf.elfclass} bits; expected an executable (ET_EXEC) of 32 bits")
    image = Image(path, entry=elf.header["e_entry"])
    for segment in elf.iter_segments("PT_LOAD"):
        paddr, size = segment["p_paddr"] & 0x1FFFFFFF, segment["p_filesz"]
        data = segment.data()
        if len(data) != size:
            raise ImageError(
                f"image {path}: the segment at physical 0x{paddr:08x} has {len(data)} of {size} bytes: the file is "
                "cut off; build it again"
            )
        if segment["p_memsz"] < size or segment["p_paddr"] >= 0xE0000000:
            raise ImageError(
                f"image {path}: the segment at physical 0x{segment['p_paddr']:08x} has 0x{size:x} bytes in the file, "
                f"0x{segment['p_memsz']:x} in memory; expected at least as many in memory, below 0xe0000000"
            )
        if data:
            image.segments.append((paddr, data))
        if segment["p_memsz"]:
            image.extents.append((paddr, segment["p_memsz"]))
    extents = sorted(image.extents)
    for (first, length), (second, _) in zip(extents, extents[1:], strict=False):
        if first + length > second:
            raise ImageError(
                f"image {path}: the segment at physical 0x{first:08x}, 0x{length:x} bytes in memory, overlaps the one "
                f"at 0x{second:08x}; expected each byte once"
            )
    if not image.segments:
        raise ImageError(f"image {path} has nothing to load: is it a linked program?")
    table = elf.get_section_by_name(".symtab")
    if isinstance(table, SymbolTableSection):
        # Local symbols come first in the table: of two with one name the global one stays.
        defined = (s for s in table.iter_symbols() if s.name and s["st_shndx"] != "SHN_UNDEF")
        image.symbols = {s.name: s["st_value"] for s in defined}
    return image


def load_raw(path: Path, address: int) -> Image:
    """Raw bytes at a physical address, to be entered there in P1. Raises ImageError."""
    data = _read(path, "correct the topology")
    if not data:
        raise ImageError(f"image {path} is empty")
    return Image(path, [(address, data)], address | 0x80000000)


def _read(path: Path, todo: str) -> bytes:
    try:
        return read_file(path, LARGEST)
    except FileNotFoundError:
        raise ImageError(f"image {path} is missing: {todo}") from None
    except InputError as error:
        raise ImageError(f"image {path} {error}") from None


def check_inside(image: Image, base: int, size: int, guest: str) -> None:
    """Raises ImageError when a segment, .bss included, lies outside the guest's memory partition."""
    for paddr, length in [*((paddr, len(data)) for paddr, data in image.segments), *image.extents]:
        if paddr < base or paddr + length > base + size:
            raise ImageError(
                f"guest {guest}: {image.path.name} has 0x{length:x} bytes at physical 0x{paddr:08x}, outside its "
                f"partition 0x{base:08x}..0x{base + size - 1:08x}"
            )
