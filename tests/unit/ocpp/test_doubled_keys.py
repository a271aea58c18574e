"""An object that names a key twice is seen, however it is written, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.ocpp import gate

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=5)
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | TEXT | st.sampled_from(['":', '" :', "\\", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner),
    max_leaves=9,
)


def read(text: str) -> gate.InboundCall:
    call = gate.read(text.encode())
    assert isinstance(call, gate.InboundCall), call
    return call


@given(st.dictionaries(TEXT, VALUES), st.booleans(), st.booleans())
def test_no_frame_without_one_is_suspected(payload, spaced, ascii_only):
    message = [2, "1", "Heartbeat", payload]
    separators = (" , ", " : ") if spaced else (",", ":")
    text = json.dumps(message, separators=separators, ensure_ascii=ascii_only)
    assert not gate.has_duplicate_keys(read(text))


@pytest.mark.parametrize(
    "payload", ['{"a":1,"a":1}', '{"x":[{"b":2, "b" : 3}]}', '{"a":{"a":1},"b":"\\":","b":0}']
)
def test_one_that_names_a_key_twice_is_seen(payload):
    assert gate.has_duplicate_keys(read(f'[2,"1","Heartbeat",{payload}]'))
