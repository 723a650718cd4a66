"""
A field that forms about incidents share: the names of regions.

Not here: the forms (acts, declaration), fields that know nothing of incidents (config.formfields).
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from config.formfields import Text
from incidents.bodies import REGION_AT_MOST, REGIONS_AT_MOST


class Regions(Text):
    """
    Names of regions, one on a line. Prefilled and left alone they are None, for a source's may be more, or odder, than
    the form can say.
    """

    def __init__(self, **options: Any) -> None:
        box = forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})
        super().__init__(required=False, widget=box, help_text="One on a line.", **options)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else "\n".join(value)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if self.initial is not None and text == self.as_shown(self.prepare_value(self.initial)):
            return None
        lines = text.split("\n")
        regions = list(dict.fromkeys(filter(None, map(str.strip, lines))))
        if len(regions) > REGIONS_AT_MOST:
            raise ValidationError(f"At most {REGIONS_AT_MOST} regions.")
        if any(len(region) > REGION_AT_MOST for region in regions):
            raise ValidationError(f"The name of a region has at most {REGION_AT_MOST} characters.")
        return regions
