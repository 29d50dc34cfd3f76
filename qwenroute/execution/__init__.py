"""Carry out a plan: a machine that decides without I/O, and the loop that performs it."""
