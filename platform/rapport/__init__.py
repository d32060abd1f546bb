"""How Rapport runs: settings, services, jobs, access, and what all pages and endpoints share."""

from rapport.celery import app as celery_app

__all__ = ["celery_app"]
