"""
The demo: one believable month of an invented company, told by the same means as everybody's history.

`cast` says who and what there is, `scripts` and `courses` how happenings are written down, `story` what happens (with
`ours`, what our people do themselves, and `ordinary` days between), `player` lets it happen, `loading` makes the team
around it. Nothing here writes a row of its own: vendors' events go through integrations.ingest,
staff's acts through the verbs.
"""
