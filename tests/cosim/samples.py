"""Messages to test with: hypothesis strategies derived from the declared types, and one sample of each."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec
from hypothesis import strategies as st

from cosim.messages import BODY, Body

# What a `dict` field may hold: what msgpack gives back unchanged (it knows no tuples, and no NaN equals itself).
LEAF = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(max_size=8) | st.binary(max_size=8)
FREE = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(1 << 63), (1 << 63) - 1),
    bool: st.booleans(),
    str: st.text(max_size=20),
    bytes: st.binary(max_size=40),
    dict: st.dictionaries(st.text(max_size=8), FREE, max_size=4),
    float: st.floats(allow_nan=False),
    type(None): st.none(),
    Any: FREE,
}
SAMPLE: dict[Any, Any] = {bool: True, dict: {"key": [1, None, {"x": b"y"}]}, float: 0.5}


def strategy(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a declared type. Raises TypeError for a type that is not known here."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        bounds = args[1]
        if args[0] is bytes:
            return st.binary(min_size=bounds.min_length, max_size=bounds.max_length)
        return st.integers(-(1 << 63) if bounds.ge is None else bounds.ge, bounds.le)
    if origin is typing.Literal:
        return st.sampled_from(args)
    if origin is list:
        return st.lists(strategy(args[0]), max_size=4)
    if origin is tuple:
        return st.tuples(*map(strategy, args))
    if origin is dict:
        return st.dictionaries(strategy(args[0]), strategy(args[1]), max_size=4)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*map(strategy, args))
    raise TypeError(f"{kind}: add it to tests/cosim/samples.py")


def messages(body: type[Body]) -> st.SearchStrategy[Body]:
    """Messages of one kind, every field drawn."""
    hints = typing.get_type_hints(body, include_extras=True)
    return st.builds(body, *(strategy(hints[name]) for name in body.__struct_fields__))


ANY_MESSAGE = st.one_of(*(messages(body) for body in BODY.values()))


def sample(kind: Any, salt: int = 0) -> Any:
    """One fixed value of a declared type; ``salt`` makes those of a message differ, so that a swap shows."""
    if kind is int:
        return 7 + salt
    if kind is str:
        return f"text{salt}"
    if kind is bytes:
        return bytes([0, 255, salt])
    if kind in SAMPLE:
        return SAMPLE[kind]
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        if args[0] is bytes:
            return bytes(range(args[1].min_length))
        return min(sample(args[0], salt), args[1].le)
    if origin is typing.Literal:
        return args[salt // 10 % len(args)]
    if origin is list:
        return [sample(args[0], salt)]
    if origin is tuple:
        return tuple(sample(arg, salt + k) for k, arg in enumerate(args))
    if origin is dict:
        return {sample(args[0], salt): sample(args[1], salt)}
    if origin in (types.UnionType, typing.Union):
        return sample(args[0], salt)
    raise TypeError(f"{kind}: add it to tests/cosim/samples.py")


def sample_message(body: type[Body]) -> Body:
    """One fixed message of a kind, every field set to something that is not its default."""
    hints = typing.get_type_hints(body, include_extras=True)
    fields = [f.name for f in msgspec.structs.fields(body)]
    return body(*(sample(hints[name], 10 * k) for k, name in enumerate(fields)))
