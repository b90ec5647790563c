"""From prices to bars, channels and checked samples."""


rule build_bars:
    input:
        prices="data/raw/{vintage}/prices/{symbol}.parquet",
        calendar=ancient(CALENDAR),
    output:
        "data/processed/{vintage}/bars/{timescale}/{symbol}.parquet",
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
        bars=lambda wildcards: bars_of(wildcards, wildcards.timescale),
        slower=lambda wildcards: [
            path
            for timescale in ("weekly", "monthly")
            if wildcards.timescale == "multires"
            for path in bars_of(wildcards, timescale)
        ],
        series=lambda wildcards: raw_series(wildcards.vintage, wildcards.dataset),
    output:
        "data/processed/{vintage}/{dataset}/{timescale}.parquet",
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
        mem_mb=lambda wildcards: 2000 + channels_memory(wildcards),
    params:
        assembly=lambda wildcards: PLAN.data.assembly(
            wildcards.vintage, wildcards.dataset
        ),
        features=lambda wildcards: checked(
            PLAN.data.features, wildcards.dataset, wildcards.timescale
        ),
        version=VERSIONS["features"],
    script:
        "../workflow_scripts/build_dataset.py"


# Counts samples and base rates of every declared task before any training, and refuses what cannot be trained.
rule check_samples:
    input:
        dataset="data/processed/{vintage}/{dataset}/{timescale}.parquet",
        quality=ancient("data/raw/{vintage}/quality/{dataset}.json"),
    output:
        "data/processed/{vintage}/{dataset}/{timescale}.samples.json",
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
        mem_mb=lambda wildcards: 2000 + channels_memory(wildcards),
    params:
        cells=lambda wildcards: PLAN.cells(
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
        datasets=[
            DATASET.format(vintage=vintage, dataset=dataset, timescale=timescale)
            for vintage, dataset, timescale in PLAN.datasets
        ],
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
        raw=raw_by_dataset(PLAN.datasets),
        version=VERSIONS["features"],
    script:
        "../workflow_scripts/processed_manifest.py"


use rule processed_manifest as phase_processed_manifest with:
    input:
        raw="results/{phase}/raw/manifest.json",
        datasets=dataset_files,
    output:
        manifest="results/{phase}/processed/manifest.json",
    log:
        "results/logs/phase_processed_manifest/{phase}.log",
    benchmark:
        "results/benchmarks/jobs/phase_processed_manifest/{phase}.tsv"
    params:
        raw=lambda wildcards: raw_by_dataset(scope_of(wildcards).datasets),
        version=VERSIONS["features"],


# Samples of every dataset that the study builds, as a table.
rule matrix:
    input:
        samples=[
            SAMPLES.format(vintage=vintage, dataset=dataset, timescale=timescale)
            for vintage, dataset, timescale in PLAN.datasets
        ],
        datasets=[
            DATASET.format(vintage=vintage, dataset=dataset, timescale=timescale)
            for vintage, dataset, timescale in PLAN.datasets
        ],
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
