"""Page addresses that belong to no app."""

from django.urls import path

from rapport.web import account, jobs, views

urlpatterns = [
    path("", views.home, name="home"),
    path("find/", views.find, name="search"),
    path("password/", account.password_change, name="password_change"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<int:run_id>/", jobs.job, name="job"),
    path("jobs/<int:run_id>/progress/", jobs.run_progress, name="run_progress"),
    path("jobs/<int:run_id>/cancel/", jobs.job_cancel, name="job_cancel"),
]
