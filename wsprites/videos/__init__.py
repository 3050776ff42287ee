"""Importing other people's videos: folders of frames in CADDY's layout, or video files, cut into clips of T frames in one file.

They have no labels but those that come with them. `wsprites.file.VideoFile` reads the file.
"""

from wsprites.file import VideoFile
from wsprites.videos.find import Plan, plan
from wsprites.videos.frames import Video
from wsprites.videos.labels import load_list
from wsprites.videos.store import import_videos

__all__ = ["Plan", "Video", "VideoFile", "import_videos", "load_list", "plan"]
