"""Page addresses. Templates, blocks, images and snippets."""

from django.urls import URLPattern, path

from campaigns.web import content, content_answers

urlpatterns: list[URLPattern] = [
    path("templates/", content.templates, name="templates"),
    path("templates/new/", content.new, name="template_new"),
    path("templates/<int:template_id>/", content.edit, name="template"),
    path("templates/<int:template_id>/copy/", content.copy, name="template_copy"),
    path("templates/<int:template_id>/delete/", content.delete, name="template_delete"),
    path("templates/<int:template_id>/start/", content.start, name="template_start"),
    path("campaigns/<int:campaign_id>/checks/", content.checks, name="campaign_checks"),
    path("content/preview/", content_answers.preview, name="content_preview"),
    path("content/values/", content_answers.values, name="content_values"),
    path("content/people/", content_answers.people, name="content_people"),
    path("content/products/", content_answers.products, name="content_products"),
    path("content/images/", content_answers.stored_images, name="content_images"),
    path("content/images/new/", content_answers.upload, name="content_upload"),
]
