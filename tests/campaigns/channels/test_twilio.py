import logging

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from twilio.request_validator import RequestValidator
from twilio.rest import Client as TwilioClient

from campaigns.channels import gateway, reports, twilio
from campaigns.channels.channel import Outgoing
from campaigns.models import InboundText, Message, Outcome
from campaigns.services import delivery
from customers.models import Event, Suppression
from customers.services import consent
from tests.campaigns.channels.texting import NUMBERS, make_people, make_texting
from tests.campaigns.fake_twilio import ACCOUNT, NUMBER, TOKEN, FakeTwilio
from tests.campaigns.ledger import states
from tests.makers import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def listening():
    with FakeTwilio() as double:
        yield double


@pytest.fixture
def double(listening, settings):
    listening.stopped, listening.unreachable, listening.hangs_up = set(), {}, set()
    listening.refusals, listening.sent = 0, []
    settings.SMS_URL = listening.url
    settings.SITE_URL = "https://crm.shop.example"
    gateway._rests.clear()
    return listening


def test_the_double_is_spoken_to_by_twilios_own_library_as_well(double):
    found = TwilioClient(ACCOUNT, TOKEN)
    found.api.base_url = double.api

    made = found.messages.create(to=NUMBERS["ada"], from_=NUMBER, body="Hello")

    assert made.sid == double.sent[0]["sid"] and made.status == "queued"


def test_texts_leave_and_what_became_of_them_comes_back_in_any_order_and_twice(double):
    people = make_people()
    campaign = make_texting(list(people.values()))
    double.unreachable = {NUMBERS["bob"]: "30005", NUMBERS["eve"]: "30003"}

    delivery.deliver(campaign.pk, now=NOW)
    told = list(double.callbacks())
    answers = [double.tell(Client(), *one).status_code for one in [*reversed(told), *told]]

    assert set(answers) == {204}
    found = dict(Message.objects.values_list("customer__first_name", "state"))
    assert found == {"Ada": "delivered", "Bob": "bounced", "Eve": "bounced"}
    sids = set(Message.objects.values_list("provider_id", flat=True))
    assert sids == {one["sid"] for one in double.sent} and len(sids) == 3
    assert Outcome.objects.filter(kind="delivered").count() == 1
    names = set(Event.objects.filter(source="rapport").values_list("name", flat=True))
    assert names == {"SMS Sent", "SMS Delivered", "SMS Bounced"}
    assert consent.suppressed(NUMBERS.values(), channel="sms") == {NUMBERS["bob"]}
    text = next(one["Body"] for one in double.sent if one["To"] == NUMBERS["ada"])
    assert text.startswith("Hello Ada! See https://crm.shop.example/m/s/")


def test_who_has_stopped_at_the_provider_is_refused_and_never_tried_again(double):
    people = make_people()
    campaign = make_texting([people["ada"], people["bob"]])
    double.stopped = {NUMBERS["ada"]}

    delivery.deliver(campaign.pk, now=NOW)

    assert states(campaign) == {"failed:refused": 1, "sent": 1}
    assert Message.objects.get(state="failed").detail.startswith("21610")
    assert consent.suppressed([NUMBERS["ada"]], channel="sms")


def test_being_asked_for_patience_costs_nobody_a_message(double):
    people = make_people()
    campaign = make_texting(list(people.values()))
    double.refusals = 1

    delivery.deliver(campaign.pk, now=NOW)
    late = Message.objects.get(state="planned")
    delivery.deliver(campaign.pk, now=late.due_at)

    assert (late.tries, late.reason) == (1, "")
    assert states(campaign) == {"sent": 3}
    assert sorted(one["To"] for one in double.sent) == sorted(NUMBERS.values())


def test_a_lost_answer_leaves_the_message_unknown(double):
    people = make_people()
    campaign = make_texting([people["ada"], people["bob"]])
    double.hangs_up = {NUMBERS["bob"]}

    delivery.deliver(campaign.pk, now=NOW)
    delivery.deliver(campaign.pk, now=NOW)

    assert states(campaign) == {"sent": 1, "unknown:connection_lost": 1}
    assert [one["To"] for one in double.sent] == [NUMBERS["ada"]]


def test_a_wrong_token_tries_nobody_and_stands_in_no_log(double, settings, caplog):
    wrong = gateway.address(double.url.replace(TOKEN, "a-wrong-token"))
    channel = gateway.GatewayChannel(twilio.Twilio(wrong, str))
    with caplog.at_level(logging.DEBUG), channel.open() as session:
        (result,) = session.send([Outgoing(1, "", NUMBERS["ada"], b"Hi")])

    assert result.verdict.value == "not_tried"
    with pytest.raises(gateway.ChannelAway, match="does not know"), channel.open():
        pass
    assert "a-wrong-token" not in caplog.text


@pytest.mark.parametrize("how", ["token", "url", "params", "none", "message"])
def test_a_callback_that_twilio_did_not_sign_changes_nothing(double, how):
    people = make_people()
    campaign = make_texting([people["ada"]])
    delivery.deliver(campaign.pk, now=NOW)
    url, said = list(double.callbacks())[-1]
    signature = RequestValidator("guessed" if how == "token" else TOKEN).compute_signature(
        "https://elsewhere.example" if how == "url" else url, said
    )
    if how == "params":
        said["MessageStatus"] = "failed"
    if how == "message":  # a signed address of another message that we never made
        url = url.replace("/status/", "/status/x")
    headers = {} if how == "none" else {"X-Twilio-Signature": signature}

    answer = Client().post(url.removeprefix("https://crm.shop.example"), said, headers=headers)

    assert answer.status_code == 404
    assert states(campaign) == {"sent": 1}


def test_stop_and_start_by_text(double):
    people = make_people()
    campaign = make_texting([people["ada"]])
    delivery.deliver(campaign.pk, now=NOW)
    Message.objects.update(sent_at=timezone.now())
    url, client = reports.inbound_url("twilio"), Client()

    first = double.inbound(client, url, NUMBERS["ada"], " Stop ", "SM1")
    again = double.inbound(client, url, NUMBERS["ada"], " Stop ", "SM1")

    assert first.status_code == 200 and b"no more messages" in first.content
    assert first.content == again.content and InboundText.objects.count() == 1
    assert not consent.allows(people["ada"].pk, "sms", "marketing")
    assert consent.suppressed([NUMBERS["ada"]], channel="sms")
    assert Outcome.objects.filter(kind="unsubscribe").count() == 1

    double.inbound(client, url, NUMBERS["ada"], "START", "SM2")

    assert consent.allows(people["ada"].pk, "sms", "marketing")
    assert not Suppression.objects.exists()


def test_our_signature_is_that_of_twilios_library():
    params = QueryDict("To=%2B1+2&Body=%C3%BCn%C3%AF+%26+co&MediaUrl=b&MediaUrl=a&MediaUrl=a&E=")
    for url in ("https://crm.shop.example/v1/x?a=b&c=d", "https://crm.shop.example/v1/x"):
        theirs = RequestValidator(TOKEN).compute_signature(url, params)
        assert twilio.signature(TOKEN, url, dict(params.lists())) == theirs
