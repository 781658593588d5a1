"""Nonlinear methods to stand beside StrADiff, written from their papers."""

from contest.peers.ivae import IVAE
from contest.peers.pcl import PCL

__all__ = ["IVAE", "PCL"]
