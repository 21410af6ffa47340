"""gdb's remote serial protocol for the machine: one client at a time, one thread a vCPU.

    [nodes.cpu]
    gdb = "127.0.0.1:1234"        then: gdb-multiarch vmlinux -ex 'target remote 127.0.0.1:1234'
    gdb = "unix:/tmp/gdb"         then: gdb-multiarch vmlinux -ex 'target remote /tmp/gdb'

The machine calls ``stand`` at every unit boundary where it comes by, and ``ran`` after every run of the core; while gdb
has stopped it, ``stand`` does not return and virtual time stands still. Nothing here changes a result unless gdb writes
registers or memory. What a client may send is in gdb's manual, appendix "Remote Serial Protocol"; registers have the
numbers of gdb's sh4. How to use it: docs/how-to/debug-with-gdb.md.
"""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from cosim import TICK_HZ, local_socket
from cosim.state import Stop
from cosim.text import safe

PACKET = 0x4000  # characters in one packet at most, of both sides
MEMORY = PACKET // 2 - 16  # bytes of memory in one packet
WAIT = 0.02  # seconds between looks at the launcher while the machine stands
TRAP, INTERRUPT = "05", "02"  # SIGTRAP, SIGINT
BAD, NOWHERE, NOT_HERE = "E01", "E0e", "E10"  # no such thing; no memory there; this vCPU does not run
DUMP = 4096  # bytes that `monitor phys` shows at most
MD, RB = 0x40000000, 0x20000000
PAGE_MASK = {0x00: 0xFFFFFC00, 0x10: 0xFFFFF000, 0x80: 0xFFFF0000, 0x90: 0xFFF00000}  # by PTEL.SZ
WATCH = {"2": ("watch", ("write",)), "3": ("rwatch", ("read",)), "4": ("awatch", ("read", "write"))}

# gdb's sh4, by number; "" is none of the state's own: a bank register, whose place depends on SR.
REGISTERS = (
    *(f"r{k}" for k in range(16)),
    *"pc pr gbr vbr mach macl sr fpul fpscr".split(),
    *(f"fr{k}" for k in range(16)),
    "ssr",
    "spc",
    *[""] * 16,  # r0b0..r7b0, r0b1..r7b1
)
BANK0, BANK1 = 43, 51
# What gdb's sh4 has no number for.
OTHERS = (*"sgr dbr pteh ptel ttb tea mmucr pascr ccr tra expevt intevt".split(), *(f"xf{k}" for k in range(16)))


class GdbError(Exception):
    """An address at which gdb cannot be waited for; the text says what to choose."""


class Killed(Exception):
    """gdb's `kill`."""


class Refused(Exception):
    """A request that is answered with an error, which is the argument."""


def listen(address: str) -> socket.socket:
    """A socket that waits at "127.0.0.1:PORT", port 0 picks a free one, or at "unix:PATH". Raises GdbError."""
    if address.startswith("unix:"):
        try:
            return local_socket.listen(address.removeprefix("unix:"))
        except local_socket.LocalSocketError as error:
            raise GdbError(f"gdb = {address!r}: {error}") from None
    match = re.fullmatch(r"127\.0\.0\.1:(\d{1,5})", address)
    if not match or int(match[1]) > 65535:
        raise GdbError(
            f"gdb = {address!r}: expected unix:PATH or 127.0.0.1:PORT, of this machine only, port 0 to 65535"
        )
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", int(match[1])))
        listener.listen()
    except OSError as error:
        listener.close()
        raise GdbError(f"gdb = {address!r}: {error.strerror}; choose another port, or 0 for a free one") from None
    listener.setblocking(False)
    return listener


