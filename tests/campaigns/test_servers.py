import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from campaigns.channels import chosen, several
from campaigns.channels.channel import ChannelAway, Outgoing, Verdict
from campaigns.models import Campaign, MailServer
from campaigns.services import delivery, servers
from rapport.models import AuditEntry
from rapport.sealed import Unsealable
from tests.campaigns.ledger import make_sending, states
from tests.campaigns.smtp import SmtpServer
from tests.makers import NOW, make_staff

pytestmark = pytest.mark.django_db
SECRET = "p/w: never shown 7"


@pytest.fixture(autouse=True)
def nothing_is_known_to_be_away():
    cache.clear()


@pytest.fixture
def two():
    with SmtpServer() as one, SmtpServer() as other:
        yield one, other


def add(**given) -> MailServer:
    fields = {"name": "Relay", "host": "127.0.0.1", "port": 2525, "security": "none"}
    return servers.create(**{**fields, **given}, user=None, now=NOW)


def mails(count: int) -> list[Outgoing]:
    return [
        Outgoing(number, "shop@example.com", f"c{number}@example.com", b"Subject: x\r\n\r\nhi\r\n")
        for number in range(count)
    ]


def send(groups: int) -> list[Verdict]:
    with chosen.email(lambda: NOW).open() as session:
        return [
            result.verdict
            for number in range(groups)
            for result in session.send(mails(3 * groups)[3 * number : 3 * number + 3])
        ]


def test_servers_share_by_weight(two, settings):
    one, other = two
    settings.EMAIL_URL = f"{one.url}?weight=3 {other.url}"

    assert send(8) == [Verdict.ACCEPTED] * 24

    assert (len(one.received), len(other.received)) == (18, 6)
    assert (one.connections, other.connections) == (1, 1)


def test_a_server_that_is_away_hands_its_share_to_the_others(two, settings):
    one, _other = two
    with SmtpServer() as gone:
        away = gone.url
    settings.EMAIL_URL = f"{away}?weight=9 {one.url}"

    assert send(4) == [Verdict.ACCEPTED] * 12

    assert len(one.received) == 12
    told = several.away(chosen.url_way(away).key)
    assert told["since"] == NOW and "127.0.0.1" in told["reason"]


def test_a_server_that_breaks_off_every_time_loses_its_share_and_no_message(two, settings):
    one, other = two
    one.rule = lambda verb, _words: "421 4.3.2 closing" if verb == "MAIL" else None
    settings.EMAIL_URL = f"{one.url} {other.url}"

    verdicts = send(12)

    assert verdicts.count(Verdict.TRY_LATER) == several.BREAKS_MOST
    assert verdicts.count(Verdict.NOT_TRIED) == 2 * several.BREAKS_MOST
    assert verdicts.count(Verdict.ACCEPTED) == len(other.received) == 36 - 3 * several.BREAKS_MOST


def test_only_when_all_are_away_the_campaign_pauses(settings, monkeypatch):
    monkeypatch.setattr(delivery, "AWAY_SECONDS", 0)
    with SmtpServer() as one, SmtpServer() as other:
        settings.EMAIL_URL = f"{one.url} {other.url}"
    campaign = make_sending(3)

    delivery.deliver(campaign.pk, now=NOW)

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.PAUSED
    assert campaign.state_reason.count("127.0.0.1") == 2
    assert states(campaign) == {"planned": 3}


def test_a_server_of_the_page_sends_and_counts(two):
    one, _other = two
    add(port=one.port)
    campaign = make_sending(5)

    delivery.deliver(campaign.pk, now=NOW)

    assert states(campaign) == {"sent": 5}
    assert several.taken_today(f"row:{MailServer.objects.get().pk}", now=NOW) == 5


def test_a_password_is_sealed_in_the_database_and_told_nowhere(settings):
    server = add(password=SECRET, security="tls", login="me")
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM campaigns_mailserver")
        stored = cursor.fetchone()[0]

    assert SECRET not in stored
    assert MailServer.objects.get().password == SECRET
    assert SECRET not in repr(server) + str(list(AuditEntry.objects.values_list("details")))
    assert SECRET not in repr(chosen.server_channel(server).server)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, for the old one was told to somebody"
    assert MailServer.objects.get().password == SECRET
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Unsealable):
        MailServer.objects.get()


