"""The sidebar: the same words as in addresses, API and docs."""

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse

from rapport.web.search import Hit

# (group, [(title, icon, name of the address, permission)])
SIDEBAR = [
    ("", [("Home", "home", "home", "rapport.view_run")]),
    (
        "Audience",
        [
            ("Customers", "group", "customers", "customers.view_customer"),
            ("Segments", "filter_alt", "segments", "segments.view_segment"),
            ("Lists", "list_alt", "customer_lists", "segments.view_customerlist"),
            ("Clusters", "bubble_chart", "clusters", "segments.view_cluster"),
            ("Explore", "grid_view", "explore", "segments.view_score"),
            ("Merges", "merge", "merges", "customers.view_merge"),
        ],
    ),
    (
        "Engage",
        [
            ("Campaigns", "campaign", "campaigns", "campaigns.view_campaign"),
            ("Flows", "account_tree", "flows", "campaigns.view_campaign"),
            ("Offers", "sell", "offers", "campaigns.view_offer"),
            ("Templates", "dashboard_customize", "templates", "campaigns.view_template"),
            ("Calendar", "calendar_month", "calendar", "campaigns.view_campaign"),
            ("Website", "web", "website", "campaigns.view_slot"),
            ("Inbox", "inbox", "inbox", "campaigns.view_inboxmail"),
        ],
    ),
    (
        "Results",
        [
            ("Lift", "trending_up", "lift", "campaigns.view_campaign"),
            ("Models", "model_training", "models", "segments.view_modelrun"),
            ("Forecast", "show_chart", "forecast", "segments.view_modelrun"),
        ],
    ),
    (
        "Data",
        [
            ("Imports", "upload_file", "imports", "customers.view_customer"),
            ("Sources", "sensors", "sources", "customers.view_writekey"),
            ("Live events", "bolt", "live_events", "customers.view_event"),
            ("Catalogue", "inventory_2", "products", "customers.view_product"),
            ("Features", "functions", "features", "customers.view_customer"),
        ],
    ),
    (
        "Settings",
        [
            ("Team", "badge", "admin:auth_user_changelist", "auth.view_user"),
            ("API keys", "key", "admin:rapport_apikey_changelist", "rapport.view_apikey"),
            ("Sending rules", "rule", "sending_rules", "campaigns.view_campaign"),
            ("Channels and senders", "outgoing_mail", "senders", "campaigns.view_campaign"),
            ("Consent topics", "fact_check", "topics", "campaigns.view_campaign"),
            ("Webhooks", "webhook", "webhooks", "segments.view_webhookendpoint"),
            ("Jobs", "progress_activity", "jobs", "rapport.view_run"),
            ("Audit", "history", "admin:rapport_auditentry_changelist", "rapport.view_auditentry"),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[dict]:
    """Unfold's navigation for this person: only what exists and what they may open."""
    groups = []
    for title, entries in SIDEBAR:
        items = []
        for name, icon, address, permission in entries:
            try:
                link = reverse(address)
            except NoReverseMatch:
                continue
            if request.user.has_perm(permission):
                active = request.path == link if link == "/" else request.path.startswith(link)
                items.append({"title": name, "icon": icon, "link": link, "active": active})
        if items:
            groups.append({"title": title, "items": items, "separator": bool(title)})
    return groups


def stylesheet(request: HttpRequest) -> str:
    return static("rapport/rapport.css")


def pages(request: HttpRequest, words: str) -> list[Hit]:
    """Pages of the sidebar whose title or group has these words in it."""
    return [
        Hit(item["title"], "page", item["link"], note=group["title"])
        for group in sidebar(request)
        for item in group["items"]
        if words.lower() in f"{group['title']} {item['title']}".lower()
    ]
