"""Frames: round trips of every message, every rejection with its full text, and noise."""

from __future__ import annotations

import subprocess
import sys
import time

import msgpack
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import ANY_MESSAGE, messages, sample_message

from cosim import wire
from cosim.messages import BODY, KIND, PROTOCOL, TABLE, Answer, Body, Final, Go, Output, Paused, Read, Status, Stop
from cosim.wire import MAX_FRAME, Frame, WireError, decode, encode

COUNTER = st.integers(0, (1 << 63) - 1)
STATUS = KIND[Status]


def refused(raw: bytes) -> str:
    """Text of the error that a frame gives."""
    with pytest.raises(WireError) as caught:
        decode(raw)
    assert str(caught.value) == f"{caught.value.text} (rule {caught.value.rule})"
    return caught.value.text


def frame(*items: object) -> bytes:
    return msgpack.packb(list(items))


# Round trips ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", BODY.values(), ids=lambda body: body.__name__)
def test_every_message_comes_back_equal(body):
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(messages(body), COUNTER, COUNTER, COUNTER)
    def check(message, t, seq, epoch):
        assert decode(encode(message, t, seq, epoch)) == Frame(epoch, seq, t, message)

    check()


def test_frame_is_an_array_with_the_header_first():
    raw = encode(Go(9, True), t=3, seq=2, epoch=1)
    assert msgpack.unpackb(raw) == [PROTOCOL, 1, KIND[Go], 2, 3, 9, True]


def test_numbers_and_kinds_are_unique():
    assert len({number for number, _, _ in TABLE}) == len({body for _, body, _ in TABLE}) == len(TABLE)


def test_missing_trailing_fields_take_their_defaults():
    assert decode(frame(PROTOCOL, 0, KIND[Go], 0, 0, 5)).body == Go(5, False)


def test_fields_appended_by_a_later_release_are_ignored():
    assert decode(frame(PROTOCOL, 0, KIND[Go], 0, 0, 5, True, "appended")).body == Go(5, True)


# Rejections -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "Unpack failed: incomplete input"),
        (b"\xc1", "FormatError"),
        (b"\x92\x01", "Unpack failed: incomplete input"),
        (b"\x95\x01", "5 exceeds max_array_len(2)"),
        (b"\xc0\xc0", "unpack(b) received extra data."),
        (b"\xa1\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b"\x91" * 2000 + b"\x00", "StackError"),
        (b"\xdd\xff\xff\xff\xff", "4294967295 exceeds max_array_len(5)"),
        (b"\xdf\x00\x00\x10\x01", "4097 exceeds max_map_len(4096)"),
        (b"\xd6\xff\x00\x00\x00\x00", "5 exceeds max_ext_len(0)"),
        (msgpack.packb("x" * ((1 << 20) + 1)), "1048577 exceeds max_str_len(1048576)"),
    ],
    ids=lambda x: x[:6].hex() or "empty" if isinstance(x, bytes) else "",
)
def test_bytes_that_are_not_msgpack_within_the_caps(raw, cause):
    assert refused(raw) == f"frame of {len(raw)} bytes is not msgpack within the caps: {cause}"


def test_a_map_key_that_is_no_key():
    assert refused(b"\x81\x90\x00").startswith("frame of 3 bytes is not msgpack within the caps: ")


def test_a_frame_that_is_too_large_is_refused_before_decoding():
    assert refused(bytes(MAX_FRAME + 1)) == "frame of 16777217 bytes: at most 16777216 are accepted"


@pytest.mark.parametrize("value", [7, None, "text", {}, [], [1, 0, 5, 0]], ids=repr)
def test_a_frame_that_is_no_array_with_a_header(value):
    assert refused(msgpack.packb(value)) == "frame is not an array [version, epoch, kind, seq, t, ...]"


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (-1, "-1"),
        (1 << 63, "9223372036854775808"),
        (True, "of type bool"),
        (1.0, "of type float"),
        (None, "of type NoneType"),
        ("1", "of type str"),
        ([[]], "of type list"),
    ],
    ids=repr,
)
def test_a_header_field_of_another_type_or_range(place, value, found):
    items = [PROTOCOL, 0, KIND[Stop], 0, 0]
    items[place] = value
    name = ("version", "epoch", "kind", "seq", "t")[place]
    assert refused(frame(*items)) == f"header field {name} is {found}: expected an integer 0..2^63-1"


