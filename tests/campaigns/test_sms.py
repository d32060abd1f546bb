import pytest

from campaigns.messages import sms
from campaigns.messages.render import RenderError, TemplateError

VALUES = {
    "customer": {"first_name": "Ada", "traits": {"slug": "mugs"}},
    "shop": {"url": "https://shop.example", "name": "Shop"},
    "event": {"host": "evil.example"},
}


def brute_force(text: str) -> int:
    """Segments by cutting one after the other."""
    gsm = all(one in sms.GSM | sms.GSM_EXTENSION for one in text)
    width = (lambda one: 2 if one in sms.GSM_EXTENSION else 1) if gsm else (
        lambda one: len(one.encode("utf-16-le")) // 2
    )  # fmt: skip
    if sum(map(width, text)) <= (160 if gsm else 70):
        return 1 if text else 0
    parts, room = 1, 153 if gsm else 67
    for one in text:
        if width(one) > room:
            parts, room = parts + 1, 153 if gsm else 67
        room -= width(one)
    return parts


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "left"),
    [
        ("", "GSM-7", 0, 160),
        ("a" * 160, "GSM-7", 1, 0),
        ("a" * 161, "GSM-7", 2, 145),
        ("a" * 306, "GSM-7", 2, 0),
        ("a" * 307, "GSM-7", 3, 152),
        ("€" * 80, "GSM-7", 1, 0),
        ("a" * 152 + "€" * 5, "GSM-7", 2, 143),  # the sign is not split: one septet is lost
        ("Привет", "UCS-2", 1, 64),
        ("я" * 71, "UCS-2", 2, 63),
        ("😀" * 35, "UCS-2", 1, 0),
        ("я" * 66 + "😀" * 3, "UCS-2", 2, 61),
    ],
)
def test_segments_are_those_of_the_standard(text, encoding, segments, left):
    found = sms.size(text)

    assert (found.encoding, found.segments, found.left) == (encoding, segments, left)
    assert found.segments == brute_force(text)


def test_one_typographic_sign_halves_what_fits_and_can_be_said_simply():
    text = "It’s “on” – now… " + "a" * 140

    assert sms.size(text).segments == 3
    assert sms.size(text).foreign == ("’", "“", "”", "–", "…")
    assert sms.size(sms.simpler(text)).segments == 1


def written(source: str, values=VALUES) -> str:
    return sms.compile(source).write(values, lambda number, address: f"<{number} {address}>")


def test_the_links_an_author_wrote_become_short_ones():
    assert written("See https://shop.example/sale.") == "See <1 https://shop.example/sale>."
    assert written("{{ shop.url }}") == "<1 https://shop.example>"
    found = written("https://shop.example/{{ customer.traits.slug }}?a=1, yes")
    assert found == "<1 https://shop.example/mugs?a=1>, yes"


def test_an_address_that_came_with_a_value_never_appears_under_our_domain():
    evil = {**VALUES, "customer": {"first_name": "https://evil.example/", "traits": {}}}

    assert written("Hi {{ customer.first_name }}", evil) == "Hi https://evil.example/"
    assert written("https://{{ event.host }}/x") == "https://evil.example/x"
    assert written("https://shop.example{{ event.host }}/") == "https://shop.exampleevil.example/"


def test_all_faults_are_named_and_what_fails_concerns_one_person():
    with pytest.raises(TemplateError, match=r"custmer\.x.*nofilter|nofilter.*custmer\.x"):
        sms.compile("{{ custmer.x }} {{ shop.name | nofilter }}")
    with pytest.raises(TemplateError, match="at most 2,000"):
        sms.compile("a" * 2_001)
    bomb = sms.compile("{% for a in (1..9999) %}{% for b in (1..9999) %}x{% endfor %}{% endfor %}")
    with pytest.raises(RenderError):
        bomb.write(VALUES)


def test_a_text_carries_no_control_characters():
    evil = {**VALUES, "customer": {"first_name": "A\x00\x1b[2J\x08b"}}

    assert sms.compile("Hi\r\n{{ customer.first_name }}").write(evil) == "Hi\nA  [2J b"
