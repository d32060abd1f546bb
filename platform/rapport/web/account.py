"""What people do with their own account."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from rapport import access
from rapport.web.page import page, show


@page("rapport.view_run")
def password_change(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)  # the mark above lets nobody else in
    form = PasswordChangeForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, form.user)
        access.audit(request.user, "user.password_changed", f"user {request.user.pk}")
        messages.success(request, "Your password is changed; other devices must log in again.")
        return redirect("home")
    lead = "Other devices on which you are logged in will ask for the new one."
    title = "Change password"
    return show(request, "rapport/password.html", title=title, lead=lead, context={"form": form})
