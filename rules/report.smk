"""From trained runs to the table of runs, the scaling fits and the report."""

# One job makes all files of a run, so its test predictions stand for them: each file of 2,880 runs, declared at every rule
# that reads it, would double the dry run of the full matrix.
RUNS = INPUTS.of_runs("predictions/test.parquet")


# One job evaluates all runs: a process each would spend its time on imports. Beside its tables it keeps what it measured in
# the metrics.json and daily.parquet of every run, the outputs of `evaluate` (training.smk), to the byte. They cannot be
# outputs of both rules; so no other rule reads what this one keeps there, but the tables.
rule collect_runs:
    input:
        runs=RUNS,
        datasets=INPUTS.distinct_datasets,
        workers=INPUTS.search_workers,
    output:
        parquet="results/runs.parquet",
        metrics="results/metrics.parquet",
        evaluations="results/evaluations.parquet",
        daily="results/daily.parquet",
        csv=report(
            "results/runs.csv", caption="../docs/captions/runs.rst", category="Runs"
        ),
    log:
        "results/logs/collect_runs.log",
    benchmark:
        "results/benchmarks/jobs/collect_runs.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: 4
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        runs=lambda wildcards: INPUTS.scope(wildcards).declared_runs(),
        folders=INPUTS.folders,
        datasets=INPUTS.run_datasets,
        primaries=INPUTS.run_primaries,
        evaluation=MEASURES,
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/collect_runs.py"


rule fit_scaling:
    input:
        runs="results/runs.parquet",
        searches=INPUTS.searches,
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
    group:
        "report"
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        experiments=lambda wildcards: INPUTS.scope(wildcards).experiments_json(),
        waiting=lambda wildcards: INPUTS.scope(wildcards).waiting,
        confirmatory=lambda wildcards: confirmatory_contrasts(PLAN),
        minimum_train_windows=PLAN.config.data.splits.minimum_train_windows,
        primary=PRIMARY,
        evaluation=PLAN.config.evaluation.model_dump_json(),
        test_access="results/test_looks.txt",
        opening="results/confirmation.json",
        predicted=lambda wildcards: [
            PATHS.prediction.format(axis=axis, name=name)
            for axis, name in PLAN.predictions.names()
        ],
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/fit_scaling.py"


# What a report of the whole study and one of a phase read alike.
REPORTED = {
    "ablated": INPUTS.ablated,
    "findings": INPUTS.quality,
    "samples": lambda wildcards: INPUTS.datasets(wildcards, SAMPLES),
    "datasets": INPUTS.datasets,
    "searches": INPUTS.searches,
    "trials": lambda wildcards: INPUTS.searches(wildcards, "trials.parquet"),
    "importances": lambda wildcards: INPUTS.searches(wildcards, "importances.json"),
    "transfer": INPUTS.transfer_checks,
}


rule report:
    input:
        **REPORTED,
        runs="results/runs.parquet",
        evaluations="results/evaluations.parquet",
        daily="results/daily.parquet",
        scaling="results/scaling.json",
        manifest="data/raw/manifest.json",
        processed="data/processed/manifest.json",
        csv_samples=lambda wildcards: expand(
            "data/samples/{vintage}", vintage=INPUTS.scope(wildcards).vintages
        ),
    output:
        html=report(
            "results/report.html",
            caption="../docs/captions/report.rst",
            category="Report",
        ),
        markdown="results/report.md",
        figures=report(
            directory("results/figures"),
            patterns=["{section}-{number}.svg"],
            caption="../docs/captions/figure.rst",
            category="Figures",
            labels={"section": "{section}", "figure": "{number}"},
        ),
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/jobs/report.tsv"
    group:
        "report"
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=8000,
    params:
        title=lambda wildcards: (
            f"{PLAN.config.title} ({wildcards.phase.replace('phase', 'phase ')})"
            if wildcards.get("phase")
            else PLAN.config.title
        ),
        sources=lambda wildcards: [
            f"{vintage}={PLAN.data.data_config(vintage).source}"
            for vintage in INPUTS.scope(wildcards).vintages
        ],
        experiments=lambda wildcards: INPUTS.scope(wildcards).experiments,
        splits=PLAN.config.data.splits.model_dump_json(),
        note=PLAN.config.note,
        primary=PRIMARY,
        searches=lambda wildcards: INPUTS.scope(wildcards).search_paths(SEARCH),
        version=VERSIONS["reporting"],
    script:
        "../workflow_scripts/report.py"


