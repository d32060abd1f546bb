"""Actions to look into, for operators; they are written by services alone."""

from django.contrib import admin

from campaigns.models import (
    Approval,
    Assignment,
    Campaign,
    CampaignRun,
    ConsentTopic,
    Coupon,
    FlowVersion,
    FlowWatch,
    Image,
    InAppMessage,
    InboundText,
    InboxMail,
    Journey,
    JourneyStep,
    LinkVisit,
    Look,
    MailServer,
    Measuring,
    Message,
    Offer,
    OfferCandidate,
    OptIn,
    Outcome,
    Pause,
    ProviderEvent,
    PushSubscription,
    SendingLimit,
    SendingLine,
    SendingPolicy,
    SendingUse,
    ShortLink,
    Slot,
    SlotContent,
    Template,
    Variant,
    WarmUp,
    WebhookCall,
    WebhookReceiver,
)
from rapport.admin import ReadOnlyAdmin


@admin.register(Campaign)
class CampaignAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "objective", "channel", "holdout_share", "launched_at")
    list_filter = ("state", "objective")
    search_fields = ("id__exact", "name")
    ordering = ("-id",)


@admin.register(Variant)
class VariantAdmin(ReadOnlyAdmin):
    list_display = ("name", "campaign_id", "step", "weight", "channel", "subject")
    search_fields = ("id__exact", "name")
    ordering = ("-id",)
    raw_id_fields = ("campaign",)


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    list_display = ("campaign_id", "customer_id", "arm", "is_eligible", "assigned_at")
    list_filter = ("arm", "is_eligible")
    search_fields = ("customer__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("campaign", "customer", "variant")


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("id", "campaign_id", "customer_id", "state", "reason", "tries", "sent_at")
    list_filter = ("state", "reason")
    search_fields = ("id__exact", "customer__id__exact")
    ordering = ("-id",)
    raw_id_fields = ("campaign", "customer", "coupon", "variant")


@admin.register(Outcome)
class OutcomeAdmin(ReadOnlyAdmin):
    list_display = ("message_id", "kind", "is_machine", "amount", "happened_at", "recorded_at")
    list_filter = ("kind", "is_machine")
    search_fields = ("message__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("message",)


@admin.register(Offer)
class OfferAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "share", "amount", "currency", "valid_days", "created_at")
    list_filter = ("kind",)
    search_fields = ("id__exact", "name")
    ordering = ("-id",)


@admin.register(OfferCandidate)
class OfferCandidateAdmin(ReadOnlyAdmin):
    list_display = ("campaign_id", "offer_id")
    search_fields = ("campaign__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("campaign", "offer")


@admin.register(Coupon)
class CouponAdmin(ReadOnlyAdmin):
    list_display = ("code", "offer_id", "campaign_id", "customer_id", "expires_at", "redeemed_at")
    search_fields = ("code__exact", "customer__id__exact")
    ordering = ("-id",)
    raw_id_fields = ("offer", "campaign", "customer")


@admin.register(InboxMail)
class InboxMailAdmin(ReadOnlyAdmin):
    list_display = ("recipient", "subject", "sender", "message_id", "received_at")
    search_fields = ("recipient__iexact", "message_id__exact")
    ordering = ("-id",)


@admin.register(Slot)
class SlotAdmin(ReadOnlyAdmin):
    list_display = ("key", "name", "state", "holdout_share", "changed_at")
    list_filter = ("state",)
    search_fields = ("key", "name")
    ordering = ("key",)


@admin.register(SlotContent)
class SlotContentAdmin(ReadOnlyAdmin):
    list_display = ("name", "slot_id", "priority", "segment_id", "state", "version", "changed_at")
    list_filter = ("state",)
    search_fields = ("id__exact", "name")
    ordering = ("slot_id", "priority", "id")
    raw_id_fields = ("slot", "segment", "offer")


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin):
    list_display = ("provider", "kind", "state", "reason", "happened_at")
    list_filter = ("state", "provider")
    search_fields = ("id__exact", "provider_id")
    ordering = ("-id",)


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    list_display = ("campaign_id", "verdict", "audience", "asked_at", "decided_at", "note")
    list_filter = ("verdict",)
    search_fields = ("campaign__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("campaign",)


@admin.register(SendingPolicy)
class SendingPolicyAdmin(ReadOnlyAdmin):
    list_display = ("version", "holdout_share", "approval_above", "changed_at")
    search_fields = ("id__exact",)
    ordering = ("-id",)


@admin.register(FlowVersion)
class FlowVersionAdmin(ReadOnlyAdmin):
    list_display = ("campaign_id", "number", "note", "created_by", "created_at")
    search_fields = ("campaign__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("campaign",)


@admin.register(FlowWatch)
class FlowWatchAdmin(ReadOnlyAdmin):
    list_display = ("campaign_id", "swept_at")
    search_fields = ("campaign__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("campaign",)


@admin.register(Journey)
class JourneyAdmin(ReadOnlyAdmin):
    list_display = ("id", "campaign_id", "customer_id", "step", "state", "due_at", "exit_reason")
    list_filter = ("state", "exit_reason")
    search_fields = ("id__exact", "customer__id__exact")
    ordering = ("-id",)
    raw_id_fields = ("campaign", "customer", "version")


@admin.register(JourneyStep)
class JourneyStepAdmin(ReadOnlyAdmin):
    list_display = ("journey_id", "step", "what", "detail", "happened_at")
    list_filter = ("what",)
    search_fields = ("journey__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("journey",)


@admin.register(CampaignRun)
class CampaignRunAdmin(ReadOnlyAdmin):
    list_display = ("campaign_id", "number", "tick_at", "happened_at", "planned", "is_passed_over")
    search_fields = ("campaign__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("campaign",)


@admin.register(MailServer)
class MailServerAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "host", "weight", "is_enabled", "changed_at")
    search_fields = ("id__exact", "name")
    exclude = ("password",)


@admin.register(SendingLimit)
class SendingLimitAdmin(ReadOnlyAdmin):
    list_display = ("channel", "domain", "per_second", "per_hour", "changed_at")
    search_fields = ("id__exact", "domain")


@admin.register(WarmUp)
class WarmUpAdmin(ReadOnlyAdmin):
    list_display = ("domain", "starts_on", "first_day", "growth", "until")
    search_fields = ("id__exact", "domain")


@admin.register(SendingUse)
class SendingUseAdmin(ReadOnlyAdmin):
    list_display = ("scope", "span", "starts_at", "used")
    list_filter = ("span",)
    search_fields = ("id__exact",)
    ordering = ("-id",)


@admin.register(SendingLine)
class SendingLineAdmin(ReadOnlyAdmin):
    list_display = ("campaign_id", "scope", "until")
    search_fields = ("campaign__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("campaign",)


@admin.register(ConsentTopic)
class ConsentTopicAdmin(ReadOnlyAdmin):
    list_display = ("key", "name", "is_offered", "is_default", "position")
    search_fields = ("id__exact", "key", "name")


@admin.register(OptIn)
class OptInAdmin(ReadOnlyAdmin):
    list_display = ("customer_id", "state", "source", "asked_at", "confirmed_at")
    list_filter = ("state",)
    search_fields = ("customer__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("customer",)


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin):
    list_display = ("customer_id", "until", "ended_at")
    search_fields = ("customer__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("customer",)


@admin.register(LinkVisit)
class LinkVisitAdmin(ReadOnlyAdmin):
    list_display = ("message_id", "key", "happened_at")
    search_fields = ("message__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("message",)


@admin.register(PushSubscription)
class PushSubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("id", "customer_id", "user_agent", "created_at", "gone_at")
    search_fields = ("id__exact", "customer__id__exact")
    ordering = ("-id",)
    raw_id_fields = ("customer",)
    exclude = ("endpoint", "p256dh", "auth")  # with them anybody could write to the browser


@admin.register(InAppMessage)
class InAppMessageAdmin(ReadOnlyAdmin):
    list_display = ("id", "customer_id", "title", "created_at", "fetched_at", "closed_at")
    search_fields = ("id__exact", "customer__id__exact")
    ordering = ("-id",)
    raw_id_fields = ("customer", "message")


@admin.register(InboundText)
class InboundTextAdmin(ReadOnlyAdmin):
    list_display = ("sender", "meaning", "provider", "customer_id", "received_at")
    list_filter = ("meaning", "provider")
    search_fields = ("id__exact", "sender")
    ordering = ("-id",)
    raw_id_fields = ("customer",)


@admin.register(WebhookReceiver)
class WebhookReceiverAdmin(ReadOnlyAdmin):
    list_display = ("url", "campaign_id", "changed_at")
    search_fields = ("id__exact", "url")
    ordering = ("-id",)
    raw_id_fields = ("campaign",)
    exclude = ("secret_salt",)


@admin.register(WebhookCall)
class WebhookCallAdmin(ReadOnlyAdmin):
    list_display = ("receiver_id", "message_id", "status", "seconds", "happened_at")
    search_fields = ("id__exact", "message__id__exact")
    ordering = ("-id",)
    raw_id_fields = ("receiver", "message")


@admin.register(Template)
class TemplateAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "channel", "subject", "changed_at")
    list_filter = ("kind", "channel")
    search_fields = ("id__exact", "name")
    ordering = ("-id",)


@admin.register(Image)
class ImageAdmin(ReadOnlyAdmin):
    list_display = ("name", "content_type", "width", "height", "size", "created_at")
    search_fields = ("id__exact", "name", "sha256")
    ordering = ("-id",)
    exclude = ("data",)

    def get_queryset(self, request):
        return super().get_queryset(request).defer("data")


@admin.register(ShortLink)
class ShortLinkAdmin(ReadOnlyAdmin):
    list_display = ("address", "message_id", "created_at")
    search_fields = ("id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("message",)


@admin.register(Measuring)
class MeasuringAdmin(ReadOnlyAdmin):
    list_display = ("campaign_id", "is_adjusted", "spending", "looks", "changed_at")
    search_fields = ("campaign__id__exact",)
    ordering = ("-campaign_id",)
    raw_id_fields = ("campaign",)


@admin.register(Look)
class LookAdmin(ReadOnlyAdmin):
    list_display = ("campaign_id", "variant_id", "number", "looked_at", "difference", "boundary")
    search_fields = ("campaign__id__exact",)
    ordering = ("-id",)
    raw_id_fields = ("campaign", "variant")
