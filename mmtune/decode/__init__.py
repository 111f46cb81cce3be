"""Decoding: one batched generation engine for evaluation, chat, the demo and self-labelling builders."""
