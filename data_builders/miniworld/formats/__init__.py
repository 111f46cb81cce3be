"""Writers of the official annotation formats, one file each; pure functions from scenes to JSON values."""
