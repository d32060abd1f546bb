import pytest

from campaigns.models import Offer, Variant
from campaigns.services import composing, contents
from campaigns.services.composing import Person
from tests.campaigns.ledger import BODY
from tests.makers import NOW, ago, make_campaign

pytestmark = pytest.mark.django_db
ADA = Person(7, "ada@example.com", "Ada")


def make_variant(campaign, name="A", **given):
    fields = {"created_at": NOW, "changed_at": NOW}
    return Variant.objects.create(campaign=campaign, name=name, **{**fields, **given})


@pytest.fixture
def campaign():
    return make_campaign(
        subject="News",
        preheader="",
        body=BODY,
        translations={"fr": {"subject": "Nouvelles"}, "fr-CA": {"preheader": "Chez vous"}},
    )


def said(campaign, **given):
    found = contents.content_of(campaign, **given)
    return found.subject, found.preheader


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("", ("News", "")),
        ("de", ("News", "")),
        ("fr", ("Nouvelles", "")),
        ("fr-FR", ("Nouvelles", "")),
        ("fr_CA", ("Nouvelles", "Chez vous")),
        ("FR-ca", ("Nouvelles", "Chez vous")),
        ("../etc", ("News", "")),
    ],
)
def test_a_reader_gets_the_nearest_language_there_is(campaign, language, expected):
    assert said(campaign, language=language) == expected


def test_what_a_variant_does_not_say_is_as_in_the_campaign(campaign):
    offer = Offer.objects.create(name="Half", kind="percent", share="0.5", created_at=ago(1))
    bold = make_variant(
        campaign, subject="Bold", offer=offer, translations={"fr": {"subject": "Hardi"}}
    )

    found = contents.content_of(campaign, variant_id=bold.pk)

    assert (found.subject, found.body, found.offer) == ("Bold", BODY, offer)
    assert said(campaign, variant_id=bold.pk, language="fr-CA") == ("Hardi", "Chez vous")
    bold.translations = {}
    bold.save()
    assert said(campaign, variant_id=bold.pk, language="fr")[0] == "Bold", "arms differ for all"


def test_a_step_with_one_variant_needs_no_id(campaign):
    make_variant(campaign, step=2, subject="Second letter")

    assert said(campaign, step=2)[0] == "Second letter"
    assert said(campaign, step=1)[0] == "News"


def test_one_run_writes_messages_of_several_steps_variants_and_languages(campaign):
    make_variant(campaign, step=1, subject="First, {{ customer.first_name }}")
    second = make_variant(campaign, step=2, subject="You left {{ event.product }}")
    composer = composing.Composer(campaign)

    def subject(**given) -> str:
        data = composer.write(1, Person(7, "ada@example.com", "Ada", **given), now=NOW).data
        return next(line for line in data.decode().splitlines() if line.startswith("Subject"))

    assert subject(step=1) == "Subject: First, Ada"
    assert subject(step=2, variant_id=second.pk, data={"product": "a mug"}) == (
        "Subject: You left a mug"
    )
    assert subject(language="fr-CH") == "Subject: Nouvelles"


def test_each_text_is_compiled_once_and_languages_without_words_share_one(campaign, monkeypatch):
    made = []
    compiled = composing.compiled
    monkeypatch.setattr(composing, "compiled", lambda *one: made.append(one) or compiled(*one))
    composer = composing.Composer(campaign)

    for language in ("", "de", "it", "fr", "fr-BE", "fr", ""):
        composer.render(Person(7, "ada@example.com", language=language), now=NOW)

    assert len(made) == 2, "the base and French"


def test_a_broken_translation_concerns_its_readers_alone(campaign):
    campaign.translations = {"fr": {"subject": "{{ nobody.knows }}"}}
    composer = composing.Composer(campaign)

    with pytest.raises(composing.render.RenderError, match=r"nobody\.knows"):
        composer.write(1, Person(7, "ada@example.com", language="fr"), now=NOW)
    assert composer.write(1, ADA, now=NOW).data


def test_a_message_speaks_of_the_offer_that_its_coupon_gives(campaign):
    campaign.offer = Offer.objects.create(name="Fifth", kind="percent", share="0.2", created_at=NOW)
    chosen = Offer.objects.create(name="Tenth", kind="percent", share="0.1", created_at=NOW)
    campaign.subject = "{{ offer.percent }} %: {{ offer.code }}"
    composer = composing.Composer(campaign)
    given = {"code": "X1", "offer_id": chosen.pk}

    assert composer.render(Person(7, "a@example.com", **given), now=NOW).subject == "10 %: X1"
    assert composer.render(Person(7, "a@example.com", code="Y"), now=NOW).subject == "20 %: Y"
