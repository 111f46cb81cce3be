"""The report: one HTML file that opens offline and shows what a model learned, scores and gets wrong."""

from eval.report.page import write_report

__all__ = ["write_report"]
