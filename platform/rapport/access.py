"""Who may do what: roles of people, scopes of programs, and the trail of what was done."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from rapport.models import AuditEntry

# A role includes all before it.  A word is a model permission without its app: "add_segment".
ROLES: dict[str, tuple[str, ...]] = {
    "viewer": (
        "view_customer",
        "view_order",
        "view_product",
        "view_event",
        "view_consent",
        "view_review",
        "view_suppression",
        "view_identity",
        "view_merge",
        "view_refusedclaim",
        "view_orderline",
        "view_writekey",
        "view_rejectedmessage",
        "view_modelrun",
        "view_cluster",
        "view_score",
        "view_segment",
        "view_membership",
        "view_membershipchange",
        "view_customerlist",
        "view_campaign",
        "view_offer",
        "view_template",
        "view_image",
        "view_slot",
        "view_message",
        "view_journey",
        "view_outcome",
        "view_assignment",
        "view_coupon",
        "view_inboxmail",
        "view_inboundtext",
        "view_run",
    ),
    "analyst": (
        "add_segment",
        "change_segment",
        "add_customerlist",
        "change_customerlist",
        "add_modelrun",
        "change_modelrun",
        "change_cluster",
        "add_run",
        "change_run",
    ),
    "marketer": (
        "add_campaign",
        "change_campaign",
        "delete_campaign",
        "add_offer",
        "change_offer",
        "delete_offer",
        "add_template",
        "change_template",
        "delete_template",
        "add_image",
        "delete_image",
        "export_coupons",
        "add_slot",
        "change_slot",
        "delete_slot",
        "delete_segment",
        "delete_customerlist",
        "change_customer",
        "add_merge",
        "change_merge",
        "add_consent",
        "add_suppression",
    ),
    "manager": (
        "launch_campaign",
        "change_sendingpolicy",
        "promote_modelrun",
        "export_customer",
        "erase_customer",
        "view_auditentry",
        "view_webhookendpoint",
    ),
    "admin": (
        "add_user",
        "change_user",
        "delete_user",
        "view_user",
        "view_group",
        "view_apikey",
        "add_apikey",
        "change_apikey",
        "delete_apikey",
        "add_webhookendpoint",
        "change_webhookendpoint",
        "delete_webhookendpoint",
        "add_writekey",
        "change_writekey",
        "add_mailserver",
        "change_mailserver",
        "delete_mailserver",
        "change_sendinglimit",
        "change_webhookreceiver",
    ),
}

SCOPES: dict[str, str] = {
    "customers:read": "Read customers and their identities",
    "customers:write": "Create and change customers",
    "customers:export": "Export all personal data of a customer",
    "customers:erase": "Erase a customer",
    "products:read": "Read products",
    "products:write": "Create and change products",
    "orders:read": "Read orders and their lines",
    "orders:write": "Create and change orders",
    "events:read": "Read events",
    "events:write": "Record events",
    "consent:read": "Read consent",
    "consent:write": "Record consent",
    "segments:read": "Read segments, members and previews",
    "segments:write": "Create and change segments",
    "lists:read": "Read lists and who is on them",
    "lists:write": "Make lists, put customers on and take them off",
    "scores:read": "Read scores",
    "models:read": "Read model runs",
    "models:write": "Start a retraining",
    "models:promote": "Let models serve, go back, and allow campaigns to be addressed by them",
    "campaigns:read": "Read campaigns and reports",
    "campaigns:write": "Create and change campaigns",
    "campaigns:launch": "Launch and pause campaigns",
    "campaigns:send": "Send transactional messages, one by one",
    "senders:write": "Set up mail servers, sending rates and warm-up plans",
    "decide:read": "Ask what any visitor should see",
    "jobs:read": "Read jobs",
}


def create_roles(**_: Any) -> None:
    """Create the five groups with their permissions; runs after every migration."""
    words: set[str] = set()
    for role, more in ROLES.items():
        words |= set(more)
        group, _created = Group.objects.get_or_create(name=role)
        group.permissions.set(Permission.objects.filter(codename__in=words))


def audit(actor: Any, action: str, target: str, **details: Any) -> None:
    """Append one line to the trail; ``actor`` is a user, an API key, or None for Rapport itself."""
    AuditEntry.objects.create(
        happened_at=timezone.now(),
        actor=str(actor) if actor is not None else "rapport",
        action=action,
        target=target,
        details=details,
    )