class Gdb:
    """A debugger of ``machine``. ``look``: what the node does between slices, ``poll`` of this object included;
    ``note``: tells the person who started the run."""

    def __init__(
        self, listener: socket.socket, machine: Any, look: Callable[[], None], note: Callable[[str], None],
        symbols: list[str],
    ) -> None:  # fmt: skip
        self.listener, self.machine, self.look, self.note = listener, machine, look, note
        self.symbols = symbols  # files with the guests' symbols
        self.names = [name for name, _, _ in machine.vcpu_states()]
        self.running = False  # gdb lets the machine run
        self.step_of: str | None = None  # vCPU of which one unit is to be executed
        self.signal = TRAP
        self.thread = 1  # of which registers and memory are asked; gdb's numbers count from 1
        self.breakpoints: set[int] = set()
        self.watched: dict[tuple[str, int, int], list[tuple[int, int, int]]] = {}  # (type, address, length) -> pieces
        self.hit = ""  # the watchpoint that the last unit touched, as a stop reply has it
        self.left = (-1, -1)  # pc and tick at which gdb let the machine run
        self.changed = False
        self._forget_client()

    # What the machine calls --------------------------------------------------------------------------------

    def stand(self) -> None:
        """Return when gdb lets the machine run, or the run is to end."""
        if not self.running and self.client is None:
            self.note(f"the run waits for gdb: {self._command()}")
        while not self.running and not self.machine.stopping:
            with suppress(OSError):
                select.select(self._sockets(), [self.client] if self.out and self.client else [], [], WAIT)
            self.look()

    def stepping(self) -> bool:
        """Whether the core is to execute one unit only."""
        return self.step_of is not None and self.step_of == self.machine.vcpu

    def ran(self, stop: Stop, vcpu: str) -> None:
        """The core has run, as ``vcpu``, and the machine has done what the stop asks for."""
        if self.hit:
            self._stop(TRAP, self.hit)
        elif stop.reason == "breakpoint" and stop.pc in self.breakpoints and (stop.pc, stop.tick) != self.left:
            self._stop(TRAP)
        elif self.step_of == vcpu == self.machine.vcpu:
            # A unit, or a call or the entry of an interrupt, which take no unit.
            if stop.reason in ("step", "sleep") or self.machine.core.state()["pc"] != stop.pc:
                self._stop(TRAP)

    # The connection ------------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Take what has come. The machine is at a unit boundary. Raises Killed."""
        self._flush()
        ready = select.select(self._sockets(), [], [], 0)[0]
        if self.client in ready:
            self._receive()
        if self.listener in ready:
            self._accept()

    def say(self, text: str) -> None:
        """Show a text to who waits in gdb for the machine to stop."""
        if self.client is not None and self.running:
            self._send(f"O{(safe(text) + chr(10)).encode().hex()}")

    def close(self) -> None:
        """The run is over."""
        if self.client is not None:
            if self.running:
                self._send("W00")
            self.client.close()
        local_socket.close(self.listener)

    def _sockets(self) -> list[socket.socket]:
        return [self.listener] if self.client is None else [self.client, self.listener]

    def _command(self) -> str:
        first, *others = self.symbols or ["FILE"]
        more = "".join(f" -ex 'add-symbol-file {other}'" for other in others)
        place = self.listener.getsockname()
        where = place if isinstance(place, str) else f"127.0.0.1:{place[1]}"
        return f"gdb-multiarch {first}{more} -ex 'target remote {where}'"

    def _forget_client(self) -> None:
        self.client: socket.socket | None = None
        self.inbox, self.out, self.last = bytearray(), bytearray(), b""
        self.acknowledged = True  # packets are, until gdb says they need not be

    def _accept(self) -> None:
        with suppress(OSError):  # gone again
            client, _ = self.listener.accept()
            if self.client is not None:
                client.close()
                self.note("gdb: another client was turned away; one is attached")
                return
            client.setblocking(False)
            if client.family == socket.AF_INET:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.client = client
            self.running, self.step_of, self.signal = False, None, TRAP
            self.thread = self._current()
            self.note(f"gdb is attached at tick {self.machine.core.tick}; the machine stands")

    def _leave(self, why: str) -> None:
        """The client is gone: nothing of it stays, and the run goes on."""
        if self.client is not None:
            self._flush()
        if self.client is not None:
            self.client.close()
        self._forget_client()
        self.breakpoints.clear()
        self.watched.clear()
        self._arm()
        self._resume(None)
        self.note(f"gdb {why} at tick {self.machine.core.tick}; the run goes on")

    def _receive(self) -> None:
        assert self.client is not None
        try:
            data = self.client.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self._leave("has closed its connection")
        self.inbox += data
        while self.client is not None and self.inbox:
            if not self._packet():
                if len(self.inbox) > 2 * PACKET:
                    self._leave(f"sent a packet of more than {2 * PACKET} bytes and was cut off")
                return None
        return None

    def _packet(self) -> bool:
        """Take one thing from the inbox; False while it is not all there."""
        inbox = self.inbox
        if inbox[0] != ord("$"):
            byte = inbox.pop(0)
            if byte == 3 and self.running:
                self._stop(INTERRUPT)
            elif byte == ord("-"):
                self._write(self.last)
            return True
        end = inbox.find(b"#")
        if end < 0 or len(inbox) < end + 3:
            return False
        packet, checksum = bytes(inbox[1:end]), bytes(inbox[end + 1 : end + 3])
        del inbox[: end + 3]
        if self.acknowledged:
            good = checksum.lower() == b"%02x" % (sum(packet) & 255)
            self._write(b"+" if good else b"-")
            if not good:
                return True
        answer = self._answer(packet)
        if answer is not None:
            self._send(answer)
        return True

    def _send(self, text: str) -> None:
        raw = text.encode("latin-1")
        self.last = b"$%s#%02x" % (raw, sum(raw) & 255)
        self._write(self.last)

    def _write(self, raw: bytes) -> None:
        self.out += raw
        self._flush()
        if len(self.out) > 64 * PACKET:
            self.out.clear()
            self._leave("takes no answers and was cut off")

    def _flush(self) -> None:
        """Send what the client takes; one that is gone is found by the next read."""
        if self.out and self.client is not None:
            with suppress(OSError):
                del self.out[: self.client.send(self.out)]

    # Packets -------------------------------------------------------------------------------------------------

    def _answer(self, packet: bytes) -> str | None:
        """The answer to a packet; "" to one that is not known, None where none is due (yet)."""
        text = packet.decode("latin-1")
        try:
            for start, take in self.TAKES:
                if text.startswith(start):
                    return take(self, text[len(start) :])
        except Refused as error:
            return str(error)
        except (ValueError, IndexError):
            return BAD
        return ""

    def _supported(self, _: str) -> str:
        return f"PacketSize={PACKET:x};QStartNoAckMode+;vContSupported+;qXfer:threads:read+;qXfer:features:read+"

    def _no_ack(self, _: str) -> None:
        """The OK is the last that gdb acknowledges."""
        self._send("OK")
        self.acknowledged = False

    def _why(self, _: str) -> str:
        return f"T{self.signal}thread:{self._current():x};"

    def _detach(self, _: str) -> None:
        self._send("OK")
        self._leave("has detached")

    def _kill(self, _: str) -> None:
        raise Killed(f"gdb ended the run (kill) at tick {self.machine.core.tick}")

    # Threads

    def _current(self) -> int:
        """Thread of the vCPU that runs."""
        name = self.machine.vcpu_here()
        return self.names.index(name) + 1 if name in self.names else 1

    def _number(self, text: str) -> int:
        """Thread of a packet; 0 and -1 are any. Raises Refused."""
        number = 0 if text == "-1" else _number(text)
        if number > len(self.names):
            raise Refused(BAD)
        return number or self._current()

    def _choose(self, text: str) -> str:
        number = self._number(text[1:])
        if text[0] == "g":
            self.thread = number
        elif text[0] != "c":  # of gdb's that go on all do: there is one CPU
            raise Refused(BAD)
        return "OK"

    def _alive(self, text: str) -> str:
        self._number(text)
        return "OK"

    def _threads(self, _: str) -> str:
        return "m" + ",".join(f"{k + 1:x}" for k in range(len(self.names)))

    def _about(self, name: str, sleeping: bool) -> str:
        if name == self.machine.vcpu_here():
            where = "" if name == self.machine.vcpu else ", in SPUMONE"
            return f"running{where}, asleep" if sleeping else f"running{where}"
        return "waiting" if sleeping else "ready"

    def _thread_info(self, text: str) -> str:
        name, _, sleeping = self.machine.vcpu_states()[self._number(text) - 1]
        return f"{name}: {self._about(name, sleeping)}".encode().hex()

    def _thread_list(self, text: str) -> str:
        rows = ""
        for k, (name, _, sleeping) in enumerate(self.machine.vcpu_states()):
            plain = re.sub("[^A-Za-z0-9_.-]", "_", name)  # needs no escape in XML nor in a packet
            rows += f'<thread id="{k + 1:x}" name="{plain}">{self._about(name, sleeping)}</thread>'
        return _part(f"<threads>{rows}</threads>", text)

    def _features(self, text: str) -> str:
        """gdb knows the registers of its sh4; which SH this is, it may not know without a file."""
        return _part("<target><architecture>sh4a</architecture></target>", text)

    def _state(self, thread: int) -> dict[str, int]:
        if thread == self._current():
            return dict(self.machine.core.state())
        state: dict[str, int] = self.machine.vcpu_states()[thread - 1][1]
        return state

    # Registers

    def _register(self, number: int, state: dict[str, int]) -> str:
        """Name in the state of gdb's register. Raises Refused."""
        if not 0 <= number < len(REGISTERS):
            raise Refused(BAD)
        if REGISTERS[number]:
            return REGISTERS[number]
        active = BANK1 if state["sr"] & (MD | RB) == MD | RB else BANK0
        return f"r{number - active}" if active <= number < active + 8 else f"r{(number - BANK0) % 8}_bank"

    def _all_registers(self, _: str) -> str:
        state = self._state(self.thread)
        return "".join(_hex(state[self._register(k, state)]) for k in range(len(REGISTERS)))

    def _one_register(self, text: str) -> str:
        state = self._state(self.thread)
        return _hex(state[self._register(_number(text), state)])

    def _set_register(self, text: str) -> str:
        number, _, value = text.partition("=")
        if self.thread != self._current():
            raise Refused(NOT_HERE)
        name = self._register(_number(number), self._state(self.thread))
        raw = bytes.fromhex(value)
        if len(raw) != 4:
            raise Refused(BAD)
        self._change(f"set {name}")
        self.machine.core.set_state({name: int.from_bytes(raw, "little")})
        return "OK"

    def _change(self, what: str) -> None:
        """Said once: from here on it is another run."""
        if not self.changed:
            self.changed = True
            self.machine.report(self.machine.core.tick, f"gdb {what}: from here on no other run is the same as this")

    # Memory

    def _physical(self, address: int, state: dict[str, int]) -> int:
        """Physical address of a virtual one, by the mapping of the running mode; protection bits do not count.
        Raises Refused."""
        address &= 0xFFFFFFFF
        if address >= 0xE0000000:
            raise Refused(NOWHERE)
        if 0x80000000 <= address < 0xC0000000 or not state["mmucr"] & 1:
            return address & 0x1FFFFFFF
        any_asid = state["mmucr"] & 0x100 and state["sr"] & MD
        hits = {
            data & 0x1FFFFFFF & mask | address & ~mask
            for vpn, data in self.machine.core.snapshot()["utlb"]
            if data & 0x100
            and not (vpn ^ address) & (mask := PAGE_MASK[data & 0x90])
            and (any_asid or data & 2 or not (vpn ^ state["pteh"]) & 0xFF)
        }
        if len(hits) != 1:
            raise Refused(NOWHERE)
        return hits.pop()

    def _pieces(self, address: int, length: int) -> Iterator[tuple[int, int, int]]:
        """(address, physical address, length) of what lies in each page. Raises Refused where there is none."""
        state = self._state(self.thread)
        while length > 0:
            n = min(length, 0x400 - address % 0x400)
            yield address, self._physical(address, state), n
            address, length = address + n, length - n

    def _ram(self, paddr: int, length: int) -> bytes:
        try:
            return bytes(self.machine.core.read(paddr, length))
        except ValueError:
            raise Refused(NOWHERE) from None

    def _read_memory(self, text: str) -> str:
        address, length = _numbers(text)
        found = b""
        try:
            for _, paddr, n in self._pieces(address, min(length, MEMORY)):
                found += self._ram(paddr, n)
        except Refused:
            if not found:
                raise
        return found.hex()

    def _write_memory(self, text: str) -> str:
        place, _, data = text.partition(":")
        return self._store(place, bytes.fromhex(data))

    def _write_binary(self, text: str) -> str:
        place, _, data = text.partition(":")
        plain = re.sub(r"\}(.)", lambda match: chr(ord(match[1]) ^ 0x20), data, flags=re.DOTALL)
        return self._store(place, plain.encode("latin-1"))

    def _store(self, place: str, data: bytes) -> str:
        address, length = _numbers(place)
        if len(data) != length:
            raise Refused(BAD)
        pieces = list(self._pieces(address, length))
        for _, paddr, n in pieces:
            self._ram(paddr, n)  # all of it is there, or nothing is written
        if data:
            self._change(f"wrote {length} bytes at 0x{address:08x}")
        for _, paddr, n in pieces:
            self.machine.core.write(paddr, data[:n])
            data = data[n:]
        return "OK"

    # Breakpoints and watchpoints

    def _place(self, text: str) -> tuple[str, int, int]:
        kind, _, place = text.split(";")[0].partition(",")
        address, length = _numbers(place)
        if not 0 < length <= PACKET:
            raise Refused(BAD)
        return kind, address, length

    def _insert(self, text: str) -> str:
        kind, address, length = place = self._place(text)
        if kind in ("0", "1"):
            self.breakpoints.add(address)
        elif kind in WATCH:
            pieces = list(self._pieces(address, length))
            for _, paddr, n in pieces:
                self._ram(paddr, n)  # what a device register would do is not known
            self.watched[place] = pieces
        else:
            return ""
        self._arm()
        return "OK"

    def _remove(self, text: str) -> str:
        kind, address, _ = place = self._place(text)
        if kind in ("0", "1"):
            self.breakpoints.discard(address)
        elif kind in WATCH:
            self.watched.pop(place, None)
        else:
            return ""
        self._arm()
        return "OK"

    def _arm(self) -> None:
        self.machine.watch_for(self.breakpoints, self._accessed if self.watched else None)

    def _accessed(self, kind: str, paddr: int, size: int, value: int) -> None:
        """The core is about to access memory. The unit is executed; then the machine stops."""
        if kind != "fetch" and not self.hit:
            self._compare(kind, paddr, size)

    def _compare(self, kind: str, paddr: int, size: int) -> None:
        for (type_, _, _), pieces in self.watched.items():
            name, kinds = WATCH[type_]
            for address, start, length in pieces:
                if kind in kinds and paddr < start + length and start < paddr + size:
                    self.hit = f"{name}:{address + max(0, paddr - start):x};"
                    self.machine.core.limit(0)
                    return

    # Running

    def _resume(self, step_of: str | None) -> None:
        core = self.machine.core
        self.left = (core.state()["pc"], core.tick)
        self.running, self.step_of, self.hit = True, step_of, ""

    def _stop(self, signal: str, what: str = "") -> None:
        """Stand from here on, and say so."""
        self.running, self.step_of, self.hit, self.signal = False, None, "", signal
        self.thread = self._current()
        self._send(f"T{signal}{what}thread:{self.thread:x};")

    def _go(self, text: str, step: bool) -> None:
        """c, s: with an address to go on from, or without."""
        if text:
            address = _hex(_number(text))
            self.thread = self._current()
            self._set_register(f"10={address}")
        self._resume(self.machine.vcpu if step else None)

    def _continue(self, text: str) -> None:
        self._go(text, False)

    def _step(self, text: str) -> None:
        self._go(text, True)

    def _continue_with(self, text: str) -> None:
        """C: the signal is nobody's here."""
        self._go(_behind_signal(text), False)

    def _step_with(self, text: str) -> None:
        self._go(_behind_signal(text), True)

    def _actions(self, _: str) -> str:
        return "vCont;c;C;s;S"

    def _resume_each(self, text: str) -> None:
        """vCont: one vCPU steps, or all go on. One that does not run is stepped when it does."""
        actions = [action.partition(":") for action in text.split(";")]
        if not all(re.fullmatch("[cs]|[CS][0-9a-fA-F]{2}", action) for action, _, _ in actions):
            raise Refused(BAD)
        for _, colon, thread in actions:
            self._number(thread if colon else "0")
        steps = [self._number(thread or "0") for action, _, thread in actions if action[0] in "sS"]
        self._resume(self.names[steps[0] - 1] if steps else None)

    # monitor

    def _monitor(self, text: str) -> str:
        """qRcmd: the answer comes as output, then OK."""
        words = bytes.fromhex(text).decode(errors="replace").split()
        name, *arguments = words or ["help"]
        show, count = self.MONITOR.get(name, (Gdb._help, -1))
        try:
            shown = show(self, *arguments) if len(arguments) == count else self._help()
        except ValueError as error:
            shown = f"{' '.join(words)}: {error}\n"
        raw = (safe(shown.rstrip(), lines=True) + "\n").encode()
        for k in range(0, len(raw), 2000):
            self._send(f"O{raw[k : k + 2000].hex()}")
        return "OK"

    def _help(self) -> str:
        return (
            "monitor tick            virtual time, and who runs\n"
            "monitor vcpus           each vCPU: where it is, and its share of the CPU so far\n"
            "monitor tlb             valid entries of the UTLB; MMUCR and ASID of the chosen thread\n"
            "monitor registers       registers gdb has no number for, of the chosen thread\n"
            f"monitor phys ADDR LEN   RAM by physical address, at most {DUMP} bytes"
        )

    def _show_tick(self) -> str:
        core, name = self.machine.core, self.names[self._current() - 1]
        asleep = ", asleep" if core.sleeping else ""
        return f"tick {core.tick} ({core.tick / TICK_HZ:.9f} s), {name} runs{asleep}"

    def _show_vcpus(self) -> str:
        shares = self.machine.figures()["vcpus"]
        lines = ["thread  name          pc        sr               ticks  switches  interrupts"]
        for k, (name, state, sleeping) in enumerate(self.machine.vcpu_states()):
            row = shares.get(name, {"ticks": 0, "switches": 0, "interrupts": 0})
            lines.append(
                f"{k + 1:>6}  {name:<12}  {state['pc']:08x}  {state['sr']:08x}  {row['ticks']:>14}  "
                f"{row['switches']:>8}  {row['interrupts']:>10}  {self._about(name, sleeping)}"
            )
        return "\n".join(lines)

    def _show_tlb(self) -> str:
        sizes = {0x00: "1K", 0x10: "4K", 0x80: "64K", 0x90: "1M"}
        access = ("r-/--", "rw/--", "r-/r-", "rw/rw")  # privileged/user
        state = self._state(self.thread)
        lines = [f"mmucr {state['mmucr']:08x}  asid {state['pteh'] & 255:02x}",
                 "entry  virtual   asid  physical  size  priv/user  flags"]  # fmt: skip
        for k, (vpn, data) in enumerate(self.machine.core.snapshot()["utlb"]):
            if data & 0x100:
                mask = PAGE_MASK[data & 0x90]
                flags = [
                    name for bit, name in ((4, "dirty"), (2, "shared"), (8, "cached"), (1, "through")) if data & bit
                ]
                lines.append(
                    f"{k:>5}  {vpn & mask:08x}    {vpn & 255:02x}  {data & 0x1FFFFFFF & mask:08x}  "
                    f"{sizes[data & 0x90]:>4}  {access[data >> 5 & 3]:<9}  {' '.join(flags)}"
                )
        return "\n".join(lines)

    def _show_registers(self) -> str:
        state = self._state(self.thread)
        cells = [f"{name:<6} {state[name]:08x}" for name in OTHERS]
        return "\n".join("   ".join(cells[k : k + 4]) for k in range(0, len(cells), 4))

    def _show_physical(self, address: str, length: str) -> str:
        start, count = int(address, 0), int(length, 0)
        if not 0 < count <= DUMP:
            raise ValueError(f"expected 1 to {DUMP} bytes")
        if not 0 <= start < 1 << 29:
            raise ValueError("expected a physical address, below 0x20000000")
        raw = bytes(self.machine.core.read(start, count))
        rows = []
        for k in range(0, count, 16):
            line = raw[k : k + 16]
            plain = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
            rows.append(f"{start + k:08x}  {line.hex(' '):<47}  {plain}")
        return "\n".join(rows)

    MONITOR: dict[str, tuple[Callable[..., str], int]] = {  # and how many arguments it takes
        "tick": (_show_tick, 0),
        "vcpus": (_show_vcpus, 0),
        "tlb": (_show_tlb, 0),
        "registers": (_show_registers, 0),
        "phys": (_show_physical, 2),
    }
    # By the start of the packet; the first that fits takes the rest of it.
    TAKES: tuple[tuple[str, Callable[..., str | None]], ...] = (
        ("qSupported", _supported),
        ("QStartNoAckMode", _no_ack),
        ("qAttached", lambda self, _: "1"),  # gdb detaches when it is left, it does not kill
        ("qC", lambda self, rest: "" if rest else f"QC{self._current():x}"),
        ("qfThreadInfo", _threads),
        ("qsThreadInfo", lambda self, _: "l"),
        ("qThreadExtraInfo,", _thread_info),
        ("qXfer:threads:read::", _thread_list),
        ("qXfer:features:read:target.xml:", _features),
        ("qRcmd,", _monitor),
        ("vCont?", _actions),
        ("vCont;", _resume_each),
        ("?", _why),
        ("g", _all_registers),
        ("p", _one_register),
        ("P", _set_register),
        ("m", _read_memory),
        ("M", _write_memory),
        ("X", _write_binary),
        ("Z", _insert),
        ("z", _remove),
        ("H", _choose),
        ("T", _alive),
        ("c", _continue),
        ("s", _step),
        ("C", _continue_with),
        ("S", _step_with),
        ("D", _detach),
        ("k", _kill),
    )


def _hex(value: int) -> str:
    """A register as it lies in memory."""
    return value.to_bytes(4, "little").hex()


def _number(text: str) -> int:
    """A number of a packet: hexadecimal digits alone, of 32 bits. Raises Refused."""
    if not re.fullmatch("[0-9a-fA-F]{1,16}", text) or int(text, 16) > 0xFFFFFFFF:
        raise Refused(BAD)
    return int(text, 16)


def _numbers(text: str) -> tuple[int, int]:
    """ "address,length". Raises Refused."""
    first, _, second = text.partition(",")
    return _number(first), _number(second)


def _behind_signal(text: str) -> str:
    """C, S: "sig" or "sig;address"; the address, or "". Raises Refused."""
    found = re.fullmatch("[0-9a-fA-F]{2}(?:;(.+))?", text, re.DOTALL)
    if not found:
        raise Refused(BAD)
    return found[1] or ""


def _part(whole: str, text: str) -> str:
    """What a qXfer asks for: "offset,length" of a text."""
    offset, length = _numbers(text)
    part = whole[offset : offset + length]
    return ("l" if offset + length >= len(whole) else "m") + part
