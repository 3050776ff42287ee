"""Importing other people's videos: video files, or folders of frames as in CADDY's layout, cut into clips of T frames in one file.

They have no labels but those that come with them. `wsprites.file.VideoFile` reads the file.
"""

from wsprites.file import VideoFile
from wsprites.videos.labels import load_list
from wsprites.videos.people import plan_chunks
from wsprites.videos.plan import Plan, plan
from wsprites.videos.store import import_videos
from wsprites.videos.video import Video

__all__ = ["Plan", "Video", "VideoFile", "import_videos", "load_list", "plan", "plan_chunks"]
