import pytest
from django.core.cache import cache

from campaigns.messages.render import TemplateError
from campaigns.models import Template
from campaigns.services import documents, picks
from campaigns.services.composing import Composer, Person
from customers.models import OrderLine
from tests.makers import NOW, ago, make_campaign, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db


def blocks(*given):
    return {"version": 1, "blocks": list(given)}


def text(html):
    return {"kind": "text", "html": html}


def make_snippet(name="Foot", **given):
    fields = {"kind": "snippet", "created_at": NOW, "changed_at": NOW}
    return Template.objects.create(name=name, **{**fields, **given})


def test_blocks_make_the_body_of_a_campaign_snippets_and_products_put_in():
    mug = make_product("mug", url="https://shop.example/mug")
    gone = make_product("cup", is_available=False)
    foot = make_snippet(
        blocks=blocks(text("Bye")), translations={"fr": {"blocks": blocks(text("Salut"))}}
    )
    campaign = make_campaign(
        subject="S",
        translations={"fr": {"subject": "Sujet"}},
        blocks=blocks(
            text("Hi {{ customer.first_name }}"),
            {"kind": "products", "ids": [gone.pk, mug.pk]},
            {"kind": "snippet", "snippet": foot.pk},
        ),
    )
    composer = Composer(campaign)

    found = composer.render(Person(1, "a@example.com", "Ada"), now=NOW)
    french = composer.render(Person(1, "a@example.com", "Ada", language="fr"), now=NOW)

    assert "Hi Ada" in found.text and "Bye" in found.text
    assert "Mug" in found.text and "€10.00" in found.text and "Cup" not in found.text
    assert (french.subject, "Salut" in french.text) == ("Sujet", True)


def test_a_document_that_cannot_be_read_names_the_snippet_and_the_path():
    bad = make_snippet("Bad", blocks=blocks({"kind": "poem"}))
    with pytest.raises(TemplateError, match=r"snippet “Bad”, blocks\[0\]\.kind"):
        documents.mjml(blocks({"kind": "snippet", "snippet": bad.pk}))
    template = make_snippet("Not one", kind="template", body="<mj-text>x</mj-text>")
    with pytest.raises(TemplateError, match="There is no snippet"):
        documents.mjml(blocks({"kind": "snippet", "snippet": template.pk}))


def bought(customer, *names, days_ago=5):
    order = make_order(customer, days_ago=days_ago, product=make_product(names[0]))
    for position, name in enumerate(names[1:], 2):
        OrderLine.objects.create(
            order=order, position=position, product=make_product(name), quantity=1,
            unit_price=5, happened_at=order.happened_at, recorded_at=order.recorded_at,
        )  # fmt: skip


def test_products_are_picked_for_each_person_and_never_what_she_has():
    cache.clear()
    ada, bob, eve = (make_customer(name) for name in ("ada", "bob", "eve"))
    make_product("pen", category="Office")
    bought(bob, "mug", "cup", "pen")
    bought(bob, "mug", "cup", days_ago=9)
    bought(ada, "mug", days_ago=3)

    found = picks.picks([ada.pk, bob.pk, eve.pk], now=NOW)

    def names(person, kind):
        return [one["name"] for one in found[person.pk][kind]]

    assert names(ada, "bought_with") == ["Cup", "Pen"], "the commonest first"
    assert names(ada, "favourite") == ["Cup"], "of the kitchen, not the mug she has"
    assert names(bob, "bought_with") == []
    assert eve.pk not in found


def test_picks_are_looked_up_once_for_a_group(django_assert_num_queries):
    cache.clear()
    people = [make_customer(name) for name in ("ada", "bob", "eve")]
    for one in people:
        bought(one, "mug", days_ago=3)
    bought(make_customer("flo"), "mug", "cup")
    campaign = make_campaign(
        subject="S", blocks=blocks({"kind": "products", "source": "bought_with"})
    )
    composer = Composer(campaign)
    written = [Person(one.pk, one.email) for one in people]

    with django_assert_num_queries(4):
        composer.prepare(written, now=NOW)
    with django_assert_num_queries(0):
        found = [composer.render(one, now=NOW).text for one in written]
    assert all("Cup" in one for one in found)


def test_a_name_that_carries_an_address_is_left_out():
    campaign = make_campaign(subject="Hi {{ customer.first_name }}", blocks=blocks(text("x")))
    evil = Person(1, "a@example.com", "Win at https://evil.example", "www.evil.example")

    assert Composer(campaign).render(evil, now=ago(0)).subject == "Hi"
