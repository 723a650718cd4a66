"""What a box in the list of incidents says when it is ticked. Not here: what is done with it (dashboard.acts)."""

from django import template

from dashboard.acts import sight

register = template.Library()
register.filter(sight)
