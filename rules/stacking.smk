"""Meta-modules: forecasts of base models stacked as a dataset, and the comparison with those models."""


rule stack_forecasts:
    input:
        dataset=lambda wildcards: declared_dataset(
            checked(PLAN.meta.learners, wildcards.meta)[0]
        ),
        forecasts=lambda wildcards: [
            f"{RUN.format(** run.fields())}/predictions/test.parquet"
            for run in checked(PLAN.meta.bases, wildcards.meta)
        ],
    output:
        "results/meta/{meta}/dataset.parquet",
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
        dataset="results/meta/{meta}/dataset.parquet",
        validation=lambda wildcards: [
            f"{RUN.format(** run.fields())}/predictions/val.parquet"
            for run in checked(PLAN.meta.learners, wildcards.meta)
        ],
        test=lambda wildcards: [
            f"{RUN.format(** run.fields())}/predictions/test.parquet"
            for run in checked(PLAN.meta.learners, wildcards.meta)
        ],
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
