"""The rules of the protocol that are checked, each with a short name, and the error that one of them was broken.

The table makes the section "Rules that are checked" of docs/reference/protocol.md. Whoever breaks a rule is ended, and
the run with it; the text names the rule. Bounds that one field has by itself are in its type (cosim/messages.py).
"""

from __future__ import annotations

import math

LONGEST = 1000  # characters of a text: what was found may be a megabyte

# Who checks it -> name of the rule -> what it says.
CHECKED: dict[str, dict[str, str]] = {
    # Of any frame: cosim/wire.py, and plain() below.
    "every receiver": {
        "frame-size": "A frame has at most the bytes of the cap.",
        "frame-values": "A frame has at most the values of the cap, at every depth together.",
        "frame-msgpack": "A frame is one msgpack value within the caps, and no extension is in it.",
        "frame-array": "A frame is an array that begins with the five integers of the header.",
        "frame-version": "`version` is that of this page.",
        "frame-kind": "`kind` is the number of a message of this page.",
        "fields-there": "Each field without a default is there.",
        "field-type": "Each field has the type that its table gives, and is within its bounds.",
        "map-plain": (
            "What a node puts into a `dict` that is reported is what JSON can hold: no bytes, keys are str, "
            "numbers are finite."
        ),
    },
    # Of what nodes tell the launcher: launch/rules.py.
    "launcher": {
        "hello-first": "A node's first frame is Hello. It sends nothing else before Welcome, and Hello once.",
        "frame-part": "A frame is a message of one part.",
        "hello-name": "`Hello.name` is the name in the identity of the socket.",
        "hello-pid": "`Hello.pid` is a process id: 1 to 2^22.",
        "message-turn": (
            "A node sends what it may send: Ready once; Paused to Start and Go, and Reply to Command, the CPU "
            "node only; never what is the launcher's to send."
        ),
        "ready-first": "A node sends no Output, HostInput, Recorded or Paused before its Ready.",
        "ready-endpoint": (
            "`Ready.endpoint` is that of Welcome as bound: with `:*` a port of this machine in its place; of the "
            "CPU node it is empty."
        ),
        "ready-lines": (
            "`Ready.lines` has each line once. A node whose role has a built-in device has that device's lines, "
            "and the CPU node none. Others have lines that the interrupt controller knows."
        ),
        "ready-regions": (
            "`Ready.regions` have first <= last, 64 MB at most, and do not overlap. A node whose role has a "
            "built-in device has that device's regions, and the CPU node none."
        ),
        "status-progress": "`Status.progress` does not fall.",
        "status-note": "`note` in `Status.info` is a str.",
        "status-asked": "`asked` in `Status.info` is an array: target, kind of the question, its tick, its seq.",
        "output-node": (
            "`Output.node` and `HostInput.node` are the sender, which has a serial port; in the inproc placement "
            "the CPU node sends them for those that have one."
        ),
        "recorded-rows": (
            "`Recorded` is the CPU node's. Its syncs are of the ticks 4000000, 8000000 and so on, each once and none "
            "left out, with digests of 64 digits; its journal is of nodes that have a serial port."
        ),
        "input-marks": "`HostInput.marks` name places in its data, and an error or a break there.",
        "paused-start": "The answer to Start has the reason `started`, that to Go another.",
        "reply-data": "`Reply.data` has what the command asks for.",
        "failed-code": "`Failed.code` is 2, 3 or 130.",
        "failed-node": "`Failed.node` is empty, or a node of the run that the CPU node names.",
    },
    # Of what targets answer: cosim/target.py, cosim/clock.py, cpu_node/machine.py, cpu_node/directives.py.
    "CPU node": {
        "answer-seq": "Answers come in the order of their questions, one to each, with the question's `seq`.",
        "answer-tick": "An answer has the `t` of its question; to Writes, that of the last.",
        "answer-kind": "An answer is of the kind that the question asks for.",
        "answer-value": "`Answer.value` to a Read fits in the bytes that were asked for.",
        "answer-lines": "`Answer.lines` and the levels in `plan` and `effects` have bits for the lines of Ready only.",
        "answer-own": (
            "Leases and effects are of addresses in the target's own regions. Post rows of others are never used."
        ),
        "answer-lease": "A lease has a segment, and its segments' ticks rise.",
        "lease-true": "A lease gives what the target would answer to a Read at that tick; `--check leases` asks.",
        "answer-sources": "`Answer.sources` is the interrupt controller's to give, each line once.",
        "answer-matched": "`Answer.matched` is at most `t`.",
        "posted-lines": "After posted writes the levels are those that their effects gave.",
        "promise-past": "`Answer.next` is at least `t`, and at most the tick that never comes.",
        "promise-further": "`Answer.next` to Advance is beyond `t`.",
        "plan-order": "Ticks of `plan` rise, all of them beyond `t` and before `next`.",
        "posted-quiet": "After a posted write nothing is due before both its quiet tick and the old promise.",
        "directive-state": (
            "`Directive.state` has the words of the table below, but with `more`, `again` or `labels`, and in the "
            "answer to `report`."
        ),
        "directive-vcpu": (
            "Guests that a Directive or Vcpus names are those of `partitions`, which the first one gives; in `owners` "
            "SPUMONE may be one, for the serial port that its guests share."
        ),
        "directive-start": "`more`, `labels` and `partitions` come at the start only, `more` 256 times at most.",
        "directive-again": "`again` comes 64 times in a row at most.",
        "directive-memory": (
            "`loads`, `partitions`, `code` and `reads` below 0x20000000 lie in RAM; other `reads` are of 1, 2 or 4 "
            "bytes."
        ),
        "directive-labels": (
            "`labels` has entry, reset, current, report, routes and console, in RAM, and `pointers` too."
        ),
        "directive-paths": "Names of paths are at most 256.",
        "directive-line": "`owners`, `forward` and `deliver` name sources of the board.",
        "vcpus-all": "Vcpus has each guest once, with its state.",
        "keys": "Over tcp a target shows its key, and lets in the CPU node's, once.",
        "connection": "A target keeps its connection until Stop.",
    },
    # Of what the CPU node asks: cosim/device.py and the devices.
    "target": {
        "question-tick": "`t` never falls, nor do the ticks within Writes and Input, and none is beyond 2^61.",
        "question-kind": "A target is asked what its role answers.",
        "question-data": (
            "Input has bytes with the error bits above, Lines lines of the board, Arm a regular expression and a "
            "console that is there, Trap a state where its cause has one."
        ),
    },
}
RULES = {name: (who, text) for who, rules in CHECKED.items() for name, text in rules.items()}


