"""Results of a fit: plots, a summary dictionary, an HTML report, a comparison with linear methods."""

from stradiff.report.comparison import MethodResult, compare
from stradiff.report.html import write_report
from stradiff.report.summary import summarise

__all__ = ["MethodResult", "compare", "summarise", "write_report"]
