"""The operators' desk: team, API keys; jobs and the audit trail to read."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from rest_framework_api_key.models import APIKey as ForeignApiKey
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from rapport import access
from rapport.models import ApiKey, AuditEntry, Run

for model in (User, Group, ForeignApiKey):  # keys of that table open nothing here
    admin.site.unregister(model)


class ReadOnlyAdmin(ModelAdmin):
    """A table to look into; its rows are written elsewhere."""

    list_per_page = 50
    show_full_result_count = False
    paginator = InfinitePaginator
    list_filter_submit = True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class TeamAdmin(UserAdmin, ModelAdmin):
    """People and their roles.  What a person may do comes from the role, not from single rights."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "roles", "is_active", "is_staff", "last_login")
    list_filter = ("groups", "is_active", "is_staff")
    list_filter_submit = True
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        (
            "Role",
            {
                "fields": ("is_active", "groups", "is_staff", "is_superuser"),
                "description": "Each role includes those before it: viewer, analyst, marketer, "
                "manager, admin. Staff status opens these admin pages.",
            },
        ),
    )
    filter_horizontal = ()

    def get_queryset(self, request: HttpRequest):
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="roles")
    def roles(self, person: User) -> str:
        return ", ".join(group.name for group in person.groups.all()) or "none"

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple:
        """Only a superuser makes superusers, or anybody with the role "admin" could become one."""
        fixed = tuple(super().get_readonly_fields(request, obj))
        return fixed if request.user.is_superuser else (*fixed, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    def _may_touch(self, request: HttpRequest, obj: User | None) -> bool:
        return obj is None or not obj.is_superuser or bool(request.user.is_superuser)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        access.audit(request.user, "user.added", f"user {obj.pk}", username=str(obj))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        access.audit(request.user, "user.changed", f"user {obj.pk}", username=str(obj))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for person in queryset:
            access.audit(request.user, "user.deleted", f"user {person.pk}", username=str(person))
        return super().log_deletions(request, queryset)


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin, GroupAdmin):  # type: ignore[misc]  # which is stricter
    """The five roles; their rights are set after every migration (`rapport.access.ROLES`)."""


class ApiKeyForm(forms.ModelForm):
    """Scopes as boxes with their meaning."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, f"{scope}: {words}") for scope, words in access.SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Give only what the program needs; a key without the scope is answered with 403.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expiry_date", "revoked")


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Programs' ways in.  A key is shown once, when it is made; only its hash is kept."""

    form = ApiKeyForm
    list_display = ("name", "prefix", "scope_list", "last_used_at", "expiry_date", "revoked")
    list_filter = ("revoked",)
    search_fields = ("name", "prefix")
    fields = ("name", "scopes", "expiry_date", "revoked")

    @admin.display(description="scopes")
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple:
        return self.fields[:-1] if obj is None else (*self.fields, "last_used_at", "created_by")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple:
        fixed = ("last_used_at", "created_by")
        return (*fixed, "revoked") if obj is not None and obj.revoked else fixed

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ModelForm, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            access.audit(request.user, "api_key.changed", f"key {obj.prefix}", scopes=obj.scopes)
            return
        key = ApiKey.objects.assign_key(obj)
        assert isinstance(request.user, User)
        obj.created_by = request.user
        super().save_model(request, obj, form, change)
        access.audit(request.user, "api_key.created", f"key {obj.prefix}", scopes=obj.scopes)
        said = format_html(
            "The key of {} is <code>{}</code>. Copy it now: it is not stored and cannot be "
            "shown again.",
            obj.name,
            key,
        )
        messages.warning(request, said)

    def delete_model(self, request: HttpRequest, obj: ApiKey) -> None:
        access.audit(request.user, "api_key.deleted", f"key {obj.prefix}", name=obj.name)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for key in queryset:
            access.audit(request.user, "api_key.deleted", f"key {key.prefix}", name=key.name)
        super().delete_queryset(request, queryset)


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdmin):
    """Who did what to which thing, and when."""

    list_display = ("happened_at", "actor", "action", "target")
    search_fields = ("actor", "action", "target")
    date_hierarchy = None


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Long jobs; they are started and stopped on their own pages."""

    list_display = ("title", "kind", "state", "stage", "done", "total", "created_at", "finished_at")
    list_filter = ("state", "kind")
    search_fields = ("title",)
    list_select_related = ("started_by",)
