"""What a fit looks like: pictures of its parts, its numbers in a dictionary, a page that holds them all."""

from stradiff.report.comparison import Contender, compare
from stradiff.report.html import write_report
from stradiff.report.summary import summarise

__all__ = ["Contender", "compare", "summarise", "write_report"]
