"""The program that draws the art in `assets/`: `python -m assets.painter` draws all of it.

`figures.py` draws the characters, as LPC sheets: a skeleton in key poses (`pose.py`), dressed with solids (`wardrobe.py`) that are
seen from four sides (`solid.py`); `faces.py` has the second version of their heads. `scenes.py` paints the backgrounds from things
(`scenery.py`) on a canvas (`canvas.py`).
"""
