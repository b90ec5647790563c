"""results/report.html and report.md, from what the other stages have written."""

import json
from pathlib import Path

import polars as pl

from lib.data.io import read_json, read_parquet, write_text_atomic
from lib.data.manifest import read_manifest, read_params
from lib.data.validation.findings import findings_frame, read_findings
from lib.jobs.gather import ablations, correlation, job_costs, of_runs, searches
from lib.jobs.shell import job
from lib.report.figures import figure_files
from lib.report.inputs import ReportInputs
from lib.report.render import build_page, render_html, render_markdown
from lib.scoring.evaluation_tables import dailies_of, evaluations_of
from lib.training.provenance import git_commit, hardware, package_versions

with job(snakemake):
    runs = read_parquet(snakemake.input.runs)
    done = [Path(path) for path in runs.filter(pl.col("status") == "done")["path"]]
    entries = read_manifest(Path(snakemake.input.manifest))
    sources = dict(item.split("=", 1) for item in snakemake.params.sources)
    ranked, unranked = ablations(runs, snakemake.params.primary)
    inputs = ReportInputs(
        title=snakemake.params.title,
        note=snakemake.params.note,
        runs=runs,
        scaling=read_json(snakemake.input.scaling),
        histories=of_runs(done, "history.parquet", read_parquet),
        metrics=evaluations_of(read_parquet(snakemake.input.evaluations)),
        daily=dailies_of(read_parquet(snakemake.input.daily)),
        params={path.as_posix(): read_params(path) for path in done},
        run_provenance=of_runs(done, "provenance.json", read_json),
        ablation=ranked,
        ablation_problems=unranked,
        findings=findings_frame(read_findings(map(Path, snakemake.input.findings))),
        prices={
            Path(entry.path).stem: {
                "source": sources.get(entry.dataset),
                "vintage": entry.dataset,
                "rows": entry.rows,
                "first": entry.first,
                "last": entry.last,
                "sha256": entry.sha256,
            }
            for entry in entries
            if entry.dataset in sources
        },
        splits=json.loads(snakemake.params.splits),
        hpo=searches(snakemake.params.searches),
        transfer={path: read_parquet(path) for path in snakemake.input.transfer},
        importances={path: read_json(f"{path}/importances.json") for path in snakemake.params.searches},
        cost=job_costs(Path("results/benchmarks/jobs")),
        provenance={
            "git_commit": git_commit(Path(snakemake.scriptdir)),
            "packages": package_versions(),
            "hardware": hardware(),
        },
        declarations={
            name: read_json(path)
            for name in snakemake.params.experiments
            if (path := Path("results/declarations", f"{name}.json")).is_file()
        },
        channel_correlation=correlation(snakemake.input.datasets),
    )
    page = build_page(inputs)
    folder = Path(snakemake.output.figures)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in figure_files(page).items():
        (folder / name).write_bytes(content)
    write_text_atomic(Path(snakemake.output.markdown), render_markdown(page))
    write_text_atomic(Path(snakemake.output.html), render_html(page))
