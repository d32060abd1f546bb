"""The command line lists, asks, launches and reports."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Campaign
from campaigns.services import planning
from tests.makers import NOW, make_campaign, make_cast, make_segment

pytestmark = pytest.mark.django_db


def run(*words) -> str:
    out = StringIO()
    call_command("campaign", *map(str, words), stdout=out)
    return out.getvalue()


@pytest.fixture
def campaign():
    return make_campaign(make_segment(members=make_cast().values()))


def test_it_lists_campaigns_with_their_state(campaign):
    assert run("list").split() == [str(campaign.pk), "draft", "Spring"]


def test_a_dry_run_adds_up(campaign):
    lines = run("dry-run", campaign.pk).splitlines()

    numbers = [int(line.split()[0].replace(",", "")) for line in lines]
    assert sum(numbers[:-1]) == numbers[-1] == 3
    assert "-1  cannot be written to: no_consent" in "\n".join(lines)


def test_it_launches_and_says_why_not(campaign):
    assert "is launched" in run("launch", campaign.pk)
    assert Campaign.objects.get().state == "planning"

    with pytest.raises(CommandError, match="is planning, expected draft"):
        run("launch", campaign.pk)


def test_it_reports_to_people_and_to_programs(campaign):
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)

    words = run("report", campaign.pk)
    figures = json.loads(run("report", campaign.pk, "--json"))

    assert "Nobody was left alone" in words and "1  not sent: no_consent" in words
    assert figures["verdict"] == "no_holdout" and figures["funnel"]["planned"] == 3


def test_an_unknown_campaign_is_named():
    with pytest.raises(CommandError, match="no campaign 7"):
        run("report", 7)
