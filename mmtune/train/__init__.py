"""Training: the recipe, the stages, the objectives, the engines and the loop."""
