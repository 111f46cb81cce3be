"""Package metadata. Lower bounds are tested: scripts/oldest.sh runs the unit tier with exactly those."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "mmtune/__init__.py").read_text(encoding="utf-8"))

REQUIRED = [
    "torch>=2.8",
    "torchvision>=0.23",
    "transformers>=5.2",
    "open_clip_torch>=3.3",
    "peft>=0.18",
    "jinja2>=3.1",
    "jsonargparse>=4.49",
    "matplotlib>=3.8",
    "numpy>=1.26",
    "pillow>=10.3",
    "pyyaml>=6.0.1",
    "rich>=13.7",
    "safetensors>=0.4.5",
    "scikit-learn>=1.5",
    "scikit-image>=0.24",
    "sentencepiece>=0.2.0",
    "tensorboard>=2.17",
]
SUFFIXES = ("css", "html", "j2", "js", "json", "jsonl", "md", "model", "safetensors", "txt")
DATA = [f"**/*.{suffix}" for suffix in SUFFIXES]
EXTRAS = {
    "deepspeed": ["deepspeed>=0.18"],
    "demo": ["gradio>=6.0"],
    "excel": ["openpyxl>=3.1"],
    "parquet": ["pyarrow>=18.0"],
    "teachers": ["httpx2>=2.0"],
    "ray": ["ray[data]>=2.60"],
    "video": ["av>=14.0"],
}
EXTRAS["test"] = [
    *EXTRAS["deepspeed"],
    *EXTRAS["demo"],
    *EXTRAS["excel"],
    *EXTRAS["parquet"],
    *EXTRAS["ray"],
    *EXTRAS["teachers"],
    *EXTRAS["video"],
    "coverage>=7.6",
    "hypothesis>=6.112",
    "import-linter>=2.0",
    "mypy>=1.13",
    "openai>=2.0",  # `transformers serve`, which a test asks, imports it
    "pytest>=8.3",
    "pytest-cov>=5.0",
    "pytest-xdist>=3.6.1",
    "ruff>=0.8",
    "types-PyYAML",
    "webdataset>=1.0.2",
]

setup(
    name="mmtune",
    version=VERSION.group(1) if VERSION else "0",
    description="Build data for, train, evaluate and talk to models that see images",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[*find_packages(include=["mmtune*", "data_builders*", "eval*"]), "mmtune.recipes"],
    package_dir={"mmtune.recipes": "recipes"},
    package_data={
        "mmtune.recipes": ["**/*.yaml", "**/*.json"],
        "mmtune": DATA,
        "data_builders": DATA,
        "eval": DATA,
    },
    install_requires=REQUIRED,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["mmtune = mmtune.cli:main"]},
    zip_safe=False,
)
