"""An offer says how much; once its codes are out its terms stay."""

import doctest
from decimal import Decimal

import pytest

from campaigns.models import Offer
from campaigns.offers import choice, codes, limits, terms
from campaigns.offers.terms import Terms
from campaigns.services import offers, planning
from rapport.errors import Conflict
from tests.makers import NOW, make_campaign, make_crowd, make_segment


@pytest.mark.parametrize("module", [choice, codes, limits, terms])
def test_the_examples_in_the_docstrings_hold(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_no_sign_of_a_code_looks_like_another():
    assert len(set(codes.ALPHABET)) == 2**codes.BITS
    assert not set("01OI") & set(codes.ALPHABET)


def test_a_number_too_large_for_its_code_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        codes.spell(32**8)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Terms("percent"), "above 0 and up to 1, found None"),
        (Terms("percent", share=Decimal("1.5")), "found 1.5"),
        (Terms("amount", amount=Decimal(-5), currency="EUR"), "above 0, found -5"),
        (Terms("amount", amount=Decimal(5)), "needs its currency"),
        (Terms("amount", amount=Decimal(5), currency="EURO"), "not a currency"),
        (Terms("free_shipping", code_prefix="no-dash"), "capital letters and digits"),
        (Terms("free_shipping", code_prefix="É"), "capital letters and digits"),
        (Terms("free_shipping", valid_days=0), "1 to 3650"),
        (Terms("loan"), "expected one of"),
        (Terms("gift"), "needs its name"),
        (Terms("points"), "above 0, found None"),
        (Terms("free_shipping", codes="static"), "for everybody must be"),
    ],
)
def test_terms_that_make_no_offer_are_named(wanted, words):
    assert words in " ".join(terms.faults(wanted))


def test_an_offer_is_said_in_words():
    assert terms.words(Terms("percent", share=Decimal("0.125"))) == "12.5% off"
    assert terms.words(Terms("amount", amount=Decimal("7"), currency="GBP")) == "£7.00 off"
    assert terms.words(Terms("free_shipping")) == "Free shipping"


def spring(**given):
    return offers.create(user=None, now=NOW, name="Spring", kind="percent", share=0.15, **given)


@pytest.mark.django_db
def test_prefix_and_currency_are_tidied():
    offer = offers.create(
        user=None,
        now=NOW,
        name=" Gift ",
        kind="amount",
        amount=5,
        currency="eur",
        code_prefix=" vip ",
    )

    assert (offer.name, offer.currency, offer.code_prefix) == ("Gift", "EUR", "VIP")


@pytest.mark.django_db
def test_an_offer_without_sense_is_refused():
    with pytest.raises(offers.OfferRefused, match="share above 0.*needs a name"):
        offers.create(user=None, now=NOW, name="", kind="percent")
    with pytest.raises(offers.OfferRefused, match="no field colour"):
        spring(colour="red")
    assert not Offer.objects.exists()


@pytest.mark.django_db
def test_terms_can_be_changed_until_codes_are_out_and_the_name_for_ever():
    offer = spring()
    offers.edit(offer, user=None, share=Decimal("0.2"))
    campaign = make_campaign(make_segment(members=make_crowd(1)), offer=offer)
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)

    with pytest.raises(Conflict, match="Codes of Spring are out"):
        offers.edit(offer, user=None, share=Decimal("0.5"))
    offers.edit(offer, user=None, name="Spring again")

    offer.refresh_from_db()
    assert (offer.share, offer.name) == (Decimal("0.2"), "Spring again")


@pytest.mark.django_db
def test_an_offer_in_use_cannot_be_deleted():
    used, unused = spring(), spring()
    make_campaign(offer=used)

    offers.delete(unused, user=None)
    with pytest.raises(Conflict, match="belongs to a campaign"):
        offers.delete(used, user=None)

    assert list(Offer.objects.all()) == [used]
