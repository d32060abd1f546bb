"""Reading a call is json.loads, message by message."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.collect import bodies
from customers.collect.bodies import Unreadable

VALUES = st.recursive(
    st.none()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from(["batch", "sentAt", "x", ""]), VALUES)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_a_body_is_read_as_json_loads_reads_it(body, indent, ascii_only):
    text = json.dumps(body, indent=indent, ensure_ascii=ascii_only)
    try:
        content = text.encode()
    except UnicodeEncodeError:
        return  # half of a surrogate pair is no UTF-8

    found = bodies.parse(content)

    if isinstance(body.get("batch"), list) and body["batch"]:
        spelled = [found.text(place) for place in range(len(body["batch"]))]
        assert [json.loads(each) for each in spelled] == json.loads(text)["batch"]
        found.fields["batch"] = [bodies.value(item) for item in found.fields["batch"]]
    if "\\u0000" not in text and "\\ud" not in text.lower():
        assert found.fields == json.loads(text)


BROKEN = ['{"a":1', '{"a" 1}', '{"a":1,}', '{"a":}', '{"batch":[1,]}', '{"batch":[1 2]}', "{} {}"]
BROKEN += ['{"batch":[1}', "{1:2}", "", " ", '{"a":1 "b":2}', '{"batch":[', "nul", '"text"']


@pytest.mark.parametrize("text", BROKEN)
def test_what_json_refuses_is_refused(text):
    with pytest.raises(Unreadable, match=r"^The body is not JSON: .+\.$"):
        bodies.parse(text.encode())
