"""The project's own app: jobs, access and the shell."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RapportConfig(AppConfig):
    name = "rapport"
    verbose_name = "Rapport"

    def ready(self) -> None:
        from rapport import access

        post_migrate.connect(access.create_roles, dispatch_uid="rapport.roles")
