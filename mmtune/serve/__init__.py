"""Serving: chat in the terminal and a page for the browser, over the engine of ``mmtune.decode``."""
