"""A machine of one core in a thread, and a client that speaks gdb's remote protocol to it byte by byte."""

from __future__ import annotations

import re
import socket
import threading
from typing import Any

from bench_core import CODE, DATA, Bench

from cpu_node.gdb import Gdb, listen
from cpu_node.machine import Machine

# Counts in r1, keeps the count at DATA and reads it again; the loop is at LOOP, its call at SUB.
PROGRAM = "mov #0,r1; add #1,r1; mov.l r1,@r8; mov.l @r8,r2; bra .-6; add #1,r3"
LOOP, STORE, LOAD, BRANCH = CODE + 2, CODE + 4, CODE + 6, CODE + 8
END = 40_000  # ticks of a run that ends by itself
LONG = 1 << 40


class Ended(Exception):
    """The test is over."""


class Debugged:
    """``with Debugged(kind) as it``: the machine stands at CODE and waits for ``it.attach()``."""

    def __init__(self, kind: str, until: int = END, source: str = PROGRAM, **state: int) -> None:
        self.bench = Bench(kind)
        self.bench.put(CODE, source)
        self.core = self.bench.core
        self.core.set_state({"r8": DATA, **state})
        self.machine = Machine(self.core, [], self._look)
        self.machine.vcpu = "guest"
        self.until = until
        self.notes: list[str] = []
        self.noted = threading.Event()
        self.error: BaseException | None = None
        self.over = False
        self.clients: list[Client] = []
        self.gdb: Gdb | None = None
        self.thread = threading.Thread(target=self._run)

    def _look(self) -> None:
        if self.over:
            raise Ended
        if self.gdb is not None:
            self.gdb.poll()

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.noted.set()

    def _run(self) -> None:
        try:
            self.machine.go(self.until)
        except BaseException as error:
            self.error = error
        finally:
            assert self.gdb is not None
            self.gdb.close()

    def __enter__(self) -> Debugged:
        listener = listen("127.0.0.1:0")
        self.port = listener.getsockname()[1]
        self.gdb = self.machine.debugger = Gdb(listener, self.machine, self._look, self._note, ["guest.elf"])
        self.thread.start()
        assert self.noted.wait(30), "it does not wait for gdb"
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.thread.join()
        for client in self.clients:
            client.socket.close()
        if not isinstance(self.error, Ended | None):
            raise self.error

    def attach(self) -> Client:
        self.clients.append(Client(self.port))
        return self.clients[-1]

    def end(self) -> dict[str, Any]:
        """Wait for the run's end; its figures."""
        self.thread.join(60)
        assert not self.thread.is_alive(), "the run goes on"
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return self.machine.finish()


def undisturbed(kind: str, until: int = END, source: str = PROGRAM, **state: int) -> dict[str, Any]:
    """Figures of the same run without a debugger."""
    it = Debugged(kind, until, source, **state)
    it.machine.go(until)
    return it.machine.finish()


class Client:
    """Acknowledges what it gets, and checks the checksum."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as gdb does
        self.inbox = b""

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, packet: str | bytes) -> None:
        """A packet, not waiting for its answer."""
        raw = packet.encode("latin-1") if isinstance(packet, str) else packet
        self.raw(b"$%s#%02x" % (raw, sum(raw) & 255))

    def byte(self) -> bytes:
        """The next byte; b"" at the end of the connection."""
        if not self.inbox:
            try:
                self.inbox = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return b""
        first, self.inbox = self.inbox[:1], self.inbox[1:]
        return first

    def packet(self) -> str:
        """The next packet, acknowledged; acknowledgements before it are passed over."""
        while (byte := self.byte()) == b"+":
            pass
        assert byte == b"$", byte
        data = b""
        while (byte := self.byte()) != b"#":
            assert byte, f"the connection ended in {data!r}"
            data += byte
        assert int(self.byte() + self.byte(), 16) == sum(data) & 255
        self.raw(b"+")
        return data.decode("latin-1")

    def ask(self, packet: str | bytes) -> str:
        self.send(packet)
        return self.packet()

    def monitor(self, command: str) -> str:
        """Output of a monitor command."""
        answer, out = self.ask(f"qRcmd,{command.encode().hex()}"), ""
        while answer != "OK":
            assert answer[0] == "O", answer
            out += bytes.fromhex(answer[1:]).decode()
            answer = self.packet()
        return out

    def register(self, number: int) -> int:
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little")

    @property
    def pc(self) -> int:
        return self.register(16)

    def tick(self) -> int:
        match = re.match(r"tick (\d+) ", self.monitor("tick"))
        assert match
        return int(match[1])
