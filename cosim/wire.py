"""Frames: bytes to typed messages and back, with size caps before anything is built.

``msgpack`` packs and unpacks; ``msgspec`` converts what came out to the declared types before use.
"""

from __future__ import annotations

from typing import NamedTuple

import msgpack
import msgspec

from cosim.messages import BODY, KIND, PROTOCOL, Body

MAX_FRAME = 16 << 20  # bytes; RAM images are sent in pieces smaller than this
MAX_ITEMS = 1 << 16  # elements of one array or map
MAX_MAP = 1 << 12


class WireError(Exception):
    """A frame that is not what the protocol says; the text names what was expected and found."""


class Frame(NamedTuple):
    """One message with its header. ``t`` in ticks."""

    epoch: int
    seq: int
    t: int
    body: Body


def encode(body: Body, t: int = 0, seq: int = 0, epoch: int = 0) -> bytes:
    """Frame bytes of a message. Raises WireError if larger than MAX_FRAME."""
    raw: bytes = msgpack.packb([PROTOCOL, epoch, KIND[type(body)], seq, t, *msgspec.structs.astuple(body)])
    if len(raw) > MAX_FRAME:
        raise WireError(
            f"{type(body).__name__} of {len(raw)} bytes: a frame holds at most {MAX_FRAME}; send it in pieces"
        )
    return raw


def decode(raw: bytes) -> Frame:
    """Validated message of a frame. Raises WireError with what was expected and what was found."""
    if len(raw) > MAX_FRAME:
        raise WireError(f"frame of {len(raw)} bytes: at most {MAX_FRAME} are accepted")
    try:
        items = msgpack.unpackb(
            raw,
            strict_map_key=False,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_MAP,
            max_str_len=1 << 20,
            max_ext_len=0,
        )
    except ValueError as error:
        raise WireError(f"frame of {len(raw)} bytes is not msgpack within the caps: {error}") from None
    except Exception as error:  # msgpack raises its own types beside ValueError
        raise WireError(f"frame of {len(raw)} bytes is not msgpack: {type(error).__name__}") from None
    if not isinstance(items, list) or len(items) < 5:
        raise WireError("frame is not an array [version, epoch, kind, seq, t, ...]")
    version, epoch, kind, seq, t = items[:5]
    for name, value in (("version", version), ("epoch", epoch), ("kind", kind), ("seq", seq), ("t", t)):
        if type(value) is not int or not 0 <= value < 1 << 63:
            raise WireError(f"header field {name} is {value!r:.40}: expected an integer 0..2^63-1")
    if version != PROTOCOL:
        raise WireError(f"protocol version {version}: this side speaks {PROTOCOL}; install the same release")
    body_type = BODY.get(kind)
    if body_type is None:
        raise WireError(f"message kind {kind} is not in the protocol (version {PROTOCOL})")
    try:
        body = msgspec.convert(items[5:], body_type)
    except msgspec.ValidationError as error:
        raise WireError(f"{body_type.__name__}: {error}") from None
    return Frame(epoch, seq, t, body)
