"""SPUMONE as firmware (guests/spumone): what goes into memory before the core starts in it, and what it tells.

Its paths run on the core; here it is only laid out and heard. The table it reads: hypervisor_node.layout.
"""

from __future__ import annotations

from dataclasses import dataclass

from cosim.image import Image
from cosim.sh7780 import LINE
from hypervisor_node import layout
from hypervisor_node.model import ENTRIES, PAGE, Model, Vcpu

MEMORY = (0x0F000000, 0x01000000)
KEPT_IMAGES = (0x0F100000, 0x0FFF0000)  # images a restart copies from: first address, and the one behind the last
ALIGN = 32  # bytes; the loader copies cache lines
VCPU_SIZE = 512  # guests/spumone/vcpu.h
# What the CPU node watches, and its symbol in the firmware.
LABELS = {"entry": "_start", "reset": "spm_reset", "current": "current", "report": "spm_report", "tell": "spm_tell",
          "routes": "routes", "console": "console", "interrupt": "spm_interrupt", "wake": "spm_woken",
          "forwarded": "spm_forwarded", "entered": "spm_entered",
          "resumed": "spm_resumed", "held": "spm_held", "answered": "spm_answered", "refused": "refused",
          "inside": "inside"}  # fmt: skip
# enum told
REFUSED, INSIDE, UNROUTED, NO_VECTORS, FAULT, CRASH, RESTART, STOP, LOST, MMU_LOST, FPSCR_LOST = range(1, 12)


@dataclass
class Placed:
    """A guest and its image: (physical address, bytes)."""

    vcpu: Vcpu
    rows: list[tuple[int, bytes]]
    segments: layout.Segments = None  # type: ignore[assignment]  # set by keep()


def keep(guests: list[Placed]) -> list[tuple[int, bytes]]:
    """Copies of the guests' images for restarts. A guest is left without whose image does not fit, or not the loader,
    which copies whole cache lines: each piece begins with one and ends, rounded up, in the guest's memory."""
    at, end = KEPT_IMAGES
    copies: list[tuple[int, bytes]] = []
    for guest in guests:
        guest.segments = []
        rounded = [-(-len(data) // ALIGN) * ALIGN for _, data in guest.rows]
        last = sum(guest.vcpu.memory)
        whole = all(p % ALIGN == 0 and p + n <= last for (p, _), n in zip(guest.rows, rounded, strict=True))
        if not whole or at + sum(rounded) > end or len(guest.rows) >= layout.MAX_SEGMENTS:
            continue
        for paddr, data in guest.rows:
            guest.segments.append((paddr, at, len(data)))
            copies.append((at, data))
            at += -(-len(data) // ALIGN) * ALIGN
    return copies


def table(image: Image, guests: list[Placed], model: Model) -> tuple[int, bytes]:
    """Physical address and bytes of the firmware's table. Fills in where each vCPU's list of segments lies."""
    at = image.symbol("spm_table")
    rows = []
    for guest in guests:
        v = guest.vcpu
        flags = layout.FPU * v.fpu | layout.MMU * v.mmu | layout.RESTART * v.restart
        rows.append({"priority": v.priority, "entry": v.entry, "sr": v.sr, "flags": flags, "memory": v.memory[0],
                     "size": v.memory[1], "segments": guest.segments})  # fmt: skip
        v.segments = at + layout.segments_offset(v.index) if guest.segments else 0
    owners = {code: layout.CONSOLE if vcpu is model.console else vcpu.index for code, vcpu in model.owner.items()}
    serial = (model.serial.base, model.serial.level) if model.serial is not None else ()
    return at & 0x1FFFFFFF, layout.table(model.ceiling, rows, owners, *serial)


def labels(image: Image) -> list[tuple[int, str]]:
    """(address, name) of what the CPU node watches."""
    rows = [(image.symbol(symbol), name) for name, symbol in LABELS.items()]
    rows.append((image.symbol("spm_entered_bare"), "entered"))
    return rows + [(PAGE + 16 * n, name) for n, name in enumerate(ENTRIES)]


def code(image: Image) -> list[tuple[int, int]]:
    """Physical addresses (first, last) of SPUMONE's code and of the vCPUs it looks at in a guest's place, in pages."""
    first, last, page = (image.symbol(symbol) & 0x1FFFF000 for symbol in ("_start", "current", "page"))
    return [(first, last | 0xFFF), (page - 0x1000, page | 0xFFF)]  # before the page is what its entries branch to


def pointers(image: Image, guests: list[Placed]) -> list[tuple[int, str]]:
    """(address, guest) of the vCPUs: they end where the one of nobody begins."""
    end = image.symbol("nobody")
    return [(end - VCPU_SIZE * (len(guests) - k), guest.vcpu.name) for k, guest in enumerate(guests)]


def said(names: list[str], words: list[int]) -> str:
    """Text of what the firmware tells: its struct spm_report."""
    what, guest, value, pc = words
    name = f"guest {names[guest]}" if guest < len(names) else "nobody"
    texts = {
        REFUSED: f"{name} called entry {value} of SPUMONE's page, return 0x{pc:08x}: no such function",
        INSIDE: f"{name} jumped inside entry {value} of SPUMONE's page, return 0x{pc:08x}: no such function",
        UNROUTED: f"interrupt {LINE.get(value, '?')} (INTEVT 0x{value:03x}) belongs to no guest: masked",
        NO_VECTORS: f"interrupt {LINE.get(value, '?')} (INTEVT 0x{value:03x}) is {name}'s, which gave no vector base "
        "yet: masked",
        FAULT: f"{name} took exception 0x{value:03x} at pc 0x{pc:08x} and gave no vector base yet",
        CRASH: f"{name} has reset the CPU (EXPEVT 0x{value:03x})",
        RESTART: f"{name} is started again" + (f", asked for at 0x{pc:08x}" if pc else ""),
        MMU_LOST: f"{name} has lost its MMU registers by that reset",
        FPSCR_LOST: f"{name} goes on with FPSCR as after that reset, 0x00040001",
        LOST: f"{name} lost a character of the serial device",
        STOP: f"{name} is stopped" + (f", asked for at 0x{pc:08x}" if pc else ""),
    }
    return texts.get(what, f"SPUMONE tells {words}, which this release does not know")
