"""Do neural scaling laws hold for PatchTST on financial time series? Targets: results/report.html, results/runs/…"""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


# First page of `snakemake --report`.
report: "docs/captions/workflow.rst"


# Snakemake merges --configfile over a `configfile:` directive; a study must not inherit the quickstart.
if not workflow.overwrite_configfiles:

    configfile: str(Path(workflow.basedir) / "config" / "config.yaml")


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/features.smk"
include: "rules/tuning.smk"
include: "rules/training.smk"
include: "rules/stacking.smk"
include: "rules/production.smk"
include: "rules/report.smk"


localrules:
    all,


# Before the first job: what will be tested is recorded before there are any results.
onstart:
    checked(record_start)(PLAN, workflow.configfiles)
    checked(record_declarations)(PLAN, Path("results/declarations"), is_finished)
    checked(record_opening)(PLAN, Path("results/confirmation.json"), is_finished)
    stay_awake()
    say_what_is_not_measured()


onsuccess:
    for name, why in PLAN.study.waiting.items():
        print(f"{name} is not in these results: {why}.", file=sys.stderr)


rule all:
    default_target: True
    input:
        "results/report.html",


# Snakemake's own refusals of a target name no nearest one, and show a traceback.
if workflow.is_main_process:
    try:
        check_targets(workflow.rules, PLAN)
    except StudyError as error:
        sys.exit(str(error))
