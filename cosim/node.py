"""A node as a process: says hello, makes its component, serves the CPU node's messages until told to stop.

    python -m cosim.node ROLE NAME ENDPOINT [PID of the launcher that starts it [DESCRIPTOR]]

Started by the launcher with this argument vector, or by hand as ``cosim node ROLE --connect ENDPOINT``. DESCRIPTOR is
of a pipe that holds the node's keys, where the run has keys.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import zmq

from cosim import wire
from cosim.device import Device, DeviceError, Host
from cosim.door import Door
from cosim.intake import Intake
from cosim.keys import Gate, Keys, KeysError, read_line
from cosim.link import Link, LinkError, Stopped, allow_files, configure, send
from cosim.messages import HostInput, Output, Ready
from cosim.placement import component_class
from cosim.rules import BrokenRule
from cosim.text import tell

EXPECTED = "expected ipc://PATH or tcp://127.0.0.1:PORT"
POLL = 50  # ms between looks at the launcher when nothing comes


def serve(link: Link, context: Any, component: Device, host: Host, endpoint: str, peer: str) -> None:
    """Answer the CPU node on a PAIR socket bound at ``endpoint`` until the launcher says Stop.

    ``peer``: public key of the CPU node, the only one that is let in over tcp. Over ipc it is the first who comes: a
    PAIR socket must not meet a second, for libzmq aborts then.
    """
    data = configure(context.socket(zmq.PAIR))
    gate = Gate(context, once=True)
    if endpoint.startswith("ipc://"):
        gate.guard_path(data, "cpu")
    else:
        if link.keys is None or not peer:
            raise KeysError(f"the launcher wants a socket at {endpoint}, but gave no keys for it: only ipc needs none")
        gate.expect(peer, "cpu")
        gate.guard(data, link.keys.secret)
    door = Door(data, endpoint)
    names = [(row.address, row.name) for row in component.registers]
    link.send(Ready(door.endpoint, list(component.line_names), list(component.regions), names))
    intake = Intake(component, host)
    poller = zmq.Poller()
    own = [data, link.socket, gate.socket]
    for source in (*own, *host.filenos()):
        poller.register(source, zmq.POLLIN)
    while True:
        ready = dict(poller.poll(POLL))
        link.beat()
        if data in ready:
            frame = wire.decode(data.recv())
            answer = component.handle(frame.t, frame.body)
            if answer is not None:
                send(data, wire.encode(answer, frame.t, frame.seq), link.look)
            output = component.take_output()
            if output:
                host.write(output)
                link.send(Output(component.name, output), frame.t)
            for _ in range(component.take_breaks()):
                host.send_break()
            intake.look()
        if not ready or link.socket in ready:
            link.receive()
        if gate.socket in ready:
            gate.answer()
            if not gate.expected:
                door.shut()
        if len(ready) > sum(source in ready for source in own):
            typed = intake.read()
            if typed:
                link.send(HostInput(component.name, typed, list(host.marks)))


def main(role: str, name: str, endpoint: str, launcher: int = 0, keys: Keys | None = None) -> int:
    """Run one node; returns its exit code: 0 stopped, 2 refused or misconfigured, 3 failed, 130 Ctrl-C."""
    if endpoint.startswith("tcp://") and not endpoint.startswith("tcp://127.0.0.1:"):
        tell(f"cosim node {name}: {endpoint!r}: a node connects to this machine only; {EXPECTED}")
        return 2
    allow_files()
    context = zmq.Context()
    try:
        link = Link(context, endpoint, name, launcher, keys)
    except KeysError as error:
        context.destroy(linger=0)
        tell(f"cosim node {name}: {error}")
        return 2
    except zmq.ZMQError as error:
        context.destroy(linger=0)
        tell(f"cosim node {name}: {endpoint!r}: {error}; {EXPECTED}")
        return 2
    try:
        return _run(link, context, role, name)
    except Stopped:
        return 0
    except KeyboardInterrupt:
        tell(f"cosim node {name}: stopped by Ctrl-C")
        return 130
    except LinkError as error:
        tell(f"cosim node {name}: {error}")
        return 2
    except (DeviceError, KeysError, BrokenRule) as error:
        return _failed(link, str(error), 3)
    except Exception as error:
        return _failed(link, f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}", 3)
    finally:
        link.close()
        context.destroy(linger=500)


def _failed(link: Link, text: str, code: int) -> int:
    link.last_words(text, code)
    tell(f"cosim node {link.name}: {text}", lines=True)
    return code


def _run(link: Link, context: Any, role: str, name: str) -> int:
    try:
        kind = component_class(role)
    except KeyError as error:
        raise LinkError(error.args[0]) from None
    welcome = link.hello(role, kind.map_digest(), list(kind.CAPABILITIES))
    config = dict(welcome.config)
    component_name = config.pop("component", "")
    if component_name:
        kind = component_class(role, component_name)
    if role == "cpu":
        kind(name, config).serve(link, context)
        return 0
    try:
        component = kind(name, config)
        component.steady_state()
        host = component.open_host()
    except DeviceError as error:
        return _failed(link, str(error), 2)
    try:
        serve(link, context, component, host, welcome.endpoint, welcome.peer)
    finally:
        host.close()
    return 0


if __name__ == "__main__":
    given = None
    if sys.argv[5:]:
        given = read_line(int(sys.argv[5]), "the launcher's pipe")
        os.close(int(sys.argv[5]))
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]) if sys.argv[4:] else 0, given))
