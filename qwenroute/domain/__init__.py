"""Frozen values and protocols that every room speaks; standard library only."""
