"""``cosim run``: images, the end of a run, its JSON object, its record, its consoles."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
from pathlib import Path

import pytest
from commands import EXAMPLES, PROMPT, Running, run

SPUMONE, RTOS = EXAMPLES / "spumone.toml", EXAMPLES / "rtos.toml"
GRID = 4_000_000
HYPERVISOR = '[nodes.spumone]\nrole = "hypervisor"\n'
RUN_KEYS = {"schema", "ok", "exit", "ticks", "sim_s", "wall_s", "instructions", "round_trips", "posted_writes",
            "leased_reads", "digest", "nodes", "vcpus", "deadlines", "ports"}  # fmt: skip
NODE_KEYS = {"name", "role", "impl", "pid", "cpu_s", "rss_bytes", "messages"}
VCPU_KEYS = {"name", "priority", "ticks", "switches", "interrupts"}
DEADLINE_KEYS = {"guest", "symbol", "period_ticks", "activations", "misses", "max_late"}


class TestImages:
    @pytest.fixture
    def image(self, rtos, tmp_path, topology):
        """A copy of hello.elf to change, named by the topology."""
        topology.replace("guest:rtos/hello.elf", "image.elf")
        data = bytearray((rtos / "hello.elf").read_bytes())

        def write(**patches: bytes) -> Path:
            for where, patch in patches.items():
                at = int(where.removeprefix("at"))
                data[at : at + len(patch)] = patch
            (tmp_path / "image.elf").write_bytes(data)
            return tmp_path / "image.elf"

        return write

    @pytest.mark.parametrize("hypervisor", ["", HYPERVISOR], ids=["alone", "spumone"])
    class TestRefused:
        def check(self, outcome, expected):
            assert outcome.code == 2
            text = outcome.last.removeprefix("cosim: ").removeprefix("spumone: ")
            assert text.split("; virtual time")[0] == expected

        def test_of_another_machine(self, cosim, topology, image, hypervisor):
            path = image(at18=b"\x28\x00")
            topology.add(hypervisor)
            self.check(cosim("run", topology.path),
                       f"image {path}: machine EM_ARM, little endian; expected EM_SH, little endian")  # fmt: skip

        def test_big_endian(self, cosim, topology, image, hypervisor):
            path = image(at5=b"\x02", at18=b"\x00\x2a")
            topology.add(hypervisor)
            self.check(cosim("run", topology.path),
                       f"image {path}: machine EM_SH, big endian; expected EM_SH, little endian")  # fmt: skip

        def test_no_elf(self, cosim, topology, image, hypervisor):
            path = image(at0=b"PK\x03\x04")
            topology.add(hypervisor)
            self.check(cosim("run", topology.path), f"image {path} is no ELF file: Magic number does not match")

        def test_outside_its_partition(self, cosim, topology, image, hypervisor):
            image()
            topology.replace("[0x0e000000, 0x01000000]", "[0x0d000000, 0x01000000]").add(hypervisor)
            text = cosim("run", topology.path).last
            assert re.search(r"guest rtos: image.elf has 0x[0-9a-f]+ bytes at physical 0x0e0[0-9a-f]{5}, outside its "
                             r"partition 0x0d000000\.\.0x0dffffff", text)  # fmt: skip

        def test_without_the_symbol_of_a_deadline(self, cosim, topology, image, hypervisor):
            image()
            topology.add('deadlines = [{ symbol = "periodic", period = "1ms" }]\n' + hypervisor)
            expected = "[guests.rtos]: image.elf: no symbol 'periodic'; is it the right program, and not stripped?"
            self.check(cosim("run", topology.path), expected)

    def test_hello(self, cosim, topology, rtos):
        outcome = cosim("run", topology.path, "--until-line", "rtos:running")
        assert outcome.code == 0, outcome
        assert outcome.out == "rtos| hello: SH-4A is running\n"
        assert outcome.last.startswith("cosim: line seen at 0.010000 s (tick 4000000), wall ")

    def test_a_raw_image(self, cosim, topology, rtos, tmp_path):
        # mov #1,r0; 1: bra 1b; nop
        (tmp_path / "loop.bin").write_bytes(bytes.fromhex("01e0fdaf0900"))
        topology.replace("guest:rtos/hello.elf", "loop.bin").add("load = 0x0e000000")
        outcome = cosim("run", topology.path, "--until", "1ms", "--json", "-")
        assert outcome.code == 0 and outcome.json["ticks"] in (400_000, 400_001)

    def test_wild(self, cosim, topology, rtos):
        topology.replace("hello.elf", "wild.elf")
        outcome = cosim("run", topology.path)
        assert outcome.code == 1
        assert outcome.last.startswith("cosim: guest failed at 0.0000")
        assert re.search(r"guest rtos at tick \d+: .*0x0badf00c", outcome.last)

    def test_it_stalls(self, cosim, topology, rtos):
        outcome = cosim("run", topology.path, "--json", "-")
        assert outcome.code == 4
        assert "the CPU sleeps at tick " in outcome.last and "nothing will wake it" in outcome.last
        assert (outcome.json["ok"], outcome.json["exit"], outcome.json["reason"]) == (False, 4, "stalled")


class TestUntilLine:
    def test_not_seen(self, cosim, topology, rtos):
        outcome = cosim("run", topology.path, "--until", "5ms", "--until-line", "rtos:goodbye", "--json", "-")
        assert outcome.code == 1
        assert "'rtos:goodbye' did not appear within 5ms" in outcome.last
        assert (outcome.json["ok"], outcome.json["exit"], outcome.json["ticks"]) == (False, 1, 2_000_000)

    @pytest.mark.parametrize("pattern", ["hel", "^hello: SH-4A is runnin$", r"running\r$", "ru.*ng"])
    def test_ends_on_the_grid(self, cosim, topology, rtos, pattern):
        outcome = cosim("run", topology.path, "--until-line", f"rtos:{pattern}", "--json", "-")
        assert outcome.code == 0, outcome
        assert outcome.json["ticks"] == GRID

    def test_an_unterminated_line(self, cosim, rtos, linux):
        outcome = cosim("run", SPUMONE, "--until-line", PROMPT, "--json", "-")
        assert outcome.code == 0
        # At a boundary of the running guest, so perhaps a tick after the grid's.
        assert outcome.json["ticks"] % GRID <= 2
        assert "linux| guest$ " in outcome.err

    def test_of_a_colon(self, cosim, topology, rtos):
        assert cosim("run", topology.path, "--until-line", "rtos:hello: SH").code == 0

    def test_until_comes_first(self, cosim, topology, rtos):
        assert cosim("run", topology.path, "--until-line", "rtos:running", "--until", "1ms").code == 1


class TestJson:
    def test_of_a_run(self, rtos, linux):
        outcome = run("run", SPUMONE, "--until", "30ms", "--json", "-")
        result = outcome.json
        assert RUN_KEYS <= set(result)
        assert (result["schema"], result["ok"], result["exit"]) == ("cosim.run/1", True, 0)
        assert result["ticks"] in range(12_000_000, 12_000_003) and result["sim_s"] == result["ticks"] / 4e8
        assert re.fullmatch("[0-9a-f]{64}", result["digest"])
        nodes = {node["name"]: node for node in result["nodes"]}
        assert set(nodes) == {"cpu", "spumone", "intc", "tmu", "scif0", "scif1", "cpg", "bsc"}
        assert all(NODE_KEYS <= set(node) and node["pid"] > 1 and node["rss_bytes"] > 1e6 for node in nodes.values())
        assert len({node["pid"] for node in nodes.values()}) == 8
        assert (nodes["cpu"]["impl"], nodes["spumone"]["impl"], nodes["tmu"]["impl"]) == (
            "native",
            "firmware",
            "python",
        )
        assert all(VCPU_KEYS <= set(vcpu) for vcpu in result["vcpus"])
        assert {vcpu["name"] for vcpu in result["vcpus"]} == {"SPUMONE", "rtos", "linux"}
        assert sum(vcpu["ticks"] for vcpu in result["vcpus"]) == result["ticks"]
        [deadline] = result["deadlines"]
        assert set(deadline) == DEADLINE_KEYS
        assert result["ports"] == {"rtos": None, "linux": None}  # nothing is recorded
        by_target = result["round_trips_by_target"].values()
        assert result["round_trips"] == sum(sum(kinds.values()) for kinds in by_target)
        assert "rtos| rtos: ready" in outcome.err

    def test_inproc(self, rtos, linux):
        result = run("run", SPUMONE, "--until", "5ms", "--set", "run.placement=inproc", "--json", "-").json
        assert RUN_KEYS <= set(result)
        assert [node["name"] for node in result["nodes"]] == ["cpu"]

    def test_to_a_file(self, cosim, topology, rtos, tmp_path):
        outcome = cosim("run", topology.path, "--until", "1ms", "--json", tmp_path / "x.json")
        assert outcome.code == 0
        assert json.loads((tmp_path / "x.json").read_text())["ok"] is True

    def test_of_a_component_that_prints(self, topology, rtos, inside):
        topology.replace('role = "scif"', 'role = "scif"\ncomponent = "tests.launch.components:Wordy"')
        outcome = run("run", topology.path, "--until", "1ms", "--json", "-")
        assert outcome.json["ok"] is True
        assert "a careless component prints" in outcome.err


class TestDisk:
    def test_a_full_disk_for_the_json(self, cosim, topology, rtos):
        outcome = cosim("run", topology.path, "--until", "4ms", "--json", "/dev/full")
        assert outcome.code == 3
        assert outcome.last.startswith("cosim: --json /dev/full: No space left on device")

    def test_a_full_disk_for_a_host_file(self, rtos, linux):
        outcome = run("run", SPUMONE, "--set", "scif1.host=file:/dev/full")
        assert outcome.code == 3
        assert outcome.last.startswith(
            "cosim: node scif1: host = file:/dev/full: No space left on device; its first 0 bytes"
        )

    def test_the_folder_of_the_sockets_is_private(self, rtos, linux, temporary, tmp_path):
        with Running("run", SPUMONE, "--record", tmp_path) as running:
            running.wait_for(tmp_path / "rtos.log", b"ready")
            [folder] = temporary.glob("cosim-*")
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


class TestPorts:
    def test_a_port_in_use(self, rtos, linux):
        import socket

        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            outcome = run("run", SPUMONE, "--set", f"scif1.host=tcp:127.0.0.1:{port}")
        assert outcome.code == 2
        assert outcome.last.startswith(
            f"cosim: scif1: host = tcp:127.0.0.1:{port}: cannot listen: Address already in use; "
            "choose another port or end the program that has it"
        )

    def test_another_machine_may_not_connect(self, rtos, linux):
        outcome = run("run", SPUMONE, "--set", "scif1.host=tcp:0.0.0.0:7777")
        assert outcome.code == 2
        assert "a port listens on 127.0.0.1 only" in outcome.last


def test_digests_of_the_images(cosim, topology, rtos):
    """Two people can tell whether they ran the same programs."""
    outcome = cosim("run", topology.path, "--until", "1ms", "--plain", "--json", "-")
    digest = hashlib.sha256((rtos / "hello.elf").read_bytes()).hexdigest()
    assert outcome.json["images"] == {"rtos": {"file": str((rtos / "hello.elf").resolve()), "sha256": digest}}
    assert outcome.err.splitlines()[-2] == f"cosim: images: rtos {digest[:16]} hello.elf"


def test_the_firmware_is_an_image(cosim, topology, rtos):
    topology.add('[nodes.spumone]\nrole = "hypervisor"\nimpl = "firmware"')
    topology.replace("hello.elf", "rtos-demo-spumone.elf")
    outcome = cosim("run", topology.path, "--until", "1ms", "--plain", "--json", "-")
    files = {name: Path(row["file"]).name for name, row in outcome.json["images"].items()}
    assert files == {"rtos": "rtos-demo-spumone.elf", "spumone": "spumone.elf"}
    assert all(re.fullmatch("[0-9a-f]{64}", row["sha256"]) for row in outcome.json["images"].values())


# mov.l @(8,pc),r8; mov.w @r8,r2; bra .-2; nop; .long FSR of SCIF0
POLL = struct.pack("<4HI", 0xD801, 0x6281, 0xAFFD, 0x0009, 0xFFE00010)


@pytest.mark.parametrize("placement", ["process", "inproc"])
def test_a_guest_that_polls(cosim, topology, placement):
    """Told while it goes and at the end, as a process too with the register's name."""
    (topology.path.parent / "poll.bin").write_bytes(POLL)
    topology.replace("guest:rtos/hello.elf", "poll.bin")
    topology.add("load = 0x0e000000\nentry = 0x8e000000")
    outcome = cosim("run", topology.path, "--until", "1s", "--plain", "--json", "-",
                    "--set", f"run.placement={placement}")  # fmt: skip
    said = ("guest rtos polls FSR (0xffe00010) of scif0 at PC 0x8e000002: it reads 0x60 each time, and uses nothing "
            "else of this node, since tick 0")  # fmt: skip
    assert (outcome.code, outcome.err.count(said)) == (0, 2)
    assert [report.partition(": ")[2] for report in outcome.json["reports"]] == [said]


@pytest.mark.parametrize("example", ["hello", "rtos", "spumone", "watchdog"])
def test_no_example_polls(cosim, rtos, linux, inside, example):
    outcome = cosim("run", EXAMPLES / f"{example}.toml", "--until", "3s", "--plain", "--set", "run.placement=inproc")
    assert outcome.code in (0, 4) and " polls " not in outcome.err
