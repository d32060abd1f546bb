"""Every address: pages, the API, what messages link to, and the health check."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from rapport.web import views

api = [
    path("", include("customers.api.urls")),
    path("", include("segments.api.urls")),
    path("", include("campaigns.api.urls")),
    path("", include("rapport.api.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="api:schema"), name="docs"),
]

urlpatterns = [
    path("health/", views.health, name="health"),
    path("login/", auth.LoginView.as_view(template_name="rapport/login.html"), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/v1/", include((api, "api"))),
    path("v1/", include("customers.api.tracking")),  # sites and shops, with a write key
    path("m/", include("campaigns.web.public_urls")),  # what messages link to; signed, no login
    path("v1/", include("campaigns.api.public_urls")),  # what the shop's pages ask
    path("v1/", include("customers.web.snippet_urls")),  # the script in them
    path("", include("rapport.web.urls")),
    path("", include("customers.web.urls")),
    path("", include("segments.web.urls")),
    path("", include("campaigns.web.urls")),
]

handler403 = "rapport.web.views.forbidden"
handler404 = "rapport.web.views.not_found"
handler500 = "rapport.web.views.failed"
