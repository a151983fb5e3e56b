"""Emulated Raspberry Pis: their systems, and running commands on them."""
