"""The house: which way imports point, which rooms are pure, and who may write which table."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "rapport": set(),
    "customers": {"rapport"},
    "segments": {"rapport", "customers"},
    "campaigns": {"rapport", "customers", "segments"},
}
HOME = {"rapport": ROOT / "platform" / "rapport"} | {
    app: ROOT / app for app in ("customers", "segments", "campaigns")
}
PURE = [
    ROOT / room
    for room in (
        "customers/features",
        "customers/simulation",
        "segments/rules",
        "segments/estimators",
        "segments/recipes",
        "segments/evaluation",
        "campaigns/experiments",
        "campaigns/flows",
        "campaigns/offers",
        "campaigns/timing",
        "campaigns/messages",
    )
]
# A pure room may read the words of these rooms, which are pure as well.
PURE_NAMES = {".".join(room.relative_to(ROOT).parts) for room in PURE}
IMPURE_ROOTS = {"django", "celery", "rest_framework", "redis", "psycopg2", "requests", "urllib"}
CLOCKS = re.compile(r"timezone\.now\(|datetime\.now\(|\.utcnow\(|time\.time\(|date\.today\(")

# Who creates, and who changes or removes, the rows of each table.  Several names: one births the
# rows, the others move their state; each says so in its docstring.
WRITERS: dict[str, set[str]] = {
    "Run": {"rapport/runs.py"},
    "AuditEntry": {"rapport/access.py"},
    "RememberedAnswer": {"rapport/api/idempotency.py"},
    "Message": {
        "campaigns/services/planning.py",
        "campaigns/services/delivery.py",
        "campaigns/services/rates.py",  # what is over a rate: its moment alone
        "campaigns/services/arrivals.py",  # from *sent* on
        "campaigns/services/flows/ledger.py",  # takes back what was planned for who left
        "campaigns/services/holding.py",  # what must wait: its moment alone
        "campaigns/services/retrying.py",  # failed or unknown, planned again by a person
        "campaigns/services/privacy.py",  # empties, never moves
    },
    "MailServer": {"campaigns/services/servers.py"},
    "SendingLimit": {"campaigns/services/rates.py"},
    "SendingUse": {"campaigns/services/rates.py"},
    "SendingLine": {"campaigns/services/rates.py"},
    "WarmUp": {"campaigns/services/rates.py"},
    "Measuring": {"campaigns/services/measuring.py"},
    "Look": {"campaigns/services/looks.py"},
    "Assignment": {"campaigns/services/planning.py"},
    "SendingPolicy": {"campaigns/services/policy.py"},
    "Approval": {"campaigns/services/approving.py"},
    "Coupon": {
        "campaigns/services/coupons.py",
        "campaigns/services/offers.py",  # free ones, into a pool
        "campaigns/services/outcomes.py",
        "campaigns/services/privacy.py",
    },
    "FlowVersion": {"campaigns/services/flows/definitions.py"},
    "FlowWatch": {"campaigns/services/flows/entering.py"},
    "Journey": {"campaigns/services/flows/ledger.py"},
    "JourneyStep": {"campaigns/services/flows/ledger.py"},
    "CampaignRun": {"campaigns/services/recurring.py"},
    "Outcome": {"campaigns/services/outcomes.py", "campaigns/services/privacy.py"},
    "ProviderEvent": {"campaigns/services/arrivals.py"},
    "LinkVisit": {"campaigns/services/visits.py"},
    "ConsentTopic": {"campaigns/services/topics.py"},
    "Pause": {"campaigns/services/preferences.py"},
    "OptIn": {"campaigns/services/opt_in.py"},
    "Offer": {"campaigns/services/offers.py"},
    "OfferCandidate": {"campaigns/services/offers.py"},
    # shifting.py changes weights alone
    "Variant": {"campaigns/services/variants.py", "campaigns/services/shifting.py"},
    "Template": {"campaigns/services/templates.py"},
    "Image": {"campaigns/services/images.py"},
    "ShortLink": {"campaigns/services/short_links.py", "campaigns/services/privacy.py"},
    "Slot": {"campaigns/services/slots.py"},
    "SlotContent": {"campaigns/services/slots.py"},
    "Segment": {
        "segments/services/segments.py",
        "segments/services/membership.py",
        "segments/services/asking.py",
        "segments/services/rebuilding.py",
        "segments/services/statements.py",
    },
    # asking.py and rebuilding.py run what statements.py words
    "Membership": {"segments/services/statements.py"},
    "MembershipChange": {"segments/services/statements.py", "segments/services/history.py"},
    "Recheck": {"segments/services/statements.py"},
    "WebhookEndpoint": {"segments/services/webhooks.py"},
    "WebhookDelivery": {"segments/services/webhooks.py", "segments/services/privacy.py"},
    "WebhookAttempt": {"segments/services/webhooks.py"},
    "ModelRun": {"segments/services/model_runs.py", "segments/services/promotion.py"},
    "ModelArtefact": {"segments/services/artefacts.py"},
    # scoring.py runs what score_statements.py words
    "Score": {"segments/services/score_statements.py"},
    "ScoreChange": {"segments/services/score_statements.py"},
    "ScoreSummary": {"segments/services/summaries.py"},
    "ForecastPoint": {"segments/services/model_runs.py"},
    "DriftCheck": {"segments/services/watching.py"},
    "LearntApproval": {"segments/services/approvals.py"},
    "SeenValue": {"segments/services/suggest.py"},
    "Cluster": {"segments/services/clusters.py"},
    "CustomerList": {"segments/services/lists.py"},
    "ListMember": {"segments/services/lists.py"},
    "Consent": {"customers/services/consent.py", "customers/services/importing/facts.py"},
    "Suppression": {"customers/services/consent.py"},
    "Merge": {"customers/services/identities/merging.py"},
    "MovedRows": {"customers/services/identities/merging.py"},
    "RefusedClaim": {"customers/services/identities/refusals.py"},
    "WriteKey": {"customers/services/write_keys.py"},
    "RejectedMessage": {"customers/services/write_keys.py"},
    "Touch": {"customers/services/touches.py"},
    "TouchReader": {"customers/services/touches.py"},
    "PushSubscription": {"campaigns/services/pushes.py", "campaigns/channels/webpush.py"},
    "InAppMessage": {"campaigns/channels/in_app.py", "campaigns/services/in_app.py"},
    "InboundText": {"campaigns/services/inbound.py"},
    "WebhookReceiver": {"campaigns/services/receivers.py"},
    "WebhookCall": {"campaigns/channels/webhook.py"},
    "InboxMail": {"campaigns/channels/inbox.py", "campaigns/services/privacy.py"},
}
# Erasure removes rows of every table, and only removes.
ERASERS = {f"{app}/services/privacy.py" for app in ("customers", "segments", "campaigns")}
WRITING_CALLS = re.compile(
    r"\.(save|create|update|delete|bulk_create|bulk_update|get_or_create|update_or_create)\("
)
WRITING_SQL = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM)\s+\"?([a-z]+_[a-z_]+)", re.IGNORECASE)


def sources(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*.py") if "__pycache__" not in path.parts)


def imported(path: Path) -> set[str]:
    """Dotted names of what ``path`` imports absolutely, at any depth of its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return names


