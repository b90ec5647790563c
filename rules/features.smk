"""From prices to bars, channels and checked samples."""


rule build_bars:
    input:
        prices=f"{PATHS.prices}.parquet",
        calendar=ancient(CALENDAR),
    output:
        f"{PATHS.bars}.parquet",
    log:
        "results/logs/build_bars/{vintage}/{timescale}/{symbol}.log",
    benchmark:
        "results/benchmarks/jobs/build_bars/{vintage}/{timescale}/{symbol}.tsv"
    priority: 100
    group:
        "bars"
    conda:
        "../envs/workflow.yaml"
    params:
        version=VERSIONS["features"],
    script:
        "../workflow_scripts/build_bars.py"


rule build_dataset:
    input:
        bars=lambda wildcards: INPUTS.bars(wildcards, wildcards.timescale),
        slower=INPUTS.slower_bars,
        series=lambda wildcards: INPUTS.series(wildcards.vintage, wildcards.dataset),
    output:
        DATASET,
    log:
        "results/logs/build_dataset/{vintage}/{dataset}/{timescale}.log",
    benchmark:
        "results/benchmarks/jobs/build_dataset/{vintage}/{dataset}/{timescale}.tsv"
    priority: 100
    group:
        "datasets"
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=dataset_memory,
    params:
        assembly=lambda wildcards: PLAN.data.assembly(
            wildcards.vintage, wildcards.dataset
        ),
        features=lambda wildcards: checked(PLAN.data.features)(
            wildcards.dataset, wildcards.timescale
        ),
        version=VERSIONS["features"],
    script:
        "../workflow_scripts/build_dataset.py"


# Counts samples and base rates of every declared task before any training, and refuses what cannot be trained.
rule check_samples:
    input:
        dataset=DATASET,
        quality=ancient(QUALITY),
    output:
        SAMPLES,
    log:
        "results/logs/check_samples/{vintage}/{dataset}/{timescale}.log",
    benchmark:
        "results/benchmarks/jobs/check_samples/{vintage}/{dataset}/{timescale}.tsv"
    priority: 100
    group:
        "datasets"
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=dataset_memory,
    params:
        problems=lambda wildcards: PLAN.problems(
            wildcards.vintage, wildcards.dataset, wildcards.timescale
        ),
        splits=lambda wildcards: PLAN.data.data_config(
            wildcards.vintage
        ).splits.model_dump_json(),
        version=VERSIONS["datasets"],
    script:
        "../workflow_scripts/check_samples.py"


rule processed_manifest:
    input:
        raw="data/raw/manifest.json",
        datasets=dataset_files(PLAN.datasets),
    output:
        manifest="data/processed/manifest.json",
    log:
        "results/logs/processed_manifest.log",
    benchmark:
        "results/benchmarks/jobs/processed_manifest.tsv"
    priority: 100
    conda:
        "../envs/workflow.yaml"
    params:
        raw=INPUTS.raw_by_dataset(PLAN.datasets),
        version=VERSIONS["features"],
    script:
        "../workflow_scripts/processed_manifest.py"


use rule processed_manifest as phase_processed_manifest with:
    input:
        raw="results/{phase}/raw/manifest.json",
        datasets=INPUTS.datasets,
    output:
        manifest="results/{phase}/processed/manifest.json",
    log:
        "results/logs/phase_processed_manifest/{phase}.log",
    benchmark:
        "results/benchmarks/jobs/phase_processed_manifest/{phase}.tsv"
    params:
        raw=lambda wildcards: INPUTS.raw_by_dataset(INPUTS.scope(wildcards).datasets),
        version=VERSIONS["features"],


# Samples of every dataset that the study builds, as a table.
rule matrix:
    input:
        samples=dataset_files(PLAN.datasets, SAMPLES),
        datasets=dataset_files(PLAN.datasets),
        manifests=["data/raw/manifest.json", "data/processed/manifest.json"],
        quality=quality_files(PLAN.datasets),
    output:
        csv="results/matrix.csv",
        text="results/matrix.txt",
    log:
        "results/logs/matrix.log",
    benchmark:
        "results/benchmarks/jobs/matrix.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    script:
        "../workflow_scripts/matrix.py"
