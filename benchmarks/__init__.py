"""The instrument: how well a model that never saw a label has found out what happens in a video."""
