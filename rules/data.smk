"""From a source to an immutable, validated vintage with its manifest."""


rule import_prices:
    output:
        prices="data/raw/{vintage}/prices/{symbol}.parquet",
        findings="data/raw/{vintage}/quality/{symbol}.json",
    log:
        "results/logs/import_prices/{vintage}/{symbol}.log",
    benchmark:
        "results/benchmarks/jobs/import_prices/{vintage}/{symbol}.tsv"
    priority: 100
    conda:
        "../envs/workflow.yaml"
    params:
        source=lambda wildcards: PLAN.source_settings(wildcards.vintage),
    script:
        "../workflow_scripts/import_prices.py"


rule record_vintage:
    input:
        lambda wildcards: expand(
            "data/raw/{{vintage}}/prices/{symbol}.parquet",
            symbol=PLAN.symbols(wildcards.vintage),
        ),
    output:
        "data/raw/{vintage}/manifest.json",
    log:
        "results/logs/record_vintage/{vintage}.log",
    benchmark:
        "results/benchmarks/jobs/record_vintage/{vintage}.tsv"
    priority: 100
    conda:
        "../envs/workflow.yaml"
    script:
        "../workflow_scripts/record_vintage.py"


rule raw_manifest:
    input:
        expand("data/raw/{vintage}/manifest.json", vintage=PLAN.vintages),
    output:
        manifest="data/raw/manifest.json",
    log:
        "results/logs/raw_manifest.log",
    benchmark:
        "results/benchmarks/jobs/raw_manifest.tsv"
    priority: 100
    conda:
        "../envs/workflow.yaml"
    script:
        "../workflow_scripts/raw_manifest.py"


rule write_sample:
    input:
        "data/raw/{vintage}/prices/{symbol}.parquet",
    output:
        "data/samples/{vintage}/{symbol}.csv",
    log:
        "results/logs/write_sample/{vintage}/{symbol}.log",
    benchmark:
        "results/benchmarks/jobs/write_sample/{vintage}/{symbol}.tsv"
    conda:
        "../envs/workflow.yaml"
    script:
        "../workflow_scripts/write_sample.py"
