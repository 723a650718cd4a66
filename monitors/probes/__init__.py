"""
Looking at what is watched: target -> result, and nothing else. No models, no database, no settings, no state.

    table = NetworkTable(settings.MONITOR_NETWORKS, has_one_organization, closed_places(settings.DATABASE_URL))
    async with Prober(table, bundle=settings.CA_BUNDLE) as prober:       # monitors.probes.prober; one for each process
        result = await prober.probe(Target(Type.STATUS, "https://shop.example/"))

`probe` raises nothing but CancelledError, ends within `request_timeout` (and a second, for what has to be tidied up),
whatever the target does, and may be called as often at the same time as files can be open. Every connection goes out
through config.dialing, which looks at each address before it is gone to.

Not here: when a monitor is looked at, what follows from a result, and keeping it (the checker).
"""
