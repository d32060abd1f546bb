"""What all pages share: who may see them, and the shell around them."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

View = Callable[..., HttpResponseBase]


def page(permission: str) -> Callable[[View], View]:
    """Mark a view as a page that only people with ``permission`` ("app.word") may open.

    A test walks all addresses and fails for a view that carries no such mark.
    """

    def mark(view: View) -> View:
        @functools.wraps(view)
        @login_required
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied(f"This page needs the permission {permission}.")
            return view(request, *args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return mark


def public(view: View) -> View:
    """Mark a view as open to everybody on purpose; it must not show what is not in its address."""
    view.permission = None  # type: ignore[attr-defined]
    return view


def show(
    request: HttpRequest,
    template: str,
    *,
    title: str,
    lead: str = "",
    crumbs: Sequence[Any] = (),
    context: dict | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render ``template`` (which extends rapport/page.html) inside the shell.

    ``title`` names the page; ``lead`` is the one sentence that answers its question; ``crumbs``
    (`rapport.web.dashboard.Link`) lead back to the pages above it.
    """
    given = {"title": title, "lead": lead, "crumbs": crumbs, **(context or {})}
    return render(request, template, {**shell(request), **given}, status=status)


def shell(request: HttpRequest) -> dict[str, Any]:
    """What the frame around a page needs.

    Unfold shows its sidebar to ``is_staff`` only, which here means the admin's own pages; ours
    are open by permission, so the sidebar is asked for anew.
    """
    site: Any = admin.site
    found = site.each_context(request)
    if request.user.is_authenticated:
        found["sidebar_navigation"] = site.get_sidebar_list(request)
    return found
