"""Metrics as pure functions: no torch, no model, no files of ours."""
