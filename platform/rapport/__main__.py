"""The command line: starts the embedded servers for commands that need them, then runs Django's."""

import os
import sys

# These look at no data, so they start no server.
WITHOUT_SERVICES = {
    "check",
    "collectstatic",
    "compilemessages",
    "doctor",
    "help",
    "makemessages",
    "makemigrations",
    "spectacular",
    "version",
    "--help",
    "-h",
    "--version",
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rapport.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        start_services(sys.argv[1:])
    except ImproperlyConfigured as error:
        sys.exit(f"Configuration: {error}")
    execute_from_command_line(sys.argv)


def start_services(words: list[str]) -> None:
    """Start what the environment names no address for; it stops again with its last user."""
    from django.conf import settings

    from rapport.embedded import EmbeddedError

    if not words or words[0] in WITHOUT_SERVICES or "--help" in words or "-h" in words:
        return
    if settings.DATABASE_URL and settings.REDIS_URL:
        return
    try:
        settings.SERVICES.hold(postgres=not settings.DATABASE_URL, valkey=not settings.REDIS_URL)
    except EmbeddedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
