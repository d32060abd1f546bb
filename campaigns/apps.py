"""Campaigns and what they changed."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        from campaigns import privacy
        from campaigns.services import notices
        from campaigns.services.flows import waking
        from campaigns.web import ad_export, home, home_proof
        from campaigns.web import panels as own
        from campaigns.web import uses as used
        from customers.services import identity
        from rapport.web import dashboard, panels
        from segments.web import uses

        privacy.register()
        waking.connect()
        notices.register()
        # Where both were in a campaign the survivor's arm and message stand.
        identity.register_mover(
            "campaigns",
            [
                ("campaigns_assignment", "customer_id", ("campaign_id",)),
                ("campaigns_message", "customer_id", ("campaign_id", "occasion", "step")),
                ("campaigns_coupon", "customer_id", ("campaign_id", "occasion", "step")),
                # One way may be open in a flow; one that stays behind ends there.
                ("campaigns_journey", "customer_id", ("campaign_id", "state")),
                ("campaigns_optin", "customer_id", ()),
                ("campaigns_pause", "customer_id", ()),
                ("campaigns_pushsubscription", "customer_id", ()),
                ("campaigns_inappmessage", "customer_id", ()),
                ("campaigns_inboundtext", "customer_id", ()),
            ],
        )
        may = "campaigns.view_campaign"
        uses.register(used.campaigns, key="campaigns", permission=may)
        uses.register(ad_export.uses, key="advertising", permission="customers.export_customer")
        dashboard.register(home_proof.marketing, key="marketing", order=45, permission=may)
        dashboard.register(home.campaigns, key="campaigns", order=50, permission=may)
        launch = "campaigns.launch_campaign"
        dashboard.register(home.approvals, key="approvals", order=45, permission=launch)
        panels.register(own.messages, key="messages", order=60, permission="campaigns.view_message")
        panels.register_moments(own.moments, key="messages", permission="campaigns.view_message")
