"""What a project that implements or imitates this lifecycle tests itself with.

Nothing is imported here: `strategies` needs the extra `conformance`.
"""
