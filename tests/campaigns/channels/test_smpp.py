import pytest

from campaigns.channels import gateway, others
from campaigns.channels.channel import ChannelAway, Outgoing, Verdict
from campaigns.models import InboundText, Message
from campaigns.services import arrivals, delivery
from customers.services import consent
from tests.campaigns.channels.gateways import Centre
from tests.campaigns.channels.texting import NUMBERS, make_people, make_texting
from tests.campaigns.ledger import states
from tests.makers import NOW

pytest.importorskip("smpplib")
pytestmark = pytest.mark.django_db


def test_texts_receipts_and_answers_over_one_session(settings):
    people = make_people()
    with Centre(receipts=True, incoming=[("33600000002", "STOP", 0)]) as centre:
        settings.SMS_URL = centre.url
        campaign = make_texting([people["ada"], people["eve"]])

        delivery.deliver(campaign.pk, now=NOW)
        arrivals.place_waiting(now=NOW)

    assert len(centre.texts) == 3, "two texts and the answer to STOP"
    assert b"no more messages" in centre.texts[-1]
    assert states(campaign) == {"delivered": 2}
    assert set(Message.objects.values_list("provider_id", flat=True)) >= {"smpp:1"}
    assert InboundText.objects.get().meaning == "stop"
    assert not consent.allows(people["bob"].pk, "sms", "marketing")


def test_each_status_has_its_verdict():
    with Centre(statuses=[0, 0x58, 0x0B, 0x45]) as centre:
        channel = others.SmppChannel(gateway.address(centre.url), lambda _said: None)
        batch = [Outgoing(n, "", NUMBERS["ada"], b"Hi") for n in range(4)]
        with channel.open() as session:
            found = list(session.send(batch))

    verdicts = [one.verdict for one in found]
    expected = [Verdict.ACCEPTED, Verdict.TRY_LATER, Verdict.REFUSED, Verdict.REFUSED]
    assert verdicts == expected
    assert [one.is_dead_address for one in found] == [False, False, True, False]


def test_a_wrong_password_is_told_without_it():
    with Centre() as centre:
        wrong = gateway.address(centre.url.replace("secret", "guessed-word"))
        channel = others.SmppChannel(wrong, lambda _said: None)
        with pytest.raises(ChannelAway) as refused, channel.open():
            pass

    assert "guessed-word" not in str(refused.value)
