"""Reverse diffusion of a source: noise schedule, noise-prediction networks, reverse path (Eqs. 10-15)."""
