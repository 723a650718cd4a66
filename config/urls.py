"""
Every path of the project. Pages and API paths have no trailing slash; Django admin keeps its own.
"""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config import errors, health

handler400 = errors.handler400
handler403 = errors.handler403
handler404 = errors.handler404
handler500 = errors.handler500

urlpatterns = [
    path("healthz", health.Healthz.as_view()),
    path("readyz", health.Readyz.as_view()),
    path("workz", health.Workz.as_view()),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/", include("dashboard.api_urls")),
    path("", include("dashboard.urls")),
]
