"""The tooling of the book: run, sweep, stamp, build, check and recompute.

Only :mod:`dynamix.cli` imports it.
"""
