"""Guest images: ELF (by physical address) and raw, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

EM_SH = 42


class ImageError(Exception):
    """An image that cannot be loaded; the text names file, what was expected and what was found."""


@dataclass
class Image:
    """Segments (physical address, bytes), entry point (virtual) and symbols."""

    path: Path
    segments: list[tuple[int, bytes]] = field(default_factory=list)
    entry: int = 0
    symbols: dict[str, int] = field(default_factory=dict)

    def symbol(self, name: str) -> int:
        """Address of a symbol. Raises ImageError."""
        if name not in self.symbols:
            raise ImageError(f"{self.path.name}: no symbol {name!r}; is it the right program, and not stripped?")
        return self.symbols[name]


def load_elf(path: Path) -> Image:
    """Image of a little-endian SuperH executable. Raises ImageError."""
    if not path.exists():
        raise ImageError(f"image {path} is missing: build it with `cosim guests build`, or correct the topology")
    with path.open("rb") as file:
        try:
            elf = ELFFile(file)
            machine, little = elf.header["e_machine"], elf.little_endian
        except ELFError as error:
            raise ImageError(f"image {path} is no ELF file: {error}") from None
        if machine != "EM_SH" or not little:
            raise ImageError(
                f"image {path}: machine {machine}, {'little' if little else 'big'} endian; expected EM_SH, little endian"
            )
        image = Image(path, entry=elf.header["e_entry"])
        for segment in elf.iter_segments("PT_LOAD"):
            if segment["p_memsz"] and segment["p_filesz"]:
                image.segments.append((segment["p_paddr"] & 0x1FFFFFFF, segment.data()))
        table = elf.get_section_by_name(".symtab")
        if isinstance(table, SymbolTableSection):
            image.symbols = {s.name: s["st_value"] for s in table.iter_symbols() if s.name}
    return image


def load_raw(path: Path, address: int, entry: int | None = None) -> Image:
    """Raw bytes at a physical address. Raises ImageError."""
    if not path.exists():
        raise ImageError(f"image {path} is missing: correct the topology")
    return Image(path, [(address, path.read_bytes())], address | 0x80000000 if entry is None else entry)


def check_inside(image: Image, base: int, size: int, guest: str) -> None:
    """Raises ImageError when a segment lies outside the guest's memory partition."""
    for paddr, data in image.segments:
        if paddr < base or paddr + len(data) > base + size:
            raise ImageError(
                f"guest {guest}: {image.path.name} has 0x{len(data):x} bytes at physical 0x{paddr:08x}, outside its "
                f"partition 0x{base:08x}..0x{base + size - 1:08x}"
            )
