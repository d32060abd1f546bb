"""API addresses that belong to no app."""

from django.urls import path

from rapport.api import views

urlpatterns = [
    path("jobs/", views.JobList.as_view(), name="jobs"),
    path("jobs/<int:pk>/", views.JobDetail.as_view(), name="job"),
]
