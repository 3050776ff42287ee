"""Motion Representations for Articulated Animation (Siarohin et al., CVPR 2021): regions that move affinely, found without labels."""
