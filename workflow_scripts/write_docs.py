"""Write the pages and schemas that are made from the code (`make docs`)."""

from pathlib import Path

from lib.config.document import config_markdown
from lib.config.editor_schemas import FILES, schema_name, schema_text
from lib.config.yaml_files import read_yaml
from lib.features.documentation import catalogue_markdown
from lib.jobs.command import Parser, command
from lib.results.results_page import with_tables
from lib.study.documents.architecture import with_imports
from lib.study.documents.study_tables import with_study
from lib.study.plan import plan_study

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    with command(Parser(__doc__, study=False).parse_args()):
        (ROOT / "config" / "README.md").write_text(config_markdown(), encoding="utf-8")
        for model in FILES.values():
            path = ROOT / "config" / "schemas" / schema_name(model)
            path.write_text(schema_text(model), encoding="utf-8")
        (ROOT / "docs" / "features.md").write_text(catalogue_markdown(), encoding="utf-8")
        page = ROOT / "docs" / "architecture.md"
        page.write_text(with_imports(page.read_text(encoding="utf-8"), ROOT / "lib"), encoding="utf-8")
        page = ROOT / "docs" / "results.md"
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
        page, config = ROOT / "docs" / "study.md", ROOT / "config"
        study = plan_study(read_yaml(config / "study.yaml"), config, {})
        page.write_text(with_study(page.read_text(encoding="utf-8"), study), encoding="utf-8")


if __name__ == "__main__":
    main()
