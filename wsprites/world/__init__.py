"""The world without pixels: numbers, actions, random walks and scripts."""
