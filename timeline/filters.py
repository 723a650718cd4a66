"""What lists of facts are narrowed by."""

from config.filtering import ListFilters, Number, Word
from timeline.about import Subject
from timeline.events import EVENTS
from timeline.models import Effect


class FactFilters(ListFilters):
    """The list of facts in Django admin. Those of one subject stand in the order of its chronology there."""

    about = Subject("subject_kind", "subject_id", label="subject")
    chronology = Subject("resource_kind", "resource_id", label="chronology of", admin="in")
    integration = Number("", "integration_id", api=None, admin="integration_id")
    effect = Word(Effect.choices, admin="effect__exact")
    event = Word([(name, name) for name in EVENTS])
