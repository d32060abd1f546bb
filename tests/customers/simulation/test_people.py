"""Invented people: nobody's address, real countries and time zones, and consent with proof."""

import zoneinfo
from ipaddress import ip_address, ip_network

import numpy as np

from customers.simulation.people import CONSENT_SHARE, COUNTRIES, PROOF_NETWORKS
from customers.simulation.plan import BEHAVIOURS
from tests.customers.simulation.conftest import Z_LIMIT


def test_types_have_the_shares_they_are_drawn_with(chunk):
    size = chunk.crowd.size
    for index, behaviour in enumerate(BEHAVIOURS):
        found = (chunk.crowd.behaviour == index).mean()
        error = np.sqrt(behaviour.share * (1 - behaviour.share) / size)
        assert abs(found - behaviour.share) < Z_LIMIT * error
    assert sum(each.share for each in BEHAVIOURS) == 1


def test_addresses_belong_to_nobody_and_to_one_customer_only(facts):
    emails = [row["email"] for row in facts["customers"] if row["email"]]

    assert {email.split("@")[1] for email in emails} == {
        "example.com",
        "example.net",
        "example.org",
    }
    assert len({email.lower() for email in emails}) == len(emails)
    assert all(email.isascii() for email in emails)
    assert 0.02 < 1 - len(emails) / len(facts["customers"]) < 0.04


def test_countries_and_time_zones_exist_and_vary(facts):
    found = {row["country"] for row in facts["customers"]}
    zones = {row["time_zone"] for row in facts["customers"]}

    assert found == set(COUNTRIES)
    assert zones == {zone for each in COUNTRIES.values() for zone in each[2]}
    assert zones <= zoneinfo.available_timezones()


def test_the_last_word_on_email_is_yes_for_seven_in_ten(facts):
    last: dict[str, bool] = {}
    for row in sorted(facts["consent"], key=lambda row: row["happened_at"]):
        last[row["customer_id"]] = row["is_granted"] == "true"
    size = len(facts["customers"])

    share = sum(last.values()) / size

    assert abs(CONSENT_SHARE - 0.7) < 0.01
    error = np.sqrt(CONSENT_SHARE * (1 - CONSENT_SHARE) / size)
    assert abs(share - CONSENT_SHARE) < Z_LIMIT * error
    assert 0 < sum(not yes for yes in last.values()) < size - len(last) + sum(last.values())


def test_every_word_carries_its_proof(facts):
    documentation = [ip_network(f"{net}.0/24") for net in PROOF_NETWORKS]
    for row in facts["consent"]:
        assert row["proof_text"] and row["proof_url"].startswith("https://shop.example.com/")
        assert any(ip_address(row["proof_ip"]) in network for network in documentation)
        assert (row["channel"], row["topic"]) == ("email", "marketing")


def test_only_people_with_an_address_were_asked(facts):
    with_email = {row["external_id"] for row in facts["customers"] if row["email"]}

    assert {row["customer_id"] for row in facts["consent"]} <= with_email


def test_a_withdrawal_comes_after_its_yes(facts):
    words: dict[str, list[tuple[str, str]]] = {}
    for row in facts["consent"]:
        words.setdefault(row["customer_id"], []).append((row["happened_at"], row["is_granted"]))
    twice = [each for each in words.values() if len(each) > 1]

    assert len(twice) > 500
    for (first, yes), (second, no) in twice:
        assert first < second and (yes, no) == ("true", "false")
