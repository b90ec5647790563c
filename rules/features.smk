"""From prices to bars, channels and checked samples."""


rule build_bars:
    input:
        "data/raw/{vintage}/prices/{symbol}.parquet",
    output:
        "data/processed/{vintage}/bars/{timescale}/{symbol}.parquet",
    log:
        "results/logs/build_bars/{vintage}/{timescale}/{symbol}.log",
    benchmark:
        "results/benchmarks/jobs/build_bars/{vintage}/{timescale}/{symbol}.tsv"
    priority: 100
    conda:
        "../envs/workflow.yaml"
    params:
        version=VERSIONS["features"],
        calendar=PLAN.config.data.validation.calendar,
    script:
        "../workflow_scripts/build_bars.py"


rule build_dataset:
    input:
        lambda wildcards: expand(
            "data/processed/{{vintage}}/bars/{{timescale}}/{symbol}.parquet",
            symbol=PLAN.symbols(wildcards.vintage, wildcards.dataset),
        ),
    output:
        "data/processed/{vintage}/{dataset}/{timescale}.parquet",
    log:
        "results/logs/build_dataset/{vintage}/{dataset}/{timescale}.log",
    benchmark:
        "results/benchmarks/jobs/build_dataset/{vintage}/{dataset}/{timescale}.tsv"
    priority: 100
    conda:
        "../envs/workflow.yaml"
    params:
        version=VERSIONS["features"],
    script:
        "../workflow_scripts/build_dataset.py"


# Counts samples and base rates of every declared task before any training, and refuses what cannot be trained.
rule check_samples:
    input:
        "data/processed/{vintage}/{dataset}/{timescale}.parquet",
    output:
        "data/processed/{vintage}/{dataset}/{timescale}.samples.json",
    log:
        "results/logs/check_samples/{vintage}/{dataset}/{timescale}.log",
    benchmark:
        "results/benchmarks/jobs/check_samples/{vintage}/{dataset}/{timescale}.tsv"
    priority: 100
    conda:
        "../envs/workflow.yaml"
    params:
        cells=lambda wildcards: PLAN.cells(
            wildcards.vintage, wildcards.dataset, wildcards.timescale
        ),
        splits=PLAN.config.data.splits.model_dump_json(),
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
        symbols=[
            f"{vintage}/{dataset}={','.join(PLAN.symbols(vintage, dataset))}"
            for vintage, dataset, _ in PLAN.datasets
        ],
        version=VERSIONS["features"],
    script:
        "../workflow_scripts/processed_manifest.py"
