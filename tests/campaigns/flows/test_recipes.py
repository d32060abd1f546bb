"""Each recipe makes a draft that could be launched."""

import pytest

from campaigns.flows import language
from campaigns.flows.recipes import RECIPES
from campaigns.models import Campaign, Offer
from campaigns.services import readiness
from campaigns.services.flows import definitions, recipes
from rapport.errors import NotFound
from segments.models import Segment
from segments.rules import parse
from tests.makers import NOW

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_is_sound_and_says_something_at_each_send(recipe):
    flow = language.parse(recipe.definition(offer=1))

    assert {step.number for step in flow.sends} == set(recipe.texts)
    assert all(texts[part] for texts in recipe.texts.values() for part in ("subject", "body"))
    parse.parse(recipe.segment.rule)
    assert recipe.objective in Campaign.Objective.values
    assert recipe.metric in Campaign.Metric.values


@pytest.mark.parametrize("key", RECIPES)
def test_the_draft_is_ready_once_its_segment_has_members(key):
    campaign = recipes.create(key, user=None, now=NOW)
    Segment.objects.update(refreshed_at=NOW)

    assert campaign.kind == "flow"
    faults = readiness.faults(campaign)
    assert not [one for one in faults if "not been approved" not in one and "approve" not in one]
    assert definitions.current(campaign).number == 1


def test_a_segment_that_is_there_is_taken_and_an_offer_is_made():
    mine = Segment.objects.get(key="at-risk-of-leaving")  # a ready-made one

    campaign = recipes.create("win_back", name="Come back", user=None, now=NOW)

    assert campaign.name == "Come back"
    assert Segment.objects.get(key="at-risk-of-leaving") == mine
    flow = definitions.check(definitions.definition_of(campaign))
    assert flow.step(2).offer == Offer.objects.get().pk
    assert {one.step for one in campaign.variants.all()} == {3, 4, 6}


def test_an_unknown_recipe_is_not_found():
    with pytest.raises(NotFound):
        recipes.create("perpetual_motion", user=None, now=NOW)
