"""Topology: the TOML file that says which nodes and guests a run has, checked before anything starts.

Tables: ``[run]``, ``[machine]``, ``[nodes.NAME]`` and ``[guests.NAME]``. A node's keys are those below plus
the ``OPTIONS`` of its component; anything else is refused, with the nearest known key. Ticks are written as a
number of CPU clocks or as text: "10ms", "1.5s", "20us".

Names of nodes, guests, serial ports and consoles are letters, digits, - and _, at most 31, the first a letter or
digit: they become files of a record, sockets and arguments. ``run``, ``machine``, ``control``, ``SPUMONE`` and
``idle`` name no node and no guest. ``image`` is ``guest:NAME/FILE``, a file that ``cosim guests build`` made, or a
path beside the topology. Paths lead where they say: ``host = "file:PATH"``, ``"pty:LINK"`` and ``"unix:PATH"`` write
there, and ``component`` runs code. So read a topology that is not yours before you run it.
"""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from cosim import NEVER, TICK_HZ
from cosim.image import PLACE
from cosim.inputs import InputError, near, read_file, shown, wrong_value
from cosim.names import NAME, RULE, guest_file, wrong_name
from cosim.placement import ROLES, component_class
from cosim.sh7780 import INTEVT, LINE, module_codes
from cosim.shared_line import host_specs

