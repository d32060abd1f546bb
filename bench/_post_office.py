"""A Django project that sends by django-post_office: ``_post_office.py COUNT PORT``, for send.py.

It has a database of its own on the measurement's PostgreSQL.  A row for each message, written in
batches from a template and a person's values; then two processes that send and record.
"""

import os
import sys
from urllib.parse import unquote, urlsplit

COUNT, PORT = int(sys.argv[1]), int(sys.argv[2])
AT_ONCE = 500
TEXT = "We thought of you and of what you like. " * 60
SUBJECT = "For {{ first_name }}"
BODY = "Hello {{ first_name }} {{ last_name }} in {{ country }}: {{ code }}. " + TEXT
HTML = "<p>Hello <b>{{ first_name }}</b> {{ last_name }} in {{ country }}: {{ code }}</p>" + (
    f'<p>{TEXT}</p><p><a href="{{{{ link }}}}">To the sale</a></p>' * 3
)


def main() -> None:
    from django.conf import settings

    parts = urlsplit(os.environ["BENCH_DATABASE_URL"])
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": unquote(parts.hostname or ""),
        "USER": parts.username,
        "NAME": "post_office",
    }
    create({**database, "NAME": "postgres"})
    settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        EMAIL_BACKEND="post_office.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=PORT,
        USE_TZ=True,
        SECRET_KEY="a key for measuring",
        POST_OFFICE={"BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}},
    )
    import django

    django.setup()
    from django.core.management import call_command
    from post_office import mail
    from post_office.models import Email, EmailTemplate

    call_command("migrate", verbosity=0)
    template = EmailTemplate.objects.create(
        name="bench", subject=SUBJECT, content=BODY, html_content=HTML
    )
    for first in range(0, COUNT, AT_ONCE):
        mail.send_many(
            [
                {
                    "recipients": [f"c{n}@example.com"],
                    "sender": "shop@example.com",
                    "template": template,
                    "context": values(n),
                }
                for n in range(first, min(first + AT_ONCE, COUNT))
            ]
        )
    call_command("send_queued_mail", processes=2, verbosity=0)
    sent = Email.objects.filter(status=0).count()
    assert sent == COUNT, f"{sent} of {COUNT} were sent"


def values(n: int) -> dict[str, str]:
    return {
        "first_name": f"Ada{n}",
        "last_name": "Lovelace",
        "country": "GB",
        "code": f"C{n}",
        "link": f"https://shop.example/p/{n}",
    }


def create(server: dict) -> None:
    import psycopg2

    link = psycopg2.connect(host=server["HOST"], user=server["USER"], dbname=server["NAME"])
    link.autocommit = True
    with link.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS post_office")
        cursor.execute("CREATE DATABASE post_office")
    link.close()


if __name__ == "__main__":
    main()
