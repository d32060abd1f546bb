import string
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.messages import links
from campaigns.messages.links import CLICK, OPEN, UNSUBSCRIBE, BadToken

KEY = b"a key of this installation"
DAY = date(2026, 6, 1)
ADDRESS = "https://shop.example/sale?a=1.5&b=ü"  # so long that base64 has unread bits at the end


def click_token() -> str:
    return links.write(KEY, CLICK, 7, day=DAY, number=3, address=ADDRESS)


@given(
    message_id=st.integers(0, 2**63 - 1),
    number=st.integers(0, 1_000),
    days=st.integers(0, 20_000),
    address=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)
def test_a_token_says_what_was_written_into_it(message_id, number, days, address):
    day = links.FIRST_DAY + timedelta(days=days)

    token = links.write(KEY, CLICK, message_id, day=day, number=number, address=address)

    assert links.read(KEY, CLICK, token) == links.Token(message_id, day, number, address)


def test_no_letter_of_a_token_can_be_changed():
    token = click_token()
    alphabet = string.ascii_letters + string.digits + "-_"

    for at, letter in enumerate(token):
        for other in alphabet:
            if other != letter:
                with pytest.raises(BadToken):
                    links.read(KEY, CLICK, token[:at] + other + token[at + 1 :])


@pytest.mark.parametrize("cut", [0, 1, 10, 17, -1])
def test_a_part_of_a_token_is_no_token(cut):
    with pytest.raises(BadToken):
        links.read(KEY, CLICK, click_token()[:cut])


@pytest.mark.parametrize(
    "forged", ["", "x", "=" * 9, "ü" * 40, "A" * 5_000, "A" * 40, "../../etc", "%00", "\x00"]
)
def test_nonsense_is_no_token(forged):
    with pytest.raises(BadToken, match="not one of our links"):
        links.read(KEY, CLICK, forged)


@pytest.mark.parametrize("purpose", [OPEN, UNSUBSCRIBE])
def test_a_token_serves_one_purpose(purpose):
    with pytest.raises(BadToken):
        links.read(KEY, purpose, click_token())


def test_another_installations_token_is_refused():
    with pytest.raises(BadToken):
        links.read(b"another key", CLICK, click_token())


def test_a_token_expires_after_its_days_and_an_unlimited_one_never():
    token, last = click_token(), DAY + timedelta(days=30)

    assert links.read(KEY, CLICK, token, today=last, most_days=30).message_id == 7
    with pytest.raises(BadToken):
        links.read(KEY, CLICK, token, today=last + timedelta(days=1), most_days=30)
    assert links.read(KEY, CLICK, token).message_id == 7


def test_the_token_of_a_pixel_is_short():
    assert len(links.write(KEY, OPEN, 10_000_000, day=DAY)) <= 36


@pytest.mark.parametrize(
    "fields",
    [{"day": date(2019, 1, 1)}, {"message_id": -1}, {"number": -1}, {"address": "x" * 2_001}],
)
def test_what_no_link_can_say_is_refused(fields):
    with pytest.raises(ValueError, match="no link can be made"):
        links.write(KEY, CLICK, **{"message_id": 1, "day": DAY, **fields})
