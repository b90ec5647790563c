"""Meta-modules: forecasts of base models stacked as a dataset, and the comparison with those models."""


rule stack_forecasts:
    input:
        dataset=INPUTS.meta_dataset,
        forecasts=INPUTS.meta_bases,
    output:
        META_DATASET,
    log:
        "results/logs/stack_forecasts/{meta}.log",
    benchmark:
        "results/benchmarks/jobs/stack_forecasts/{meta}.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        declaration=lambda wildcards: PLAN.meta.declaration(wildcards.meta),
        bases=lambda wildcards: [
            run.to_json() for run in PLAN.meta.bases(wildcards.meta)
        ],
        version=VERSIONS["stacking"],
    script:
        "../workflow_scripts/stack_forecasts.py"


rule compare_meta:
    input:
        dataset=META_DATASET,
        validation=lambda wildcards: INPUTS.meta_learners(wildcards, "val"),
        test=lambda wildcards: INPUTS.meta_learners(wildcards, "test"),
    output:
        json="results/meta/{meta}/comparison.json",
        csv="results/meta/{meta}/comparison.csv",
        signal="results/meta/{meta}/signal.parquet",
    log:
        "results/logs/compare_meta/{meta}.log",
    benchmark:
        "results/benchmarks/jobs/compare_meta/{meta}.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        declaration=lambda wildcards: PLAN.meta.declaration(wildcards.meta),
        bases=lambda wildcards: [
            run.to_json() for run in PLAN.meta.bases(wildcards.meta)
        ],
        learners=lambda wildcards: [
            run.model for run in PLAN.meta.learners(wildcards.meta)
        ],
        evaluation=MEASURES,
        version=[VERSIONS["stacking"], VERSIONS["evaluation"]],
    script:
        "../workflow_scripts/compare_meta.py"