def test_another_protocol_version_whatever_its_header_is():
    text = f"protocol version {PROTOCOL + 1}: this side speaks {PROTOCOL}; install the same release"
    assert refused(frame(PROTOCOL + 1, 0, KIND[Stop], 0, 0)) == text
    assert refused(frame(PROTOCOL + 1, "node", None, [], {})) == text


def test_a_long_value_is_cut_in_the_text():
    assert len(refused(frame(PROTOCOL, 0, KIND[Paused], 0, 0, "x" * 1_000_000, "", {}))) < 1100


def test_a_kind_that_is_not_in_the_protocol():
    assert refused(frame(PROTOCOL, 0, 999, 0, 0)) == f"message kind 999 is not in the protocol (version {PROTOCOL})"


@pytest.mark.parametrize(
    ("body", "fields", "text"),
    [
        (Go, ["5"], "Go.until: Expected `int`, got `str`"),
        (Go, [True], "Go.until: Expected `int`, got `bool`"),
        (Go, [5.0], "Go.until: Expected `int`, got `float`"),
        (Go, [5, 1], "Go.armed: Expected `bool`, got `int`"),
        (Go, [], "Go ends after 0 fields: expected `until` as well"),
        (Answer, [1], "Answer ends after 1 fields: expected `lines`, `next` as well"),
        (Answer, [1, 2, 1 << 63], "Answer.next: Expected `int` <= 4611686018427387904"),
        (Answer, [1, 2, 3, [], [[0, 3, 9, []]]], "Answer.leases[0][1]: Invalid enum value 3"),
        (Read, [1 << 32, 4, []], "Read.address: Expected `int` <= 4294967295"),
        (Final, ["aGVsbG8=", {}], "Final.digest: Expected `bytes`, got `str`"),
        (Status, [3, []], "Status.info: Expected `object`, got `array`"),
        (Paused, [b"until", "", {}], "Paused.reason: Expected `str`, got `bytes`"),
    ],
    ids=str,
)
def test_a_field_of_another_type(body, fields, text):
    assert refused(frame(PROTOCOL, 0, KIND[body], 0, 0, *fields)) == text


