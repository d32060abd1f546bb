"""What messages are made of: saved templates and snippets, images, short links."""

from django.conf import settings
from django.db import models

from campaigns.models.messages import Message
from customers.models.consent import Channel


class Template(models.Model):
    """A message kept to start others from, or a piece that many messages share."""

    class Kind(models.TextChoices):
        TEMPLATE = "template", "Template"  # copied into a campaign
        SNIPPET = "snippet", "Snippet"  # looked up by the messages that name it

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.TEMPLATE)
    channel = models.CharField(max_length=10, choices=Channel, default=Channel.EMAIL)
    subject = models.CharField(max_length=200, blank=True)  # Liquid
    preheader = models.CharField(max_length=200, blank=True)  # Liquid
    body = models.TextField(blank=True)  # MJML with Liquid
    blocks = models.JSONField(null=True, blank=True)  # makes the body
    text = models.TextField(blank=True)  # Liquid: SMS, push, in-app, webhook
    translations = models.JSONField(default=dict, blank=True)  # as a campaign's
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "name"], name="one_template_per_name")
        ]

    def __str__(self) -> str:
        return self.name


class Image(models.Model):
    """A picture that messages show, encoded anew by us and served to everybody."""

    sha256 = models.CharField(max_length=64, unique=True)  # of the data as served
    data = models.BinaryField()
    content_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()  # pixels
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField()  # bytes
    name = models.CharField(max_length=120, blank=True)  # of the file; only the team sees it
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name or self.sha256[:12]


class ShortLink(models.Model):
    """An address that texts may link to in few letters; nothing else can be reached that way."""

    address = models.TextField()
    address_sha256 = models.CharField(max_length=64)
    # the only one that carries it, where it was written for one person; null: a text's own
    message = models.ForeignKey(
        Message, null=True, blank=True, on_delete=models.CASCADE, related_name="short_links"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["address_sha256", "message"],
                nulls_distinct=False,
                name="one_short_link_per_address",
            )
        ]

    def __str__(self) -> str:
        return self.address
