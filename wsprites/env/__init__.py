"""The world as Gymnasium environments: an agent moves the sprite and chooses its animation; the background moves on its own.

Importing this package registers "wsprites/Walk-v0"; `gymnasium.make("wsprites.env:wsprites/Walk-v0")` imports it.
"""

from wsprites.terminal import extra

with extra("gym"):
    import gymnasium

    from wsprites.env.stage import EnvState, Info
    from wsprites.env.vector import WalkVectorEnv
    from wsprites.env.walk import WalkEnv

__all__ = ["EnvState", "Info", "WalkEnv", "WalkVectorEnv"]

gymnasium.register("wsprites/Walk-v0", entry_point="wsprites.env:WalkEnv", vector_entry_point="wsprites.env:WalkVectorEnv")
