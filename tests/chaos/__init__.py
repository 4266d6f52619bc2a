"""Calyx, hurt on purpose: killed, starved, cut off, overrun and lied to; and what it must have kept."""