def test_an_element_deep_in_a_field_is_named_with_its_place():
    raw = frame(PROTOCOL, 0, 38, 0, 0, 0, 0, 9, [[1, 2], [3, "4"]])
    assert refused(raw) == "Answer.plan[1][1]: Expected `int`, got `str`"


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (bytes(MAX_FRAME + 1), "frame-size"),
        (b"\xdd\x00\x05\x00\x00" + bytes(5 << 16), "frame-values"),
        (b"\xc1", "frame-msgpack"),
        (b"\x01", "frame-array"),
        (frame(PROTOCOL, 0, 1, -1, 0), "frame-array"),
        (frame(PROTOCOL + 1), "frame-array"),
        (frame(PROTOCOL + 1, 0, 0, 0, 0), "frame-version"),
        (frame(PROTOCOL, 0, 999, 0, 0), "frame-kind"),
        (frame(PROTOCOL, 0, KIND[Answer], 0, 0, 5), "fields-there"),
        (frame(PROTOCOL, 0, KIND[Answer], 0, 0, 5, 6, "7"), "field-type"),
        (frame(PROTOCOL, 0, KIND[Answer], 0, 0, 1 << 32, 0, 5), "field-type"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_the_rule_that_a_frame_breaks(raw, rule):
    with pytest.raises(WireError) as caught:
        decode(raw)
    assert caught.value.rule == rule and str(caught.value).endswith(f"(rule {rule})")


# Bombs: few bytes, many objects --------------------------------------------------------------------------

HEAD = bytes([0x97, PROTOCOL, 0, STATUS, 0, 0, 3])
BOMBS = {
    "empty maps": HEAD + b"\xdd\x00\x50\x00\x00" + b"\x80" * (5 << 20),
    "empty maps in arrays within the cap": HEAD + b"\xdc\x00\x50" + (b"\xdc\xff\xff" + b"\x80" * 65535) * 80,
    "nested arrays": HEAD + b"\x91" * (5 << 20) + b"\x80",
    "nested maps": HEAD + b"\x81\x01" * (5 << 19) + b"\x80",
    "announced, not there": HEAD + b"\xdc\xff\xff" * 1000,
    "announced, not there, short": HEAD + b"\xdc\x0f\x00" * 1000,
    "strings": HEAD + b"\xdc\x00\x50" + (b"\xdc\xff\xff" + b"\xa0" * 65535) * 80,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_quickly(name):
    began = time.process_time()
    text = refused(BOMBS[name])
    assert time.process_time() - began < 2
    size = len(BOMBS[name])
    if size > wire.SMALL:
        assert text == f"frame of {size} bytes holds more than 262144 values"
    else:
        assert text.startswith(f"frame of {size} bytes is not msgpack within the caps: ")


def test_bombs_are_refused_within_a_memory_bound():
    # In a process of its own: the high-water mark of this one tells nothing.
    code = (
        "import resource, sys\nfrom cosim.wire import WireError, decode\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "raw = sys.stdin.buffer.read()\nbefore = peak()\n"
        "try:\n    decode(raw)\nexcept WireError:\n    print(peak() - before)\n"
    )
    for name, raw in BOMBS.items():
        done = subprocess.run([sys.executable, "-c", code], input=raw, capture_output=True, check=True)
        assert int(done.stdout) < 64 << 10, f"{name}: {int(done.stdout)} KiB"


def test_a_large_frame_of_few_values_passes():
    message = Output("scif0", bytes(MAX_FRAME - 100))
    assert decode(encode(message)).body == message


def test_nested_more_deeply_than_the_decoder_can_convert_is_a_wire_error():
    deep = HEAD + b"\x81\x00" * 1000 + b"\x80"
    try:
        decode(deep)
    except WireError as error:
        assert str(error) == "Status: nested too deeply"


# Encoding -------------------------------------------------------------------------------------------------


def test_encoding_a_frame_that_is_too_large():
    with pytest.raises(WireError) as caught:
        encode(Output("scif0", bytes(MAX_FRAME)))
    assert caught.value.text == "Output of 16777233 bytes: a frame holds at most 16777216; send it in pieces"


def test_encoding_more_values_than_a_receiver_takes():
    with pytest.raises(WireError) as caught:
        encode(Status(0, {"rows": [[0] * 60_000] * 5}))
    assert caught.value.text == "Status of more than 262144 values: send it in pieces, or packed as bytes"


def test_encoding_what_msgpack_cannot_hold():
    with pytest.raises(WireError) as caught:
        encode(Status(0, {"set": {1}}))
    assert caught.value.text == "Status cannot be packed: can not serialize 'set' object"
    with pytest.raises(WireError) as caught:
        encode(Go(1 << 64))
    assert caught.value.text == "Go cannot be packed: Integer value out of range"


def test_encoding_a_message_that_is_not_in_the_table():
    class Other(Body):
        pass

    with pytest.raises(WireError) as caught:
        encode(Other())
    assert caught.value.text == "Other is not in the protocol: add it to TABLE of cosim/messages.py"


# Noise: only WireError ever comes out ----------------------------------------------------------------------


def survives(raw: bytes) -> None:
    try:
        got = decode(raw)
    except WireError:
        return
    assert isinstance(got.body, Body)
    msgspec.structs.astuple(got.body)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(raw):
    survives(raw)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(sorted(BODY)), st.integers(0, 15))
def test_random_bytes_behind_a_good_header(raw, kind, count):
    survives(bytes([0x90 | count, PROTOCOL, 0, kind, 0, 0]) + raw)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_MESSAGE, st.data())
def test_mutated_frames(message, data):
    raw = bytearray(encode(message, 5, 6, 0))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        how = data.draw(st.sampled_from(["set", "cut", "insert", "repeat"]))
        if how == "set":
            raw[at] = data.draw(st.integers(0, 255))
        elif how == "cut" and len(raw) > 1:
            del raw[at:]
            raw = raw or bytearray(1)
        elif how == "insert":
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=5))
        else:
            raw[at:at] = raw[at : at + 8]
    survives(bytes(raw))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(BODY)), st.data())
def test_fields_swapped_with_those_of_another_message(kind, data):
    other = data.draw(ANY_MESSAGE)
    items = msgpack.unpackb(encode(other), strict_map_key=False)
    items[2] = kind
    survives(msgpack.packb(items))


@pytest.mark.parametrize("body", BODY.values(), ids=lambda body: body.__name__)
def test_every_cut_and_every_bit_of_a_sample(body):
    raw = encode(sample_message(body), 5, 6, 0)
    for at in range(len(raw)):
        survives(raw[:at])
        for bit in range(8):
            changed = bytearray(raw)
            changed[at] ^= 1 << bit
            survives(bytes(changed))
