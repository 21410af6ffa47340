"""RAM, bus, leases and store queues of the Python core. A mixin of Core.

Loads and stores of RAM go by remembered pages; whatever else happens in an access ends the running block
(`cut`), so that a changed horizon, line or mapping counts before the next unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cpu_node.python_core.exceptions import Fault

SIZE_MASK = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFFFFFF}
NEVER = 1 << 62


class Lease:
    """What an address will read, by segments (from_tick, value, step_ticks, step), and what was read."""

    def __init__(self, paddr: int, size: int, expires: int, segments: list[Any]) -> None:
        self.paddr, self.size, self.expires = paddr, size, expires
        self.segments = [(start, value, step_ticks, step) for start, value, step_ticks, step in segments]
        self.seen = self.last = self.count = 0

    def at(self, t: int) -> tuple[int, int] | None:
        """(value, tick until which it is constant), None outside the lease."""
        if not self.segments or not self.segments[0][0] <= t < self.expires:
            return None
        k = max(j for j, s in enumerate(self.segments) if s[0] <= t)
        start, value, step_ticks, step = self.segments[k]
        end = self.segments[k + 1][0] if k + 1 < len(self.segments) else self.expires
        if step_ticks:
            value, end = value + step * ((t - start) // step_ticks), t
        value &= SIZE_MASK[self.size]
        self.seen, self.last, self.count = self.seen | value, t, self.count + 1
        return value, end


CORE_END = 0xFF100000  # registers from here on are devices', which the bus watches
CACHE_MODE = 0x107  # of CCR: ICE CB WT OCE
TRESPASSES = 256  # rows that are kept until they are taken


class Memory:
    """Accesses. Addresses are 32-bit, sizes 1, 2 or 4 bytes, values unsigned."""

    def in_ram(self: Any, p: int) -> bool:
        """Whether a physical address is RAM."""
        return bool(self.ram_base <= p < self.ram_base + self.ram_size)

    def is_own(self: Any, kind: str, p: int) -> bool:
        """Whether the running guest may touch RAM at p. SPUMONE's code it may run and read."""
        own = self.own
        return own is None or own[0] <= p <= own[1] or (kind != "write" and self.is_trusted(p))

    def own_page(self: Any, kind: str, p: int) -> bool:
        """Whether the whole 4 KB page of p is RAM of its own: only then may it be remembered."""
        return self.in_ram(p) and self.is_own(kind, p & ~0xFFF) and self.is_own(kind, p | 0xFFF)

    def is_trusted(self: Any, p: int) -> bool:
        """Whether SPUMONE's code lies there."""
        return any(first <= p <= last for first, last in self.trusted)

    def by_trusted(self: Any, pc: int) -> bool:
        """Whether code of SPUMONE's runs there, in a guest's place."""
        return bool(0x80000000 <= pc < 0xC0000000 and self.is_trusted(pc & 0x1FFFFFFF))

    def core_trespass(self: Any, address: int, value: int) -> bool:
        """A write of a register in the core that is not the running guest's; whether it is to be refused. Of CCR, only
        a change of how the caches work counts: each guest may clear them."""
        if address >= CORE_END or not any(first <= address <= last for first, last in self.barred):
            return False
        if address == 0xFF00001C and not (value ^ self.ccr) & CACHE_MODE:
            return False
        return bool(self.trespass("write", value, address))

    def set_vbr(self: Any, value: int) -> None:
        """LDC to VBR. A guest that does so takes the interrupts away from SPUMONE: the run stops after this unit."""
        self.vbr = value
        if self.guards_vbr and not self.by_trusted(self.unit_pc):
            self.detail = f"sets VBR to 0x{value:08x} at pc 0x{self.unit_pc:08x}"
            self.cut()
            self.stopped = "vbr"

    def trespass(self: Any, kind: str, v: int, p: int) -> bool:
        """Note an access to RAM outside the partition; for a fetch v is its PC. Whether it is to be refused."""
        pc = v if kind == "fetch" else self.unit_pc
        if kind != "fetch" and self.by_trusted(pc):
            return False
        self.effects += 1  # no iteration is skipped: each counts
        key = (pc, kind, p >> 12)
        row = self.trespasses.get(key)
        if row is None:
            if len(self.trespasses) == TRESPASSES:
                self.trespasses_more += 1
                return bool(self.refuse)
            row = self.trespasses[key] = [self.unit_tick, v, p, 0]
        row[3] += 1
        return bool(self.refuse)

    def accessors(self: Any) -> tuple[Callable[..., Any], ...]:
        """ld1 ld2 ld4 st1 st2 st4: the fast accesses, bound to this core's RAM."""
        reads, writes, code, slow, out = self.reads, self.writes, self.code_lines, self.load, self.store
        ram1, ram2, ram4 = self.ram, memoryview(self.ram).cast("H"), memoryview(self.ram).cast("I")
        drop = self.drop_code

        def ld1(v: int) -> int:
            page = reads.get(v >> 12)
            return slow(v, 1) if page is None else ram1[page + (v & 0xFFF)]

        def ld2(v: int) -> int:
            page = reads.get(v >> 12)
            return slow(v, 2) if page is None or v & 1 else ram2[page + (v & 0xFFF) >> 1]

        def ld4(v: int) -> int:
            page = reads.get(v >> 12)
            return slow(v, 4) if page is None or v & 3 else ram4[page + (v & 0xFFF) >> 2]

        def st1(v: int, x: int) -> None:
            page = writes.get(v >> 12)
            if page is None:
                return out(v, 1, x)
            offset = page + (v & 0xFFF)
            ram1[offset] = x & 0xFF
            if code[offset >> 5]:
                drop(offset, 1)

        def st2(v: int, x: int) -> None:
            page = writes.get(v >> 12)
            if page is None or v & 1:
                return out(v, 2, x)
            offset = page + (v & 0xFFF)
            ram2[offset >> 1] = x & 0xFFFF
            if code[offset >> 5]:
                drop(offset, 2)

        def st4(v: int, x: int) -> None:
            page = writes.get(v >> 12)
            if page is None or v & 3:
                return out(v, 4, x)
            offset = page + (v & 0xFFF)
            ram4[offset >> 2] = x
            if code[offset >> 5]:
                drop(offset, 4)

        return ld1, ld2, ld4, st1, st2, st4

    def load(self: Any, v: int, size: int) -> int:
        """A read by way of translation. Raises Fault."""
        if v & size - 1:
            self.address_error(v, "read")
        p, control = self.translate(v, "read")
        if self.hook is not None and (got := self.ask_hook("read", p, size, 0)) is not None:
            return int(got) & SIZE_MASK[size]
        if control and (own := self.p4_read(p)) is not None:
            if self.model is not None:
                self.model.beyond("register", p)
            return own & SIZE_MASK[size]
        if not control and self.in_ram(p):
            if self.model is not None:
                self.model.load(v, p)
            if not self.is_own("read", p) and self.trespass("read", v, p):
                return 0
            offset = p - self.ram_base
            return int.from_bytes(self.ram[offset : offset + size], "little")
        return self.bus_read(p, size)

    def store(self: Any, v: int, size: int, x: int) -> None:
        """A write by way of translation. Raises Fault."""
        if v & size - 1:
            self.address_error(v, "write")
        p, control = self.translate(v, "write")
        x &= SIZE_MASK[size]
        if self.hook is not None and self.ask_hook("write", p, size, x) is not None:
            return
        if control:
            self.cut()
            if (self.barred and self.core_trespass(p, x)) or self.p4_write(p, x):
                self.effects += 1
                if self.model is not None:
                    self.model.beyond("register", p)
                return
        elif self.in_ram(p):
            if self.model is not None:
                self.model.store(v, p)
            if not self.is_own("write", p) and self.trespass("write", v, p):
                return
            self._write_ram(p - self.ram_base, x.to_bytes(size, "little"))
            return
        self.bus_write(p, size, x)

    def ask_hook(self: Any, kind: str, p: int, size: int, x: int) -> int | None:
        """What the test hook serves, None: nothing. It sees each access: no iteration is skipped."""
        self.cut()
        self.effects += 1
        got = self.hook(kind, p, size, x)
        return None if got is None else int(got)

    def _write_ram(self: Any, offset: int, data: bytes) -> None:
        self.effects += 1
        self.ram[offset : offset + len(data)] = data
        if data and any(self.code_lines[offset >> 5 : (offset + len(data) - 1 >> 5) + 1]):
            self.drop_code(offset, len(data))

    def fetch(self: Any, v: int) -> tuple[int, int | None]:
        """An instruction word and its RAM offset, None where it cannot be kept decoded. Raises Fault."""
        if v & 1:
            self.address_error(v, "fetch")
        p, _ = self.translate(v, "fetch")
        if self.hook is not None and (got := self.ask_hook("fetch", p, 2, 0)) is not None:
            return int(got) & 0xFFFF, None
        if self.in_ram(p):
            if self.model is not None:
                self.model.fetch(v, p)
            offset, own = p - self.ram_base, self.is_own("fetch", p)
            if not own:
                self.trespass("fetch", v, p)
            word = self.ram[offset] | self.ram[offset + 1] << 8
            return word, offset if own and self.hook is None else None
        if self.model is not None:
            self.model.fetched = (0, 0)
        return self.bus_read(p, 2), None

    def bus_read(self: Any, p: int, size: int) -> int:
        """A read outside RAM: leased, or of the bus."""
        self.cut()
        if self.model is not None:
            self.model.beyond("mmio_read")
        t = self.unit_tick
        for lease in self.leases:
            if any(first <= p <= last for first, last in self.barred):
                break
            if lease.paddr == p and lease.size == size and (got := lease.at(t)) is not None:
                self.leased_reads += 1
                self.loop_limit = min(self.loop_limit, got[1])
                return int(got[0])
        self.effects += 1
        if self.bus is None:
            return 0
        return int(self.bus.read(t, p, size)) & SIZE_MASK[size]

    def bus_write(self: Any, p: int, size: int, x: int) -> None:
        """A write outside RAM."""
        self.cut()
        if self.model is not None:
            self.model.beyond("mmio_write")
        self.effects += 1
        if self.bus is not None:
            self.bus.write(self.unit_tick, p, size, x)

    def flush_store_queue(self: Any, v: int) -> None:
        """PREF of a store queue address: 32 bytes to RAM or to the bus."""
        self.cut()
        stall = 0 if self.model is None else self.model.stall
        queue, v = v >> 5 & 1, v & ~31
        if self.mmucr & 1:
            p, _ = self._utlb(v, "write")
            if p >= 0x1C000000:
                p |= 0xE0000000
        else:
            p = v & 0x03FFFFE0 | ((self.qacr1 if queue else self.qacr0) & 0x1C) << 24
        words = self.store_queues[queue]
        if self.hook is not None:
            for k, word in enumerate(words):
                if self.ask_hook("write", p + 4 * k, 4, word) is not None:
                    continue
                if self.in_ram(p):
                    if not self.is_own("write", p) and self.trespass("write", v + 4 * k, p + 4 * k):
                        continue
                    self._write_ram(p + 4 * k - self.ram_base, word.to_bytes(4, "little"))
                else:
                    self.bus_write(p + 4 * k, 4, word)
        elif self.in_ram(p):
            if self.is_own("write", p) or not self.trespass("write", v, p):
                self._write_ram(p - self.ram_base, b"".join(w.to_bytes(4, "little") for w in words))
        else:
            for k, word in enumerate(words):
                self.bus_write(p + 4 * k, 4, word)
        self.effects += 1
        if self.model is not None:
            self.model.queue_written(stall)

    # The running guest's part ---------------------------------------------------------------------------

    def set_partition(self: Any, own: Any, barred: Any = (), no_fpu: bool = False) -> None:
        """What the running guest may touch: RAM ``own`` = (first, last), None all of it. Leases of registers in the
        ranges ``barred`` do not serve it, and its writes of those in the core are noted; with ``no_fpu`` also each
        instruction of the FPU."""
        now = None if own is None else (own[0], own[1])
        self.barred = [(first, last) for first, last in barred]
        self.effects += 1
        if (now, no_fpu) != (self.own, self.no_fpu):
            self.own, self.no_fpu = now, no_fpu
            self.flush_translations()

    def set_trusted(self: Any, ranges: Any) -> None:
        """Physical ranges of code that may touch everything and, from now on alone, set VBR."""
        self.guards_vbr = True
        self.trusted = [(first, last) for first, last in ranges]
        self.flush_translations()

    def take_trespasses(self: Any) -> tuple[list[tuple[int, str, int, int, int, int]], int]:
        """((tick, kind, pc, vaddr, paddr, count) of accesses outside the partition since the last call, more)."""
        rows = [(tick, kind, pc, v, p, count) for (pc, kind, _), (tick, v, p, count) in self.trespasses.items()]
        more, self.trespasses_more = self.trespasses_more, 0
        self.trespasses = {}
        return rows, more

    # Leases -------------------------------------------------------------------------------------------

    def add_leases(self: Any, rows: Any) -> None:
        """Add (paddr, size, expires, segments) rows."""
        self.leases += [Lease(*row) for row in rows]
        self.effects += 1

    def set_leases(self: Any, rows: Any) -> None:
        """Replace the table."""
        self.drop_leases(0, 0xFFFFFFFF)
        self.add_leases(rows)

    def drop_leases(self: Any, first: int, last: int) -> None:
        """Drop leases on first..last; what they served stays for take_lease_reads."""
        dropped = [x for x in self.leases if first <= x.paddr <= last]
        self.leases = [x for x in self.leases if not first <= x.paddr <= last]
        if dropped:
            self.effects += 1  # what loops read may differ now
        self.served += [(x.paddr, x.seen, x.last, x.count) for x in dropped if x.count]

    def take_lease_reads(self: Any) -> list[tuple[int, int, int, int]]:
        """(paddr, OR of values, last tick, count) of reads served since the last call."""
        served, self.served = self.served, []
        for x in self.leases:
            if x.count:
                served.append((x.paddr, x.seen, x.last, x.count))
                x.seen = x.count = 0
        return list(served)


__all__ = ["NEVER", "Fault", "Lease", "Memory"]