# A phase of the study has a table, verdicts and a report of its own, over its experiments and the controls.
use rule collect_runs as collect_phase with:
    output:
        parquet="results/{phase}/runs.parquet",
        metrics="results/{phase}/metrics.parquet",
        evaluations="results/{phase}/evaluations.parquet",
        daily="results/{phase}/daily.parquet",
        csv=report(
            "results/{phase}/runs.csv",
            caption="../docs/captions/runs.rst",
            category="Runs",
            subcategory="{phase}",
        ),
    log:
        "results/logs/collect_phase/{phase}.log",
    benchmark:
        "results/benchmarks/jobs/collect_phase/{phase}.tsv"


use rule fit_scaling as fit_phase with:
    input:
        runs="results/{phase}/runs.parquet",
        searches=INPUTS.searches,
    output:
        report(
            "results/{phase}/scaling.json",
            caption="../docs/captions/scaling.rst",
            category="Verdicts",
            subcategory="{phase}",
        ),
    log:
        "results/logs/fit_phase/{phase}.log",
    benchmark:
        "results/benchmarks/jobs/fit_phase/{phase}.tsv"


use rule report as report_phase with:
    input:
        **REPORTED,
        runs="results/{phase}/runs.parquet",
        evaluations="results/{phase}/evaluations.parquet",
        daily="results/{phase}/daily.parquet",
        scaling="results/{phase}/scaling.json",
        manifest="results/{phase}/raw/manifest.json",
        processed="results/{phase}/processed/manifest.json",
    output:
        html=report(
            "results/{phase}/report.html",
            caption="../docs/captions/report.rst",
            category="Report",
            subcategory="{phase}",
        ),
        markdown="results/{phase}/report.md",
        figures=report(
            directory("results/{phase}/figures"),
            patterns=["{section}-{number}.svg"],
            caption="../docs/captions/figure.rst",
            category="Figures",
            subcategory="{phase}",
            labels={"section": "{section}", "figure": "{number}"},
        ),
    log:
        "results/logs/report_phase/{phase}.log",
    benchmark:
        "results/benchmarks/jobs/report_phase/{phase}.tsv"


rule phase_done:
    input:
        "results/{phase}/report.html",
    output:
        touch("results/{phase}.done"),
    localrule: True


# One named part of a study, for example `snakemake results/ids/P1-2M.done`.
rule id_done:
    input:
        INPUTS.named_runs,
    output:
        touch("results/ids/{id}.done"),
    localrule: True


if PLAN.config.selection:

    rule select_configuration:
        input:
            expand("results/{phase}/runs.parquet", phase=PLAN.config.selection.phases),
        output:
            str(PLAN.config.selection.file),
        log:
            "results/logs/select_configuration.log",
        benchmark:
            "results/benchmarks/jobs/select_configuration.tsv"
        conda:
            "../envs/workflow.yaml"
        params:
            selection=PLAN.config.selection.model_dump_json(),
            context_length=PLAN.config.context_length[PLAN.config.selection.timescale],
            version=VERSIONS["evaluation"],
        script:
            "../workflow_scripts/select_configuration.py"


rule compare_models:
    input:
        runs="results/runs.parquet",
        scaling="results/scaling.json",
        predictions=RUNS,
    output:
        "results/model_comparison.csv",
    log:
        "results/logs/compare_models.log",
    benchmark:
        "results/benchmarks/jobs/compare_models.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        primary=PRIMARY,
        evaluation=MEASURES,
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/compare_models.py"


rule ablation:
    input:
        runs="results/runs.parquet",
        ablated=INPUTS.ablated,
    output:
        "results/ablation.csv",
    log:
        "results/logs/ablation.log",
    benchmark:
        "results/benchmarks/jobs/ablation.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        primary=PRIMARY,
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/ablation.py"
