"""Evaluation: tasks that read benchmarks' own files, metrics as their scripts compute them, one report."""
