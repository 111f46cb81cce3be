"""Builders that turn annotated images into training and evaluation data; ``builders.py`` lists them."""
