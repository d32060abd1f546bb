"""Facts about customers."""

from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "customers"

    def ready(self) -> None:
        from customers import privacy
        from customers.web import finders, home, merges, story
        from rapport.web import dashboard, panels, search

        privacy.register()
        dashboard.register(home.shop, key="shop", order=10, permission="customers.view_customer")
        panels.register_moments(story.facts, key="facts", permission="customers.view_event")
        panels.register(story.orders, key="orders", order=20, permission="customers.view_order")
        panels.register(
            story.consents, key="consents", order=10, permission="customers.view_consent"
        )
        panels.register(
            story.identities, key="identities", order=90, permission="customers.view_identity"
        )
        panels.register(
            merges.merged_from, key="merged_from", order=95, permission="customers.view_merge"
        )
        search.register(finders.people, key="customers", permission="customers.view_customer")
        search.register(finders.products, key="products", permission="customers.view_product")
