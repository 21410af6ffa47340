"""Guest images: ELF (by physical address) and raw, checked before anything is loaded."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

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
            return self.symbol(found[1]) + int(found[2] or "0", 0) & 0xFFFFFFFF
        return self.entry if entry is None else entry


def load_elf(path: Path) -> Image:
    """Image of a little-endian SuperH executable. Raises ImageError."""
    if not path.exists():
        raise ImageError(f"image {path} is missing: build it with `cosim guests build`, or correct the topology")
    file = io.BytesIO(_read(path))
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
    image = Image(path, entry=elf.header["e_entry"])
    for segment in elf.iter_segments("PT_LOAD"):
        paddr, size = segment["p_paddr"] & 0x1FFFFFFF, segment["p_filesz"]
        data = segment.data()
        if len(data) != size:
            raise ImageError(
                f"image {path}: the segment at physical 0x{paddr:08x} has {len(data)} of {size} bytes: the file is "
                "cut off; build it again"
            )
        if data:
            image.segments.append((paddr, data))
        if segment["p_memsz"]:
            image.extents.append((paddr, segment["p_memsz"]))
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
    if not path.exists():
        raise ImageError(f"image {path} is missing: correct the topology")
    data = _read(path)
    if not data:
        raise ImageError(f"image {path} is empty")
    return Image(path, [(address, data)], address | 0x80000000)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"image {path} cannot be read: {error.strerror}") from None


def check_inside(image: Image, base: int, size: int, guest: str) -> None:
    """Raises ImageError when a segment, .bss included, lies outside the guest's memory partition."""
    for paddr, length in [*((paddr, len(data)) for paddr, data in image.segments), *image.extents]:
        if paddr < base or paddr + length > base + size:
            raise ImageError(
                f"guest {guest}: {image.path.name} has 0x{length:x} bytes at physical 0x{paddr:08x}, outside its "
                f"partition 0x{base:08x}..0x{base + size - 1:08x}"
            )