def wrong_arrows(app: str, path: Path) -> set[str]:
    foreign = {name.split(".")[0] for name in imported(path)} & HOME.keys() - {app}
    return foreign - MAY_IMPORT[app]


def impurities(path: Path) -> set[str]:
    found = set()
    for name in imported(path):
        root = name.split(".")[0]
        own_but_not_pure = root in HOME and not any(
            name == pure or name.startswith(f"{pure}.") or pure.startswith(f"{name}.")
            for pure in PURE_NAMES
        )
        outside = root in IMPURE_ROOTS and not name.startswith("urllib.parse") and name != "urllib"
        if outside or own_but_not_pure:
            found.add(name)
    if CLOCKS.search(path.read_text(encoding="utf-8")):
        found.add("a clock")
    return found


def name_in_house(path: Path) -> str:
    inside = path.relative_to(ROOT)
    return "/".join(inside.parts[1:] if inside.parts[0] == "platform" else inside.parts)


def tables() -> dict[str, str]:
    from django.apps import apps

    return {
        model._meta.db_table: model.__name__
        for app in HOME
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
    }


def strangers(path: Path, name: str | None = None) -> set[str]:
    """Tables that ``path`` writes although they have other writers."""
    name = name or name_in_house(path)
    text = path.read_text(encoding="utf-8")
    written = set()
    for match in re.finditer(r"\b([A-Z][A-Za-z]+)\.objects\b((?:[^\n]|\n(?=\s+\.))*)", text):
        model, rest = match.groups()
        if model in WRITERS and WRITING_CALLS.search(rest):
            written.add(model)
    by_table = tables()
    for _verb, table in WRITING_SQL.findall(text):
        if by_table.get(table) in WRITERS:
            written.add(by_table[table])
    if name in ERASERS:
        return set()
    return {model for model in written if name not in WRITERS[model]}


