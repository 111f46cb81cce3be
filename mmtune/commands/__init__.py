"""One small file a verb: ``SUMMARY``, ``EXAMPLE``, ``add_arguments(parser)`` and ``run(args) -> int | None``.

A verb's module imports only the standard library at its top, so that ``mmtune --help`` is quick; the rooms it
needs are imported inside ``run``. A new verb is a new file here and one line in ``mmtune.cli.VERBS``.
"""
