"""Where a benchmark comes from: its licence, its size, its page, and the files that can be had from there."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

SEE_PAGE = "see its page"
"""For what is not stated here, since nobody should rely on hearsay about a licence."""


@dataclass(frozen=True)
class Remote:
    """One file to fetch."""

    url: str
    as_name: str = ""
    """What the file is called here, where that is not the end of the address."""
    sha256: str | None = None
    """Of the file, where the publisher tells it."""
    folder: str = ""
    """Where an archive is unpacked, relative to the benchmark's folder."""

    @property
    def name(self) -> str:
        """Name of the file here."""
        return self.as_name or urlsplit(self.url).path.rsplit("/", 1)[-1]

    @property
    def is_archive(self) -> bool:
        """Whether it is to be unpacked."""
        return self.name.endswith((".zip", ".tar.gz", ".tgz"))


@dataclass(frozen=True)
class Published:
    """What a task states of its benchmark."""

    licence: str
    items: str
    images: str
    size: str
    """Of what is downloaded, images included, roughly; of the questions alone where it says so."""
    page: str
    files: tuple[Remote, ...] = ()
    """What ``mmtune eval --fetch`` gets; empty where the publisher asks for a form, a login or an e-mail."""
    use: str = ""
    """The task's settings for the files that were fetched, with ``{folder}`` for where they are; FILE and
    FOLDER are for what the page has besides."""


_COCO = "http://images.cocodataset.org"
COCO_VAL2014 = Remote(f"{_COCO}/zips/val2014.zip")
COCO_VAL2017 = Remote(f"{_COCO}/zips/val2017.zip")
COCO_ANNOTATIONS = Remote(f"{_COCO}/annotations/annotations_trainval2014.zip")
COCO_LICENCE = "annotations CC BY 4.0; images under Flickr's terms"
COCO_PAGE = "https://cocodataset.org/#download"


def hub(repository: str, path: str, as_name: str = "") -> Remote:
    """A file of a data set on the Hugging Face Hub."""
    return Remote(f"https://huggingface.co/datasets/{repository}/resolve/main/{path}", as_name)


def github(repository: str, path: str, branch: str = "main") -> Remote:
    """A file of a repository on GitHub."""
    return Remote(f"https://raw.githubusercontent.com/{repository}/{branch}/{path}")
