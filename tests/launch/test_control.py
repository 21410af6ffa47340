"""The launcher's control socket, by itself: in a process of its own, as what goes wrong there aborts the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import EXAMPLES, ROOT

GONE = """
import sys, time
from contextlib import suppress
from pathlib import Path
import zmq
from cosim.messages import Stop
from cosim.topology import load
from launch.control import Control, WAITING
from launch.supervise import NodeFailure

control = Control(load(Path(sys.argv[1])), Path(sys.argv[2]), print)
with zmq.Context() as context, context.socket(zmq.DEALER) as node:
    node.identity, node.linger, node.sndhwm = b"tmu@1", 0, 10
    node.connect(control.endpoint)
    node.send(b"hello")
    [(name, identity, _)] = list(control.received(60_000))
    control.admit(name, identity)
    with suppress(zmq.Again):
        for _ in range(3 * WAITING):  # until its frames wait behind the mark, and so does it
            node.send(b"x" * 100_000, zmq.NOBLOCK)
            time.sleep(0.0002)
time.sleep(2.5)  # longer than two heartbeats
if sys.argv[3] == "drained":
    control.drain()
    with suppress(NodeFailure):
        control.send("tmu", Stop(), 0)
control.close()
print("alive")
"""


@pytest.mark.parametrize("end", ["drained", "closed"])
def test_a_node_that_goes_while_its_frames_wait(temporary: Path, end: str):
    argv = [sys.executable, "-c", GONE, str(EXAMPLES / "rtos.toml"), str(temporary), end]
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("alive\n"), done