class BrokenRule(Exception):
    """A rule of the protocol was broken. ``rule``: its name; ``text``: what was expected and found; ``node``: by whom,
    "" where the receiver knows it by the connection."""

    def __init__(self, rule: str, text: str, node: str = "") -> None:
        assert rule in RULES, rule
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
        super().__init__(f"{text} (rule {rule})")
        self.rule, self.text, self.node = rule, text, node


def table() -> str:
    """The rules as a table, in Markdown."""
    rows = [f"| `{name}` | {who} | {text} |" for name, (who, text) in RULES.items()]
    return "\n".join(["| rule | checked by | |", "|---|---|---|", *rows])


def plain(value: object, where: str, node: str = "") -> None:
    """Raises BrokenRule for a value that JSON could not hold; ``where`` says what it is."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise BrokenRule("map-plain", f"{where} has the key {key!r:.40}; expected str", node)
            plain(inner, f"{where}.{key:.40}", node)
    elif isinstance(value, (list, tuple)):
        for k, inner in enumerate(value):
            plain(inner, f"{where}[{k}]", node)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BrokenRule("map-plain", f"{where} is {value}; expected a finite number", node)
    elif value is not None and not isinstance(value, (str, int)):
        raise BrokenRule("map-plain", f"{where} is of type {type(value).__name__}; expected what JSON can hold", node)
