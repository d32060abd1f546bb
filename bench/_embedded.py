"""Servers of a measurement's own: started in a folder that is gone afterwards."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]


@contextmanager
def servers(*, valkey: bool = True) -> Iterator:
    """Start PostgreSQL, and Valkey unless not wanted, as the product does by default.

    The tables are there; ``DATABASE_URL`` is set for the processes that a measurement starts.
    """
    home = tempfile.mkdtemp(prefix="rapport-bench-")
    os.environ |= {"RAPPORT_HOME": home, "DJANGO_SETTINGS_MODULE": "rapport.settings"}
    os.environ.pop("DATABASE_URL", None)
    import django
    from django.conf import settings

    services = settings.SERVICES
    services.hold(postgres=True, valkey=valkey)
    try:
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield services
    finally:
        services.stop()
        atexit.unregister(services._release)  # its folder goes
        for folder in (home, services.home, services.run):
            shutil.rmtree(folder, ignore_errors=True)
