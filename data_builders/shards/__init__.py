"""Records and their images as webdataset shards that are the same bytes whenever and wherever they are built.

A shard is a tar file. A sample's files stand one behind the other and share a key, ``SSSSSNNNNN`` (shard and
place), which is never the record's id: dots and slashes in a key mean something else to webdataset. The
record itself is ``KEY.json``, the row as it stood in its file; its images are ``KEY.jpg`` (or png, webp, …),
with several ``KEY.img0.jpg``, ``KEY.img1.jpg``, …, in the order of the row's ``image``. Image files are
copied byte by byte and never encoded again.
"""

from __future__ import annotations

from data_builders.shards.building import PROBLEMS, build_shards
from data_builders.shards.manifest import MANIFEST, Manifest, Shard, read_manifest, verify_shards
from data_builders.shards.planning import ShardSettings
from data_builders.shards.reading import iter_shard

__all__ = [
    "MANIFEST",
    "PROBLEMS",
    "Manifest",
    "Shard",
    "ShardSettings",
    "build_shards",
    "iter_shard",
    "read_manifest",
    "verify_shards",
]