@pytest.mark.parametrize(
    "given",
    [
        {"host": ""},
        {"host": "smtp.example.com/x"},
        {"weight": 0},
        {"login": "me", "password": SECRET},  # without TLS
        {"kind": "postmark"},  # without a token
        {"kind": "mailgun", "password": SECRET, "host": ""},
        {"kind": "sendgrid", "password": SECRET, "region": "mars"},
    ],
)
def test_a_server_that_could_not_be_used_is_refused_without_its_password(given):
    with pytest.raises(servers.WrongServer) as refusal:
        add(**given)

    assert SECRET not in str(refusal.value)
    assert not MailServer.objects.exists()


def test_a_stored_password_does_not_follow_to_another_host():
    server = add(password=SECRET, security="tls", login="me")

    with pytest.raises(servers.WrongServer, match="password again"):
        servers.edit(server, host="evil.example", user=None, now=NOW)
    servers.edit(MailServer.objects.get(), weight=2, user=None, now=NOW)

    kept = MailServer.objects.get()
    assert (kept.host, kept.weight, kept.password) == ("127.0.0.1", 2, SECRET)


def test_a_connection_is_tested_with_its_login():
    with SmtpServer(login=("me", SECRET)) as there:
        server = MailServer(
            kind="smtp", host="127.0.0.1", port=there.port, security="none", login="me"
        )
        server.password = SECRET
        assert servers.test(server) == ""
        server.password = "wrong"
        assert "535" in servers.test(server)
    assert "127.0.0.1" in servers.test(server)


@pytest.mark.parametrize("url", ["smtp://a.example?weight=0", "anymail+postmark://@", "smtp://"])
def test_an_address_that_says_nothing_usable_is_refused(url):
    with pytest.raises(ValueError):
        chosen.url_way(url)


def test_the_page_shows_servers_to_all_and_changes_them_for_admins_alone(settings):
    settings.EMAIL_URL = "smtp://me:hidden-word@relay.example:2525?weight=2"
    pages = {role: Client() for role in ("viewer", "manager", "admin")}
    for role, client in pages.items():
        client.force_login(make_staff(role))
    server = add(password=SECRET, security="tls", login="me")

    for role, client in pages.items():
        shown = client.get("/senders/").content.decode()
        assert "Relay" in shown and "relay.example:2525" in shown, role
        assert SECRET not in shown and "hidden-word" not in shown
        expected = 200 if role == "admin" else 403
        changed = client.get(f"/senders/{server.pk}/")
        assert changed.status_code == expected
        assert SECRET not in changed.content.decode()
    fields = {"name": "Relay 2", "kind": "smtp", "host": "127.0.0.1", "port": "2525"}
    fields |= {"security": "tls", "login": "me", "weight": "4", "password": "", "is_enabled": "on"}
    assert pages["manager"].post(f"/senders/{server.pk}/", fields).status_code == 403
    assert pages["admin"].post(f"/senders/{server.pk}/", fields).status_code == 302
    kept = MailServer.objects.get()
    assert (kept.name, kept.weight, kept.password) == ("Relay 2", 4, SECRET)
    assert pages["admin"].post(f"/senders/{server.pk}/delete/").status_code == 302
    assert not MailServer.objects.exists()


def test_the_api_takes_a_password_and_never_tells_it(client):
    client.force_login(make_staff("admin"))
    given = {"name": "P", "kind": "postmark", "password": SECRET, "weight": 2}

    made = client.post("/api/v1/senders/", given, content_type="application/json")
    listed = client.get("/api/v1/senders/")

    assert made.status_code == 201, made.content
    assert SECRET not in (made.content + listed.content).decode()
    assert MailServer.objects.get().password == SECRET
    limit = {"channel": "email", "domain": "gmail.com", "per_second": 5}
    assert client.post(
        "/api/v1/sending-limits/", limit, content_type="application/json"
    ).json() == {**limit, "per_hour": None}
    plan = {"domain": "shop.example", "starts_on": "2026-06-01"}
    assert (
        client.post("/api/v1/warm-ups/", plan, content_type="application/json").status_code == 200
    )
    client.force_login(make_staff("manager"))
    assert client.get("/api/v1/senders/").status_code == 200
    refused = client.post("/api/v1/senders/", given, content_type="application/json")
    assert refused.status_code == 403


def test_a_server_sealed_with_a_lost_key_is_away_in_words(settings):
    add(kind="postmark", password=SECRET)
    settings.SECRET_KEY = "another key altogether"

    with pytest.raises(ChannelAway, match="SECRET_KEY"):
        chosen.email(lambda: NOW)
