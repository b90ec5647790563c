"""`make docs`: pages that are made from the code."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lib.config.document import config_markdown
from lib.features.documentation import catalogue_markdown

if __name__ == "__main__":
    (ROOT / "config" / "README.md").write_text(config_markdown(), encoding="utf-8")
    (ROOT / "docs" / "features.md").write_text(catalogue_markdown(), encoding="utf-8")
