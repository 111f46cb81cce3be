"""A small world that needs no download: scenes of shapes, words and real handwriting with exact truth."""
