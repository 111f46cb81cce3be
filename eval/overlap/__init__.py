"""What of a benchmark a model has seen in training, and its score on the rest."""

from eval.overlap.finding import Overlap, Sighting, TrainingRecords, find_overlap
from eval.overlap.scores import add_overlap, without_overlap

__all__ = ["Overlap", "Sighting", "TrainingRecords", "add_overlap", "find_overlap", "without_overlap"]
