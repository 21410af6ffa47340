"""Frames: bytes to typed messages and back, with size caps before anything is built.

``msgpack`` packs and unpacks; ``msgspec`` converts what came out to the declared types before use.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgpack  # type: ignore[import-untyped,unused-ignore]
import msgspec

from cosim.messages import BODY, KIND, PROTOCOL, Body
from cosim.rules import BrokenRule

MAX_FRAME = 16 << 20  # bytes; RAM images are sent in pieces smaller than this
MAX_ARRAY = 1 << 16  # elements of one array
MAX_MAP = 1 << 12  # pairs of one map
MAX_STR = 1 << 20  # bytes of one string
MAX_ITEMS = 1 << 18  # values of a whole frame, at every depth
SMALL = 1 << 12  # bytes; values of frames up to this size need no counting: they are few

# First byte -> (bytes of the length that follows, bytes to skip besides, values that follow per unit of length).
_LONG: dict[int, tuple[int, int, int]] = {
    0xC0: (0, 0, 0), 0xC1: (0, 0, 0), 0xC2: (0, 0, 0), 0xC3: (0, 0, 0),  # nil, unused, false, true
    0xC4: (1, 0, 0), 0xC5: (2, 0, 0), 0xC6: (4, 0, 0),  # bin
    0xC7: (1, 1, 0), 0xC8: (2, 1, 0), 0xC9: (4, 1, 0),  # ext
    0xCA: (0, 4, 0), 0xCB: (0, 8, 0),  # float
    0xCC: (0, 1, 0), 0xCD: (0, 2, 0), 0xCE: (0, 4, 0), 0xCF: (0, 8, 0),  # uint
    0xD0: (0, 1, 0), 0xD1: (0, 2, 0), 0xD2: (0, 4, 0), 0xD3: (0, 8, 0),  # int
    0xD4: (0, 2, 0), 0xD5: (0, 3, 0), 0xD6: (0, 5, 0), 0xD7: (0, 9, 0), 0xD8: (0, 17, 0),  # fixext
    0xD9: (1, 0, 0), 0xDA: (2, 0, 0), 0xDB: (4, 0, 0),  # str
    0xDC: (2, 0, 1), 0xDD: (4, 0, 1), 0xDE: (2, 0, 2), 0xDF: (4, 0, 2),  # array, map
}  # fmt: skip


class WireError(BrokenRule):
    """A frame that is not what the protocol says; the text names what was expected and found."""


class Frame(NamedTuple):
    """One message with its header. ``t`` in ticks."""

    epoch: int
    seq: int
    t: int
    body: Body


def encode(body: Body, t: int = 0, seq: int = 0, epoch: int = 0) -> bytes:
    """Frame bytes of a message. Raises WireError for one that no receiver would take."""
    kind = type(body).__name__
    try:
        raw: bytes = msgpack.packb([PROTOCOL, epoch, KIND[type(body)], seq, t, *msgspec.structs.astuple(body)])
    except KeyError:
        raise WireError("frame-kind", f"{kind} is not in the protocol: add it to TABLE of cosim/messages.py") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError("field-type", f"{kind} cannot be packed: {error}") from None
    if len(raw) > MAX_FRAME:
        text = f"{kind} of {len(raw)} bytes: a frame holds at most {MAX_FRAME}; send it in pieces"
        raise WireError("frame-size", text)
    if len(raw) > SMALL and _too_many(raw):
        text = f"{kind} of more than {MAX_ITEMS} values: send it in pieces, or packed as bytes"
        raise WireError("frame-values", text)
    return raw


def decode(raw: bytes) -> Frame:
    """Validated message of a frame. Raises WireError with what was expected and what was found."""
    if len(raw) > MAX_FRAME:
        raise WireError("frame-size", f"frame of {len(raw)} bytes: at most {MAX_FRAME} are accepted")
    if len(raw) > SMALL and _too_many(raw):
        raise WireError("frame-values", f"frame of {len(raw)} bytes holds more than {MAX_ITEMS} values")
    try:
        items = msgpack.unpackb(
            raw,
            strict_map_key=False,
            max_array_len=min(MAX_ARRAY, len(raw)),  # room is made for the announced length at once
            max_map_len=MAX_MAP,
            max_str_len=MAX_STR,
            max_ext_len=0,
        )
    except Exception as error:  # msgpack raises its own types, ValueError, and TypeError for a key such as []
        cause = str(error) or type(error).__name__
        raise WireError("frame-msgpack", f"frame of {len(raw)} bytes is not msgpack within the caps: {cause}") from None
    if not isinstance(items, list) or len(items) < 5:
        raise WireError("frame-array", "frame is not an array [version, epoch, kind, seq, t, ...]")
    version, epoch, kind, seq, t = items[:5]
    for name, value in (("version", version), ("epoch", epoch), ("kind", kind), ("seq", seq), ("t", t)):
        if type(value) is not int or not 0 <= value < 1 << 63:
            found = value if type(value) is int else f"of type {type(value).__name__}"
            raise WireError("frame-array", f"header field {name} is {found}: expected an integer 0..2^63-1")
        if name == "version" and value != PROTOCOL:  # the rest of another version's header is its own
            text = f"protocol version {version}: this side speaks {PROTOCOL}; install the same release"
            raise WireError("frame-version", text)
    body_type = BODY.get(kind)
    if body_type is None:
        raise WireError("frame-kind", f"message kind {kind} is not in the protocol (version {PROTOCOL})")
    try:
        # builtin_types: bytes are bytes; without it a string passes for bytes, read as base64.
        body = msgspec.convert(items[5:], body_type, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        missing = body_type.__struct_fields__[len(items) - 5 : len(body_type.__struct_fields__) - _optional(body_type)]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            text = f"{body_type.__name__} ends after {len(items) - 5} fields: expected {names} as well"
            raise WireError("fields-there", text) from None
        raise WireError("field-type", f"{body_type.__name__}{_field(body_type, str(error))}") from None
    except RecursionError:
        raise WireError("field-type", f"{body_type.__name__}: nested too deeply") from None
    return Frame(epoch, seq, t, body)


def _optional(body_type: type[Body]) -> int:
    """How many fields of a message have a default: the last ones."""
    return len(body_type.__struct_defaults__)


def _field(body_type: type[Body], text: str) -> str:
    """msgspec's text with the place ``$[k]`` of a field replaced by its name in front."""
    found = re.fullmatch(r"(.*) - at `\$\[(\d+)\](.*)`", text, re.DOTALL)
    if found is None:
        return f": {text}"
    return f".{body_type.__struct_fields__[int(found[2])]}{found[3]}: {found[1]}"


def _too_many(raw: bytes) -> bool:
    """Whether a frame holds more than MAX_ITEMS values, found without building one of them.

    A value of one byte becomes an object of 50 to 100, so the cap on bytes alone does not bound memory.
    Bytes that are no msgpack are left to the decoder.
    """
    at, left, total, end = 0, 1, 0, len(raw)
    while left and at < end:
        first = raw[at]
        at += 1
        left -= 1
        total += 1
        if first < 0x80 or first >= 0xE0:
            pass
        elif first < 0xA0:
            left += (first & 15) * (2 if first < 0x90 else 1)
        elif first < 0xC0:
            at += first & 31
        else:
            width, skip, each = _LONG[first]
            length = int.from_bytes(raw[at : at + width], "big")
            at += width + skip + (0 if each else length)
            left += length * each
        if total + left > MAX_ITEMS:
            return True
    return False
