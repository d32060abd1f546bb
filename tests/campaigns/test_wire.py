from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.messages import render, wire
from tests.campaigns.test_render import ADA, mjml, text

BODY = text(
    "Dear {{ customer.first_name }}, " + "words and words. " * 20 + "{{ customer.last_name }}!"
    '<a href="https://shop.example/a?b=1&amp;c=é">Ünïcode</a>'
    "{% if customer.country == 'FR' %}\n.\n..\nFrom here\n{% endif %}"
)
PERSON = wire.Personal(
    "ada@example.com", "rapport-7", datetime(2026, 6, 1, 8, tzinfo=UTC), "https://r.example/m/u/x"
)
COMPILED = render.compile("{{ customer.first_name }}", "", BODY)
FORM = wire.Form(COMPILED, sender_name="Café, „Zoë“", sender_email="shop@example.com")


def written(first_name: str = "Ada", last_name: str = "L") -> tuple[bytes, EmailMessage, dict]:
    values = {
        **ADA,
        "customer": {"first_name": first_name, "last_name": last_name, "country": "FR"},
    }
    data = FORM.write(PERSON, values)
    return data, message_from_bytes(data, policy=policy.default), values  # type: ignore[return-value]


def lines(content: str) -> list[str]:
    return content.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


# What JSON can hold, without the control characters that XML and mail have no place for.
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300) | st.sampled_from(
    [".", "..", "= ", "a\n.\nb", "x" * 400, "=20", "é" * 200, " lead and trail ", "a\r\nb\rc"]
)


@given(first=NAMES, last=NAMES)
def test_the_bytes_parse_back_to_what_was_rendered(first, last):
    data, parsed, values = written(first, last)

    rendered = COMPILED.render(values)

    assert not parsed.defects
    assert lines(parsed.get_body(("plain",)).get_content()) == lines(rendered.text)
    assert lines(parsed.get_body(("html",)).get_content()) == lines(rendered.html)
    assert max(len(line) for line in data.split(b"\r\n\r\n", 1)[1].split(b"\r\n")) <= 76
    assert b"\n" not in data.replace(b"\r\n", b"") and b"\r" not in data.replace(b"\r\n", b"")
    assert max(len(line) for line in data.split(b"\r\n")) <= 998
    data.decode("ascii")


@pytest.mark.parametrize(
    "subject", ["Hello", "Grüße an Zoë", "日本語" * 30, "=?utf-8?q?x?=", "x" * 390]
)
def test_the_subject_arrives_as_written(subject):
    _data, parsed, _values = written(subject)

    assert parsed["Subject"] == subject


def test_a_name_cannot_write_a_header_of_its_own():
    data, parsed, _values = written("Ada\r\nBcc: everybody@example.com\r\n\r\nhello")

    assert parsed["Bcc"] is None
    assert parsed["Subject"] == "Ada Bcc: everybody@example.com hello"
    assert b"\r\nBcc:" not in data.split(b"\r\n\r\n")[0]


def test_the_headers_say_who_to_whom_when_and_how_to_leave():
    _data, parsed, _values = written()

    assert parsed["From"].addresses[0].display_name == "Café, „Zoë“"
    assert parsed["From"].addresses[0].addr_spec == "shop@example.com"
    assert parsed["To"] == "ada@example.com"
    assert parsed["Date"].datetime == PERSON.date
    assert parsed["Message-ID"] == "<rapport-7@example.com>"
    assert parsed["List-Unsubscribe"] == "<https://r.example/m/u/x>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]


def test_the_same_message_is_the_same_bytes():
    assert written()[0] == written()[0]


@pytest.mark.parametrize(
    "address",
    [
        *("", "ada", "@example.com", "ada@", "a b@example.com", "a@b@c", "<ada@example.com>"),
        *("ada@exa mple.com", "ada@-x.com-", "zoë@example.com", "a..b@example.com"),
        "ada@example.com\r\nRCPT TO:<x@y>",
    ],
)
def test_what_is_no_address_is_never_put_into_an_envelope(address):
    with pytest.raises(wire.AddressError):
        wire.address(address)


def test_a_template_of_loops_parses_back_too():
    body = mjml(
        "{% for cup in customer.traits.cups %}"
        "<mj-text>{{ cup }} {{ customer.first_name }}</mj-text>{% endfor %}"
    )
    compiled = render.compile("Hi", "", body)
    values = {**ADA, "customer": {"first_name": "Ada", "traits": {"cups": ["é", ".", "x" * 99]}}}
    form = wire.Form(compiled, sender_name="", sender_email="shop@example.com")

    parsed = message_from_bytes(form.write(PERSON, values), policy=policy.default)

    rendered = compiled.render(values)
    assert lines(parsed.get_body(("html",)).get_content()) == lines(rendered.html)
    assert lines(parsed.get_body(("plain",)).get_content()) == lines(rendered.text)
    assert parsed["From"] == "shop@example.com"
