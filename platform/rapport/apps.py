"""The project's own app: jobs, access and the shell."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RapportConfig(AppConfig):
    name = "rapport"
    verbose_name = "Rapport"

    def ready(self) -> None:
        from rapport import access
        from rapport.api import schema  # noqa: F401  (registers itself)

        post_migrate.connect(access.create_roles, dispatch_uid="rapport.roles")
