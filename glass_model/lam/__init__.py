"""Latent action models: an inverse and a forward dynamics model with a bottleneck between them, as LAPO, AdaWorld, LAOM and Genie have."""
