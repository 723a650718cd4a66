"""
Telling others: the incident log goes out again, signed, at least once, and in order for each incident and resource.

A fact and the messages it causes are written in one transaction (births). Workers take up what is due (engine), send it
(sender) by config.egress, and write down each attempt before and after. Not here: hearing from others (integrations).
"""
