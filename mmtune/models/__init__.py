"""The composed model: vision towers, projectors, the language model, and their checkpoints."""
