"""The world without pixels: numbers, actions, random walks, scripts, and the law of an action."""
