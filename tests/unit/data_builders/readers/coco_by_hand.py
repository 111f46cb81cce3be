"""Small files in COCO's keys, as the tests write them."""

from __future__ import annotations

IMAGES = [
    {
        "license": 3,
        "file_name": "000000000009.jpg",
        "height": 480,
        "width": 640,
        "id": 9,
        "date_captured": "2013",
    },
    {"license": 1, "file_name": "000000000025.jpg", "height": 426, "width": 640, "id": 25},
]
LICENSES = [
    {
        "url": "http://creativecommons.org/licenses/by-nc-sa/2.0/",
        "id": 1,
        "name": "Attribution-NonCommercial",
    },
    {"url": "http://creativecommons.org/licenses/by/2.0/", "id": 3, "name": "Attribution License"},
]
CATEGORIES = [
    {"supercategory": "person", "id": 1, "name": "person"},
    {"supercategory": "animal", "id": 18, "name": "dog"},
    {"supercategory": "animal", "id": 90, "name": "Cat"},
]


def annotation(number, image, category, box, **more):
    row = {"segmentation": [[1, 1, 9, 1, 9, 9]], "area": 32.5, "iscrowd": 0, "image_id": image, "bbox": box}
    return row | {"category_id": category, "id": number} | more


def instances(*annotations, **more):
    head = {"info": {"year": 2017}, "licenses": LICENSES, "images": IMAGES, "annotations": list(annotations)}
    return head | {"categories": CATEGORIES} | more
