"""What forms carry besides what people type. Not here: what is done with it (dashboard.acts, dashboard.doubled)."""

from secrets import token_urlsafe

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard.acts import sight
from dashboard.doubled import FIELD

register = template.Library()
# What a box in the list of incidents says when it is ticked.
register.filter(sight)


@register.simple_tag
def once() -> SafeString:
    """What makes a form one that is done once, however often it is sent."""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, token_urlsafe(12))
