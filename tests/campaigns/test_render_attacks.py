"""Templates and values from people who mean harm."""

import time

import pytest

from campaigns.messages import render
from campaigns.messages.render import RenderError, TemplateError
from campaigns.messages.sandbox import safe_address
from tests.campaigns.test_render import ADA, faults, rendered, text

EVIL = "<script>alert('x')</script>\"'&"


class Account:
    """An object that must give nothing away."""

    password_hash = "pbkdf2$secret"

    def delete(self) -> str:
        raise AssertionError("called")

    def __str__(self) -> str:
        return "an account"


def test_values_are_escaped_wherever_html_shows_them():
    body = text(
        "{{ customer.first_name }} {% assign x = customer.first_name %}{{ x }} "
        "{% capture y %}{{ customer.first_name }}{% endcapture %}{{ y }}"
        '<a href="https://a.example/{{ customer.first_name }}" '
        'title="{{ customer.first_name }}">a</a>'
        "{{ customer.first_name | upcase }} {{ customer.first_name | replace: 'x', '<b>' }}"
        "{{ customer.first_name | append: customer.first_name | newline_to_br | url_decode }}"
    )

    found = rendered(body, {**ADA, "customer": {"first_name": EVIL}}, link=lambda _, to: to)

    assert "<script" not in found.html.lower()
    assert 'title="&lt;script' in found.html
    assert "<b>" not in found.html


@pytest.mark.parametrize("filter_name", ["safe", "escapejs"])
def test_escaping_cannot_be_switched_off(filter_name):
    assert "Unknown filter" in faults(text(f"{{{{ customer.first_name | {filter_name} }}}}"))[0]


def test_nothing_is_reached_but_plain_values():
    body = text(
        "[{{ customer.traits.who.password_hash }}{{ customer.traits.who.delete }}"
        "{{ customer.traits.who.__class__ }}{{ customer.traits.__class__.__mro__ }}]"
    )

    found = rendered(body, {**ADA, "customer": {"traits": {"who": Account()}}})

    assert "[]" in found.html


def test_a_line_break_cannot_start_another_header():
    values = {**ADA, "customer": {"first_name": "Ada\r\nBcc: all@example.com\u2028x\x00"}}

    found = rendered(text("x"), values, subject="{{ customer.first_name }}\n!")

    assert found.subject == "Ada Bcc: all@example.com x  !".replace("  ", " ")
    assert len(rendered(text("x"), subject="{{ customer.first_name }}" * 500).subject) <= 400


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "/relative",
        "https:///nowhere",
        "ftp://a.example",
        "http://[broken",
    ],
)
def test_no_link_leads_to_a_program_or_nowhere(address):
    assert safe_address(address) == "#"
    assert "leads nowhere" in faults(text(f'<a href="{address}">x</a>'))[0]
    values = {**ADA, "customer": {"first_name": address}}
    found = rendered(
        text('<a href="{{ customer.first_name }}">x</a>'), values, link=lambda _, to: to
    )
    assert 'href="#"' in found.html


@pytest.mark.parametrize(
    "inside",
    [
        "<script>x</script>",
        '<b onclick="x">y</b>',
        "<iframe></iframe>",
        '<form action="https://a.example"></form>',
        '<meta http-equiv="refresh" content="0" />',
        '<link rel="stylesheet" href="https://a.example/x.css" />',
    ],
)
def test_a_message_carries_no_programs_frames_or_forms(inside):
    assert "no programs" in faults(text(inside))[0]


def test_words_that_look_like_handlers_are_words():
    assert "buy one = get one" in rendered(text("buy one = get one")).html


def test_no_file_and_no_server_is_asked_while_compiling(tmp_path):
    secret = tmp_path / "secret.mjml"
    secret.write_text("<mj-text>secret</mj-text>")
    include = f'<mj-include path="{secret}" />'

    assert faults(text("x").replace("<mj-text>", f"{include}<mj-text>"))
    assert faults(text("{% render 'secret' %}")) and faults(text("{% include 'secret' %}"))
    # An address where nobody listens: asking would fail or take long.
    style = "<mjml><mj-head><mj-style>@import url(http://127.0.0.1:9/x.css);</mj-style></mj-head>"
    render.compile("Hi", "", text("x").replace("<mjml>", style))


BOMBS = {
    "loops in loops": "{% for a in (1..600) %}{% for b in (1..600) %}{% for c in (1..600) %}x"
    "{% endfor %}{% endfor %}{% endfor %}",
    "a huge range": "{% for a in (1..1000000000) %}x{% endfor %}",
    "a huge range in a filter": "{{ (1..1000000000) | join: 'x' }}",
    "a range turned round": "{% assign a = (1..1000000000) | reverse %}",
    "many loops": "{% for a in (1..9999) %}{% endfor %}" * 20,
    "work in a loop": "{% for a in (1..9999) %}{{ customer.traits.long | upcase | size }}"
    "{% endfor %}",
    "doubling a text": "{% assign a = 'xxxxxxxxxx' %}{% for i in (1..60) %}"
    "{% assign a = a | append: a %}{% endfor %}{{ a }}",
    "doubling in a capture": "{% assign a = 'xxxxxxxxxx' %}{% for i in (1..60) %}"
    "{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}",
    "replacing": "{{ 'xxxxxxxxxx'" + " | replace: 'x', 'xxxxxxxxxx'" * 12 + " }}",
    "replacing nothing": "{{ 'xxxxxxxxxx'" + " | replace: '', 'xxxxxxxxxx'" * 12 + " }}",
    "joining": "{{ customer.traits.long | split: '' | join: customer.traits.long }}",
    "encoding": "{{ 'x'" + " | base64_encode" * 200 + " }}",
    "a huge number": "{% assign a = 99999 %}{% for i in (1..60) %}{% assign a = a | times: a %}"
    "{% endfor %}{{ a }}",
    "a number from a text": "{{ '1e999999999' | ceil }}",
    "a wide date": "{{ 'now' | date: '%999999999d' }}",
    "a long output": "{% for a in (1..9000) %}{{ customer.traits.long }}{% endfor %}",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_stopped_soon(bomb):
    values = {**ADA, "customer": {"traits": {"long": "x" * 9_000}}}
    started = time.perf_counter()

    try:
        compiled = render.compile("Hi", "", text(BOMBS[bomb]))
        html = compiled.render(values).html
    except (TemplateError, RenderError):
        html = ""

    assert len(html) < 20_000
    # The slowest takes a third of a second on a quiet core; others may be busy beside us.
    assert time.perf_counter() - started < 5


HUGE = {
    "blocks in blocks": "{% if 1 %}" * 500 + "x" + "{% endif %}" * 500,
    "tags in tags": "<b>" * 15_000 + "</b>" * 15_000,  # would overflow the compiler's stack
    "outputs that do not end": "{{" * 40_000,
    "tags that do not end": "{%" * 40_000,
    "raw that does not end": "{% raw %}" * 15_000,
    "angles": "<" * 140_000,
    "comments": "<!--" * 30_000,
    "a long body": "x" * 200_000,
}


@pytest.mark.parametrize("huge", HUGE)
def test_a_body_that_would_take_for_ever_is_refused_soon(huge):
    started = time.perf_counter()

    assert faults(text(HUGE[huge]))

    assert time.perf_counter() - started < 5


def test_the_clock_of_this_machine_is_not_a_value():
    found = rendered(text("[{{ 'now' | date: '%Y' }}{{ now | date: '%Y' }}{{ today }}]"))

    assert "[]" in found.html
