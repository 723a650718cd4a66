"""The ASGI application that granian serves, in each of its processes: the front, before Django."""

import gc
import sys

from config.front import Front
from config.lifeline import die_with_parent
from config.together import Together
from config.wsgi import application as django

die_with_parent()
# A thread that computes lets the others have their turn after a millisecond: a page being drawn delays no webhook.
sys.setswitchinterval(0.001)
application = Front(django, Together(), heeds_signals=True)
# What is loaded by now stays: to look through all of it, as the collector does now and then, would hold up everybody.
gc.freeze()
