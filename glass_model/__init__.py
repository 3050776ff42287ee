"""GLASS: global and local actions learned from video alone (Davtyan & Favaro, ECCV 2022)."""
