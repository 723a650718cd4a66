"""The ASGI application that granian serves, in each of its processes: the front, before Django."""

import gc
import sys

from config.front import Front
from config.lifeline import die_with_parent
from config.wsgi import application as django

die_with_parent()
# A thread that computes lets the others have their turn after a millisecond: a page being drawn delays no webhook.
sys.setswitchinterval(0.001)
# What is loaded stays: the garbage collector need not look at it again and again, nor look as often as it does unasked
# (an array of a thousand events makes it look a hundred times).
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
application = Front(django)