@pytest.mark.parametrize("app", HOME)
def test_imports_point_one_way(app):
    for path in sources(HOME[app]):
        assert not wrong_arrows(app, path), f"{name_in_house(path)}: {wrong_arrows(app, path)}"


@pytest.mark.parametrize("room", PURE, ids=lambda room: room.relative_to(ROOT).as_posix())
def test_pure_rooms_know_no_framework_no_network_and_no_clock(room):
    assert sources(room), f"{room} is empty"
    for path in sources(room):
        assert not impurities(path), f"{name_in_house(path)}: {impurities(path)}"


@pytest.mark.parametrize("app", HOME)
def test_each_table_is_written_by_its_own_service(app):
    for path in sources(HOME[app]):
        if "migrations" not in path.parts:
            assert not strangers(path), f"{name_in_house(path)} writes {strangers(path)}"


def test_rows_are_written_in_services_alone():
    """Views, endpoints, admin pages and querysets call a service instead of writing themselves."""
    for app in ("customers", "segments", "campaigns"):
        for room in ("api", "web", "admin.py", "querysets.py", "models"):
            home = HOME[app] / room
            for path in [home] if home.is_file() else sources(home):
                found = re.search(r"\.(save|bulk_create|bulk_update)\(", path.read_text())
                assert not found, f"{name_in_house(path)} writes rows: {found}"


def test_the_clock_is_read_at_the_edges_alone():
    """Below tasks, views and commands every function takes its time as an argument."""
    for app in ("customers", "segments", "campaigns"):
        for path in sources(HOME[app] / "services"):
            assert not CLOCKS.search(path.read_text()), f"{name_in_house(path)} reads the clock"


@pytest.mark.parametrize(
    ("home", "text"),
    [
        ("customers/services", "from campaigns.models import Message\n"),
        ("platform/rapport", "import customers.models\n"),
        ("segments/services", "def late():\n    from campaigns import services\n"),
    ],
)
def test_a_wrong_arrow_is_seen(tmp_path, home, text):
    planted = tmp_path / "planted.py"
    planted.write_text(text)

    assert wrong_arrows(home.split("/")[-1 if "platform" in home else 0], planted)


@pytest.mark.parametrize(
    "text",
    [
        "from django.db import connection\n",
        "from segments.models import Segment\n",
        "import urllib.request\n",
        "from datetime import datetime\nNOW = datetime.now()\n",
    ],
)
def test_an_impurity_is_seen(tmp_path, text):
    planted = tmp_path / "planted.py"
    planted.write_text(text)

    assert impurities(planted)


@pytest.mark.parametrize(
    "text",
    [
        "Message.objects.filter(pk=1).update(state='sent')\n",
        "Message.objects.filter(\n    pk=1\n)\\\n    .exclude(pk=2)\n"
        "Membership.objects.create(segment=1)\n",
        'SQL = "UPDATE campaigns_message SET state = 1"\n',
        'SQL = """INSERT INTO customers_consent (id) VALUES (1)"""\n',
    ],
)
def test_a_stranger_at_a_table_is_seen(tmp_path, text):
    planted = tmp_path / "planted.py"
    planted.write_text(text)

    assert strangers(planted, "campaigns/services/reports.py")


def test_the_standard_library_keeps_its_platform():
    import platform

    assert platform.python_version()
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_importing_settings_starts_no_server(tmp_path):
    home = tmp_path / "home"
    code = "from django.conf import settings; print(settings.DATABASES['default']['HOST'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
            "DJANGO_SETTINGS_MODULE": "rapport.settings",
            "RAPPORT_HOME": str(home),
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip()
    assert not home.exists()
