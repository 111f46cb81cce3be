"""Two or more finished runs side by side: the same items, paired tests, what changed. Needs no model."""

from eval.compare.comparing import compare
from eval.compare.groups import Group, parse_groups
from eval.compare.stored import StoredRun, read_results, read_run

__all__ = ["Group", "StoredRun", "compare", "parse_groups", "read_results", "read_run"]
