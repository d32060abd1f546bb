"""What comes back from providers and from people: words, visits, wishes."""

from django.db import models
from django.db.models import Q

from campaigns.models.messages import Message
from customers.models import Customer
from customers.models.consent import Channel


class ProviderEvent(models.Model):
    """A word of a provider that waits for its message, or that was refused, with the reason.

    What found its message at once leaves no row here: its outcome says it all.
    """

    class State(models.TextChoices):
        WAITING = "waiting"  # its message is not known yet, or still being handed over
        REJECTED = "rejected"  # with a reason; kept to be looked at

    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=300, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    provider_id = models.CharField(max_length=120, blank=True)
    # By its number or its name at the provider; no foreign key, for it may not be written yet.
    message_number = models.BigIntegerField(null=True, blank=True)
    key = models.CharField(max_length=64, unique=True)  # the same word twice is one row
    kind = models.CharField(max_length=12, blank=True)
    channel = models.CharField(max_length=10, choices=Channel, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    url = models.CharField(max_length=500, blank=True)
    is_machine = models.BooleanField(default=False)
    address = models.CharField(max_length=254, blank=True)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="waiting"), name="arrivals_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.kind}".strip()


class LinkVisit(models.Model):
    """Somebody followed a link of a message; judged a few seconds later, then no more.

    A scanner that calls itself a browser is known by the links that it follows together.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="link_visits")
    key = models.CharField(max_length=40)  # the link's number, or which page of ours
    url = models.CharField(max_length=500, blank=True)  # empty: a page of ours, counted nowhere
    happened_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["message", "key", "happened_at"], name="one_visit_per_second"
            )
        ]


class ConsentTopic(models.Model):
    """A subject that people may want to hear of: what the preference centre offers."""

    key = models.SlugField(max_length=40, unique=True)  # as in Consent and Campaign
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    # {"fr": {"name": …, "description": …}}; what is missing is said in the words above
    translations = models.JSONField(default=dict, blank=True)
    channels = models.JSONField(default=list)  # on which it is offered
    is_default = models.BooleanField(default=False)  # what a sign-up without topics asks for
    is_offered = models.BooleanField(default=True)  # false: the preference centre is silent on it
    position = models.PositiveSmallIntegerField(default=100)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["position", "key"]

    def __str__(self) -> str:
        return self.name


class Pause(models.Model):
    """A wish to hear nothing until a day; then what was agreed before stands again."""

    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="pauses"
    )
    words = models.JSONField()  # [[channel, topic], …] that were a yes
    until = models.DateTimeField()
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["until"], condition=Q(ended_at__isnull=True), name="pauses_to_end")
        ]


class OptIn(models.Model):
    """A question by mail whether somebody really wants to be written to, and the answer."""

    class State(models.TextChoices):
        ASKED = "asked"
        CONFIRMED = "confirmed"
        EXPIRED = "expired"

    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="opt_ins"
    )
    state = models.CharField(max_length=9, choices=State, default=State.ASKED)
    channel = models.CharField(max_length=10, choices=Channel, default=Channel.EMAIL)
    topics = models.JSONField()  # keys
    address_sha256 = models.CharField(max_length=64)  # the answer counts for this address alone
    language = models.CharField(max_length=10, blank=True)
    source = models.CharField(max_length=40)  # where the person asked for it
    proof_text = models.TextField()  # what she was shown, word for word
    proof_url = models.CharField(max_length=500, blank=True)
    proof_ip = models.GenericIPAddressField(null=True, blank=True)
    asked_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)  # the last mail that asked
    expires_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_ip = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="confirmed", confirmed_at__isnull=False)
                | Q(state__in=["asked", "expired"], confirmed_at__isnull=True),
                name="confirmed_means_confirmed_at",
            )
        ]
        indexes = [models.Index(fields=["customer", "-asked_at"], name="opt_ins_of_customer")]
