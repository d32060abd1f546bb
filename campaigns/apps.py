"""Campaigns and what they changed."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        from campaigns import privacy
        from campaigns.web import home
        from campaigns.web import panels as own
        from rapport.web import dashboard, panels

        privacy.register()
        may = "campaigns.view_campaign"
        dashboard.register(home.campaigns, key="campaigns", order=50, permission=may)
        panels.register(own.messages, key="messages", order=60, permission="campaigns.view_message")
        panels.register_moments(own.moments, key="messages", permission="campaigns.view_message")
