"""From sources to an immutable, validated vintage with its manifest."""


# Downloads run where Snakemake runs: nodes of a cluster often have no network.
rule exchange_calendar:
    output:
        "data/calendars/{calendar}.parquet",
    log:
        "results/logs/exchange_calendar/{calendar}.log",
    benchmark:
        "results/benchmarks/jobs/exchange_calendar/{calendar}.tsv"
    priority: 100
    localrule: True
    conda:
        "../envs/workflow.yaml"
    script:
        "../workflow_scripts/exchange_calendar.py"


# Existing files stay: a vintage is never fetched twice, so only its identity is a parameter.
rule import_prices:
    input:
        calendar=ancient(CALENDAR),
    output:
        f"{PATHS.prices}.parquet",
    log:
        "results/logs/import_prices/{vintage}/{symbol}.log",
    benchmark:
        "results/benchmarks/jobs/import_prices/{vintage}/{symbol}.tsv"
    priority: 100
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        source=lambda wildcards: PLAN.data.source_settings(wildcards.vintage),
    script:
        "../workflow_scripts/import_prices.py"


rule import_series:
    input:
        parts=lambda wildcards: expand(
            "data/raw/{vintage}/series/{part}.parquet",
            vintage=wildcards.vintage,
            part=PLAN.data.parts(wildcards.series),
        ),
    output:
        f"{PATHS.series}.parquet",
    log:
        "results/logs/import_series/{vintage}/{series}.log",
    benchmark:
        "results/benchmarks/jobs/import_series/{vintage}/{series}.tsv"
    priority: 100
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        source=lambda wildcards: PLAN.data.source_settings(wildcards.vintage),
        series=lambda wildcards: checked(PLAN.data.series_settings)(
            wildcards.vintage, wildcards.series
        ),
        optional=lambda wildcards: wildcards.series in PLAN.data.optional_series,
    script:
        "../workflow_scripts/import_series.py"


# By dataset: faults in data that a dataset does not use do not stop it.
rule check_quality:
    input:
        calendar=ancient(CALENDAR),
        prices=lambda wildcards: INPUTS.prices(wildcards.vintage, wildcards.dataset),
        series=lambda wildcards: INPUTS.series_and_parts(
            wildcards.vintage, wildcards.dataset
        ),
    output:
        QUALITY,
    log:
        "results/logs/check_quality/{vintage}/{dataset}.log",
    benchmark:
        "results/benchmarks/jobs/check_quality/{vintage}/{dataset}.tsv"
    priority: 100
    group:
        "datasets"
    conda:
        "../envs/workflow.yaml"
    params:
        validation=PLAN.config.data.validation.model_dump_json(),
        series=lambda wildcards: [
            PLAN.data.series_settings(wildcards.vintage, name)
            for name in PLAN.data.series_and_parts(
                wildcards.vintage, wildcards.dataset
            )
        ],
        comparisons=lambda wildcards: PLAN.data.comparisons(
            wildcards.vintage, wildcards.dataset
        ),
        source=lambda wildcards: PLAN.data.source_settings(wildcards.vintage),
        assembly=lambda wildcards: PLAN.data.assembly(
            wildcards.vintage, wildcards.dataset
        ),
    script:
        "../workflow_scripts/check_quality.py"


rule record_vintage:
    input:
        prices=lambda wildcards: INPUTS.prices(wildcards.vintage),
        series=lambda wildcards: INPUTS.series(wildcards.vintage),
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


# What a phase needs, listed beside its report: its own data and no others.
rule phase_raw_manifest:
    input:
        INPUTS.raw_of_scope,
    output:
        "results/{phase}/raw/manifest.json",
    log:
        "results/logs/phase_raw_manifest/{phase}.log",
    benchmark:
        "results/benchmarks/jobs/phase_raw_manifest/{phase}.tsv"
    priority: 100
    conda:
        "../envs/workflow.yaml"
    script:
        "../workflow_scripts/record_vintage.py"


rule write_samples:
    input:
        prices=lambda wildcards: INPUTS.prices(wildcards.vintage),
        series=lambda wildcards: INPUTS.series(wildcards.vintage),
    output:
        directory("data/samples/{vintage}"),
    log:
        "results/logs/write_samples/{vintage}.log",
    benchmark:
        "results/benchmarks/jobs/write_samples/{vintage}.tsv"
    conda:
        "../envs/workflow.yaml"
    script:
        "../workflow_scripts/write_samples.py"


# `make vintage`: everything raw that the study needs, validated and listed, and nothing else.
rule vintage:
    input:
        "data/raw/manifest.json",
        quality_files(PLAN.datasets),
    localrule: True