LONGEST = 1 << 20  # bytes of a topology file
UNITS = {"": 1, "s": TICK_HZ, "ms": TICK_HZ // 1000, "us": TICK_HZ // 1_000_000}
SPUMONE = (0x0F000000, 0x01000000)  # its memory, with the call page at the top: base, size
SR_BITS, SR_MD = 0x700083F3, 0x40000000  # that SR has; privileged mode
NODE_KEYS = {"role": "", "placement": "process", "component": ""}


class TopologyError(Exception):
    """A topology that cannot be run; the text says where, what was expected and what was found."""


class Run(msgspec.Struct, forbid_unknown_fields=True):
    """How the nodes are placed and connected; nothing here changes a result."""

    placement: str = "process"  # process | inproc: all components in the CPU node's process
    transport: str = "ipc"  # ipc | tcp, of the data sockets; over tcp with keys, which the run makes
    control: str = ""  # where nodes report: ipc://PATH or tcp://127.0.0.1:PORT; "" makes an address of its own
    leases: bool = True  # registers, masks and SPUMONE's idle decision read locally
    check_leases: bool = False  # each leased read is asked of its node too, and compared: slow
    quantum: str | int = "10ms"  # with somebody at a console the CPU looks for input this often, in virtual time
    # A node hangs when it had the chance to make progress for so many seconds (it ran, slept or was stopped) and made
    # none. Time in which it waited for a CPU or for the disk does not count. 0 is no limit, for a debugger on a node.
    hang_limit: float = 0.75
    # The same of a node that gives signs of life but does not answer a question of the CPU node.
    answer_limit: float = 0.75
    # So many seconds a node may sleep in its start. Its CPU time and its loading from disk do not count. 0 is no limit.
    start_limit: float = 30.0


class Machine(msgspec.Struct, forbid_unknown_fields=True):
    """The board."""

    ram: tuple[int, int] = (0x08000000, 0x08000000)


class Deadline(msgspec.Struct, forbid_unknown_fields=True):
    """A function of a guest that is to start once a period."""

    symbol: str
    period: str | int


class Latency(msgspec.Struct, forbid_unknown_fields=True):
    """Ticks from the rise of a line to the first instruction of a function are to be sampled."""

    line: str
    symbol: str


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    """A text that a guest's console says though all is well. A run tells why at the first line that has it."""

    text: str
    why: str


class Guest(msgspec.Struct, forbid_unknown_fields=True):
    """One guest: its image, its partition, its lines."""

    image: str  # path beside the topology, or guest:NAME/FILE from the cache of built guests
    memory: tuple[int, int]  # physical base and size of its partition
    priority: int = 0  # 0 is the highest
    lines: list[str] = []
    entry: int | str | None = None  # virtual address, or "SYMBOL" or "SYMBOL+OFFSET" of its ELF, which has its own
    sr: int | None = None  # SR it starts with; None: as after reset, MD, RB and BL set, IMASK 15
    load: int | None = None  # physical address of a raw image
    cmdline: str = ""
    cmdline_address: int = 0x08001100  # physical, in its partition
    fpu: bool = True  # its FPU registers are switched; false: it was built without and leaves them alone
    mmu: bool = True  # PTEH PTEL TTB MMUCR and the TLB, likewise
    restart: bool = False  # started again by SPUMONE when it has reset the CPU; false: stopped
    deadlines: list[Deadline] = []
    latency: list[Latency] = []
    expected: list[Expected] = []


class Topology(msgspec.Struct):
    """A checked topology. ``nodes``: name to table with all keys filled in."""

    path: str
    run: Run
    machine: Machine
    nodes: dict[str, dict[str, Any]]
    guests: dict[str, Guest]

    def node_of_role(self, role: str) -> str | None:
        """Name of the node with a role; None where there is none."""
        return next((name for name, node in self.nodes.items() if node["role"] == role), None)

    def processes(self) -> list[str]:
        """Names of the nodes that are processes: all, or in the inproc placement the CPU node."""
        cpu = self.node_of_role("cpu")
        return [name for name in self.nodes if name == cpu or self.run.placement != "inproc"]

    def ports(self) -> dict[str, str]:
        """Serial port name to node name. A node whose port guests share has one for each: its consoles."""
        return {port: name for name in self.nodes for port in self.consoles(name)}

    def consoles(self, name: str) -> list[str]:
        """Serial ports of a node, in the order of their numbers on the wire."""
        node = self.nodes[name]
        return list(node.get("mux") or [node["port"] or name]) if node["role"] == "scif" else []

    def hosts(self) -> dict[str, str]:
        """Serial port name to where its bytes go and come from."""
        hosts: dict[str, str] = {}
        for name, node in self.nodes.items():
            if node["role"] == "scif":
                shared = node.get("mux")
                hosts |= host_specs(node["host"], shared) if shared else {node["port"] or name: node["host"]}
        return hosts

    def stdio(self) -> list[str]:
        """Serial ports that are standard input and output."""
        return [port for port, host in self.hosts().items() if host == "stdio"]


def ticks(value: str | int, where: str = "time", least: int = 0) -> int:
    """Ticks of "2s", "10ms", "20us" or a number, at least ``least``. Raises TopologyError."""
    match = re.fullmatch(r"\s*([0-9]{1,40}(?:\.[0-9]{1,40})?)\s*(s|ms|us|)\s*", str(value))
    if not match:
        raise TopologyError(f"{where} = {value!r}: expected ticks or a time such as 2s, 10ms, 20us")
    number = Decimal(match[1]) * UNITS[match[2]]
    if number >= NEVER:
        raise TopologyError(f"{where} = {value!r}: expected less than 2^62 ticks, which are {NEVER // TICK_HZ:,} s")
    if (found := round(number)) < least:
        raise TopologyError(f"{where} = {value!r}: expected at least {least} tick{'s'[: least != 1]}")
    return found


def load(path: Path, sets: list[str] | None = None) -> Topology:
    """Read and check a topology file; ``sets`` are the --set arguments. Raises TopologyError."""
    return check(read(path, sets), path)


def read(path: Path, sets: list[str] | None = None) -> dict[str, Any]:
    """The tables of a topology file, changed by --set arguments, not checked yet. Raises TopologyError."""
    try:
        raw = tomllib.loads(read_file(path, LONGEST).decode())
    except FileNotFoundError:
        raise TopologyError(f"topology {path} is missing") from None
    except InputError as error:
        raise TopologyError(f"topology {path} {error}") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or a number or nesting beyond all bounds
        raise TopologyError(f"topology {path} is not TOML: {error}") from None
    for text in sets or []:
        _set(raw, text)
    return raw


def check(raw: dict[str, Any], path: Path) -> Topology:
    """The topology of a parsed file. Raises TopologyError."""
    _known(raw, {"run", "machine", "nodes", "guests"}, f"topology {path.name}")
    for table in raw:
        _is_table(raw[table], f"[{table}]")
    run = _struct(raw.get("run", {}), Run, "[run]")
    machine = _struct(raw.get("machine", {}), Machine, "[machine]")
    for kind in ("nodes", "guests"):
        for name in raw.get(kind, {}):
            if wrong := wrong_name(name):
                raise TopologyError(f"[{kind}.{name!r:.80}]: {wrong}")
    nodes = {name: _node(name, table) for name, table in raw.get("nodes", {}).items()}
    guests = {name: _struct(table, Guest, f"[guests.{name}]") for name, table in raw.get("guests", {}).items()}
    topology = Topology(str(path), run, machine, nodes, guests)
    for key, allowed in (("placement", ("process", "inproc")), ("transport", ("ipc", "tcp"))):
        if getattr(run, key) not in allowed:
            raise TopologyError(f"[run] {key} = {getattr(run, key)!r}: expected {' or '.join(allowed)}")
    ticks(run.quantum, "[run] quantum", least=1)
    for key in ("hang_limit", "answer_limit", "start_limit"):
        if getattr(run, key) < 0:
            raise TopologyError(f"[run] {key} = {getattr(run, key)!r}: expected seconds, or 0 for no limit")
    if run.check_leases and not run.leases:
        raise TopologyError("[run] check_leases = true, leases = false: expected leases, which are to be checked")
    _check_nodes(topology)
    _check_guests(topology)
    return topology


def change(raw: dict[str, Any], name: str, text: str, typed: str) -> None:
    """Apply key=VALUE to the table of a name, that of a node or guest, run or machine. VALUE is TOML or else text.
    ``typed``: the option that asks for it. Raises TopologyError."""
    match = re.fullmatch(r"([\w-]+)=(.*)", text, re.DOTALL)
    if not match:
        raise TopologyError(f"{typed}: expected key=VALUE, e.g. core=python")
    key, value = match.groups()
    nodes, guests = raw.setdefault("nodes", {}), raw.setdefault("guests", {})
    _is_table(nodes, "[nodes]")
    _is_table(guests, "[guests]")
    if name in ("run", "machine"):
        table, where = raw.setdefault(name, {}), f"[{name}]"
    elif name in nodes:
        table, where = nodes[name], f"[nodes.{name}]"
    elif name in guests:
        table, where = guests[name], f"[guests.{name}]"
    else:
        known = ["run", "machine", *nodes, *guests]
        raise TopologyError(f"{typed}: no table {name!r}{near(name, known)}; tables are {', '.join(known)}")
    _is_table(table, where)
    try:
        parsed = tomllib.loads(f"v = {value}")
        table[key] = parsed["v"] if len(parsed) == 1 else value
    except (ValueError, RecursionError):
        table[key] = value


def _set(raw: dict[str, Any], text: str) -> None:
    """Apply TABLE.key=VALUE, the argument of --set."""
    if not re.match(r"[\w-]+\.[\w-]+=", text):
        raise TopologyError(f"--set {text}: expected TABLE.key=VALUE, e.g. --set cpu.core=python")
    name, _, rest = text.partition(".")
    change(raw, name, rest, f"--set {text}")


def _node(name: str, table: Any) -> dict[str, Any]:
    where = f"[nodes.{name}]"
    if not isinstance(table, dict) or not isinstance(table.get("role"), str):
        raise TopologyError(f"{where}: expected a table with a role")
    for key in ("placement", "component"):
        if not isinstance(table.get(key, ""), str):
            raise TopologyError(f"{where} {key} = {shown(table[key])}: expected a text")
    defaults = {**NODE_KEYS, **_options(where, table["role"], table.get("component", ""))}
    _known(table, set(defaults), where)
    for key, value in table.items():
        wanted = type(defaults[key])
        if text := wrong_value(value):
            raise TopologyError(f"{where} {key} = {shown(value)}: {text}")
        if type(value) is int and wanted is str and re.fullmatch(r"\d+m?s", defaults[key]):
            table[key] = str(value)  # a time may be written in ticks
        elif type(value) is not wanted:
            raise TopologyError(f"{where} {key} = {shown(value)}: expected {wanted.__name__}, e.g. {defaults[key]!r}")
    node = {**defaults, **table}
    if node["placement"] not in ("process", "external"):
        raise TopologyError(f"{where} placement = {node['placement']!r}: expected process or external")
    return node


def _options(where: str, role: str, component: str) -> dict[str, Any]:
    """Options and defaults of a role; those of somebody's own component come on top. Raises TopologyError."""
    try:
        options: dict[str, Any] = dict(component_class(role).OPTIONS)
    except KeyError as error:
        raise TopologyError(f"{where}: {error.args[0]}") from None
    if not component:
        return options
    which = f"{where} component = {component!r}"
    if not re.fullmatch(r"[\w.]+:\w+", component):
        raise TopologyError(f"{which}: expected MODULE:CLASS, e.g. {ROLES[role]}")
    try:
        kind = component_class(role, component)
    except (Exception, SystemExit) as error:  # whatever somebody's module raises when it is imported
        raise TopologyError(f"{which}: {type(error).__name__}: {error}") from None
    own = getattr(kind, "OPTIONS", None)
    if not isinstance(kind, type) or not isinstance(own, dict):
        raise TopologyError(f"{which}: expected a component, a class with OPTIONS, as cosim.device.Device has them")
    for key, value in own.items():
        wanted = type({**NODE_KEYS, **options}.get(key, value))
        if key in NODE_KEYS or type(value) is not wanted:
            raise TopologyError(
                f"{which}: its option {key!r} is a {type(value).__name__}; "
                f"{'every node' if key in NODE_KEYS else f'role {role}'} has a {wanted.__name__} of that name"
            )
    return options | own


def _check_nodes(topology: Topology) -> None:
    roles = [node["role"] for node in topology.nodes.values()]
    for role, least in (("cpu", 1), ("hypervisor", 0), ("intc", 0)):
        if not least <= roles.count(role) <= 1:
            raise TopologyError(
                f"{topology.path}: {roles.count(role)} nodes of role {role}; expected {least or 'at most 1'}"
            )
    for name, node in topology.nodes.items():
        if node["role"] == "scif" and node.get("mux"):
            _check_shared(topology, name, node)
        elif node["role"] == "scif" and node["port"] and not NAME.fullmatch(node["port"]):
            raise TopologyError(f"[nodes.{name}] port = {node['port']!r:.80}: expected a name of {RULE}")
        elif node["role"] == "hypervisor":
            _check_image(f"[nodes.{name}]", node["image"])
    ports = [port for name in topology.nodes for port in topology.consoles(name)]
    for port in ports:
        if ports.count(port) > 1:
            raise TopologyError(f"{topology.path}: two serial ports have the name {port!r}; give each its own")
    shared = sorted(set(topology.nodes) & set(topology.guests))
    if shared:
        raise TopologyError(f"{topology.path}: {shared[0]!r} names a node and a guest; rename one")


def _check_shared(topology: Topology, name: str, node: dict[str, Any]) -> None:
    """A serial port that guests share."""
    names, where, spumone = node["mux"], f"[nodes.{name}] mux = {node['mux']!r}", topology.node_of_role("hypervisor")
    if not all(isinstance(port, str) and NAME.fullmatch(port) for port in names):
        raise TopologyError(f"{where}: expected names of {RULE}, one for each guest by priority")
    if node["port"]:
        raise TopologyError(f"{where}, port = {node['port']!r}: a port that guests share has the names of mux only")
    serial = topology.nodes[spumone].get("serial", -1) if spumone else -1
    if serial != node["channel"]:
        raise TopologyError(
            f"{where}: guests share the port that is SPUMONE's: expected a node of role hypervisor with serial = "
            f"{node['channel']}, found {f'serial = {serial} in [nodes.{spumone}]' if spumone else 'no such node'}"
        )
    if len(names) != len(topology.guests):
        raise TopologyError(f"{where}: {len(names)} names for {len(topology.guests)} guests; expected one for each")
    try:
        hosts = list(host_specs(node["host"], names).values())
    except ValueError as error:
        raise TopologyError(f"[nodes.{name}] {error}") from None
    if hosts.count("stdio") > 1:
        raise TopologyError(f"[nodes.{name}] host = {node['host']!r}: stdio is one console's; expected it once")


def _check_image(where: str, image: str) -> None:
    try:
        guest_file(image)
    except ValueError as error:
        raise TopologyError(f"{where} image = {image!r:.200}: {error}") from None


def _check_guests(topology: Topology) -> None:
    guests = list(topology.guests.items())
    base, size = topology.machine.ram
    if base % 4096 or size % 4096 or size <= 0 or not 0 <= base <= 0x1C000000 - size:
        raise TopologyError(
            f"[machine] ram = [0x{base:08x}, 0x{size:08x}]: expected whole 4 KB pages below physical 0x1c000000"
        )
    spumone = topology.node_of_role("hypervisor")
    reserved = SPUMONE if spumone else (0, 0)
    serial = topology.nodes[spumone].get("serial", -1) if spumone else -1
    reserved_codes = module_codes(INTEVT[f"RXI{serial}"]) if serial in (0, 1) else ()
    owner: dict[str, str] = {}
    for k, (name, guest) in enumerate(guests):
        where = f"[guests.{name}]"
        _check_image(where, guest.image)
        first, last = guest.memory[0], sum(guest.memory) - 1
        if guest.memory[1] <= 0 or first < base or last >= base + size:
            raise TopologyError(
                f"{where} memory 0x{first:08x}..0x{last:08x} is not inside the RAM "
                f"0x{base:08x}..0x{base + size - 1:08x}"
            )
        if first < sum(reserved) and reserved[0] <= last:
            raise TopologyError(
                f"{where} memory 0x{first:08x}..0x{last:08x} overlaps SPUMONE's, 0x{reserved[0]:08x}.."
                f"0x{sum(reserved) - 1:08x}"
            )
        room = last - guest.cmdline_address
        if guest.cmdline and not (first <= guest.cmdline_address and len(guest.cmdline.encode()) <= room):
            raise TopologyError(
                f"{where} cmdline at 0x{guest.cmdline_address:08x} is not inside its memory "
                f"0x{first:08x}..0x{last:08x}: set cmdline_address"
            )
        for other, there in guests[:k]:
            if first < sum(there.memory) and there.memory[0] <= last:
                raise TopologyError(
                    f"{where} memory 0x{first:08x}..0x{last:08x} overlaps that of guest {other}, "
                    f"0x{there.memory[0]:08x}..0x{sum(there.memory) - 1:08x}"
                )
            if there.priority == guest.priority:
                raise TopologyError(f"{where} priority = {guest.priority}: guest {other} has it; each needs its own")
        for line in guest.lines:
            if line not in INTEVT:
                raise TopologyError(f"{where} lines: no line {line!r}{near(line, list(INTEVT))}")
            if INTEVT[line] in reserved_codes:
                raise TopologyError(
                    f"{where} lines: {line} is of the serial device that is SPUMONE's, [nodes.{spumone}] serial = "
                    f"{serial}: guests reach it by calls, not by its line"
                )
            if line in owner:
                raise TopologyError(f"{where} lines: {line} belongs to guest {owner[line]}; a line has one owner")
            owner[line] = name
            for code in module_codes(INTEVT[line]):
                if owner.get(LINE[code], name) != name:
                    raise TopologyError(
                        f"{where} lines: {line} has the mask bit of {LINE[code]}, which belongs to guest "
                        f"{owner[LINE[code]]}; lines of one mask bit have one owner"
                    )
        if guest.sr is not None and (guest.sr & ~SR_BITS or not guest.sr & SR_MD):
            raise TopologyError(
                f"{where} sr = {guest.sr:#010x}: expected bits of 0x{SR_BITS:08x} only, and MD, 0x{SR_MD:08x}, set: a "
                "guest starts privileged"
            )
        if isinstance(guest.entry, int) and not 0 <= guest.entry <= 0xFFFFFFFF:
            raise TopologyError(f"{where} entry = {guest.entry:#x}: expected an address of 32 bits")
        if isinstance(guest.entry, str) and not PLACE.fullmatch(guest.entry):
            raise TopologyError(
                f"{where} entry = {guest.entry!r}: expected an address, SYMBOL or SYMBOL+OFFSET, e.g. _stext+4"
            )
        for row in guest.latency:
            if row.line not in guest.lines:
                raise TopologyError(f"{where} latency: line {row.line!r} is not one of this guest's lines")
        for deadline in guest.deadlines:
            ticks(deadline.period, f"{where} deadline {deadline.symbol} period", least=1)
    if spumone is None and len(guests) > 1:
        raise TopologyError(f"{topology.path}: {len(guests)} guests, but no node of role hypervisor to run them")
    if not guests:
        raise TopologyError(f"{topology.path}: no guest; add a table [guests.NAME] with an image")


def _struct(table: Any, kind: Any, where: str) -> Any:
    _is_table(table, where)
    _known(table, set(kind.__struct_fields__), where)
    for key, value in table.items():
        if text := wrong_value(value):
            raise TopologyError(f"{where} {key} = {shown(value)}: {text}")
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise TopologyError(f"{where}: {error}") from None


def _is_table(table: Any, where: str) -> None:
    if not isinstance(table, dict):
        raise TopologyError(f"{where}: expected a table, found {shown(table)}")


def _known(table: dict[str, Any], keys: set[str], where: str) -> None:
    for key in table:
        if key not in keys:
            raise TopologyError(
                f"{where}: unknown key {key!r}{near(key, sorted(keys))}; keys are {', '.join(sorted(keys))}"
            )
