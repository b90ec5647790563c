"""From trained runs to the table of runs, the scaling fits and the report."""


# One job evaluates all runs: a process each would spend its time on imports. It brings the metrics.json and
# daily.parquet of every run up to date, which `evaluate` (training.smk) does for a single one.
rule collect_runs:
    input:
        [f"{run}/predictions/test.parquet" for run in RUNS],
        SEARCH_WORKERS,
    output:
        parquet="results/runs.parquet",
        csv=report(
            "results/runs.csv", caption="../docs/captions/runs.rst", category="Runs"
        ),
    log:
        "results/logs/collect_runs.log",
    benchmark:
        "results/benchmarks/jobs/collect_runs.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        runs=PLAN.declared_runs(),
        folders=RUNS,
        datasets=RUN_DATASETS,
        primaries=RUN_PRIMARIES,
        evaluation=PLAN.config.evaluation.model_dump_json(),
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/collect_runs.py"


rule fit_scaling:
    input:
        runs="results/runs.parquet",
        searches=PLAN.search_paths(BEST),
    output:
        report(
            "results/scaling.json",
            caption="../docs/captions/scaling.rst",
            category="Verdicts",
        ),
    log:
        "results/logs/fit_scaling.log",
    benchmark:
        "results/benchmarks/jobs/fit_scaling.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        experiments=PLAN.experiments_json(),
        primary=PLAN.data.primary_symbol(PLAN.config.data.vintage),
        evaluation=PLAN.config.evaluation.model_dump_json(),
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/fit_scaling.py"


rule report:
    input:
        runs="results/runs.parquet",
        scaling="results/scaling.json",
        manifest="data/raw/manifest.json",
        processed="data/processed/manifest.json",
        findings=expand("data/raw/{vintage}/quality.json", vintage=PLAN.vintages),
        samples=[
            SAMPLES.format(vintage=vintage, dataset=dataset, timescale=timescale)
            for vintage, dataset, timescale in PLAN.datasets
        ],
        datasets=[
            DATASET.format(vintage=vintage, dataset=dataset, timescale=timescale)
            for vintage, dataset, timescale in PLAN.datasets
        ],
        searches=PLAN.search_paths(BEST),
        csv_samples=expand("data/samples/{vintage}", vintage=PLAN.vintages),
    output:
        html=report(
            "results/report.html",
            caption="../docs/captions/report.rst",
            category="Report",
        ),
        markdown="results/report.md",
        figures=directory("results/figures"),
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/jobs/report.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        title=PLAN.config.title,
        sources=[
            f"{vintage}={PLAN.data.data_config(vintage).source}"
            for vintage in PLAN.vintages
        ],
        splits=PLAN.config.data.splits.model_dump_json(),
        note=PLAN.config.note,
        searches=PLAN.search_paths(SEARCH),
        version=VERSIONS["reporting"],
    script:
        "../workflow_scripts/report.py"


rule compare_models:
    input:
        runs="results/runs.parquet",
        scaling="results/scaling.json",
    output:
        "results/model_comparison.csv",
    log:
        "results/logs/compare_models.log",
    benchmark:
        "results/benchmarks/jobs/compare_models.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        version=VERSIONS["reporting"],
    script:
        "../workflow_scripts/compare_models.py"


rule ablation_readout:
    input:
        runs="results/runs.parquet",
    output:
        "results/ablation_readout.csv",
    log:
        "results/logs/ablation_readout.log",
    benchmark:
        "results/benchmarks/jobs/ablation_readout.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        version=VERSIONS["reporting"],
    script:
        "../workflow_scripts/ablation_readout.py"
