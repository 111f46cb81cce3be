"""mmtune: build, train, evaluate and serve models that you can talk to about images."""

__version__ = "0.1.0"
