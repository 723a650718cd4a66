"""
Who may do what, as a table (access.txt), and that no team's records reach another team.

scene: two teams and everybody who asks. visits: a sound request for every route and method. walk: all of them by
everybody, against the table. places: wherever an id can enter, another team's instead. mutants: the source without one
of its team filters, which must be noticed.
"""
