"""One run: train, predict, evaluate. Training ends with predictions; evaluation needs no model."""


# Set up once, in one place: processes that start together on a fresh database break its migrations.
rule tracking_store:
    output:
        "results/tracking/store.json",
    log:
        "results/logs/tracking_store.log",
    benchmark:
        "results/benchmarks/jobs/tracking_store.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        mlflow=PLAN.config.tracking.mlflow,
    script:
        "../workflow_scripts/tracking_store.py"


# Predictions of a question's smaller scale points for the largest, before that is trained. The record only grows.
rule predict_largest:
    input:
        INPUTS.smaller_runs,
    output:
        update(PATHS.prediction),
    log:
        "results/logs/predict_largest/{axis}/{name}.log",
    benchmark:
        "results/benchmarks/jobs/predict_largest/{axis}/{name}.tsv"
    priority: 30
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        curves=lambda wildcards: PLAN.predictions.declaration(
            wildcards.axis, wildcards.name, RUN
        ),
        primary=PRIMARY,
        evaluation=MEASURES,
        test_access="results/test_looks.txt",
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/predict_largest.py"


rule train:
    input:
        dataset=INPUTS.dataset,
        samples=lambda wildcards: ancient(INPUTS.samples(wildcards)),
        batch_size=lambda wildcards: ancient(INPUTS.batch_size(wildcards)),
        best=INPUTS.best,
        predicted=lambda wildcards: ancient(INPUTS.predictions_before(wildcards)),
        tracking=ancient("results/tracking/store.json"),
    output:
        model=directory(f"{RUN}/model"),
        validation=f"{RUN}/predictions/val.parquet",
        test=f"{RUN}/predictions/test.parquet",
        history=f"{RUN}/history.parquet",
        importance=f"{RUN}/importance.parquet",
        params=f"{RUN}/params.yaml",
        provenance=f"{RUN}/provenance.json",
    log:
        f"results/logs/train/{RUN_KEY}.log",
    benchmark:
        f"results/benchmarks/jobs/train/{RUN_KEY}.tsv"
    group:
        RESOURCES.submission
    conda:
        "../envs/workflow.yaml"
    threads: RESOURCES.threads
    resources:
        gpu=RESOURCES.gpus,
        mem_mb=RESOURCES.memory,
        runtime=RESOURCES.minutes,
    params:
        specification=INPUTS.specification,
        version=VERSIONS["training"],
    script:
        "../workflow_scripts/train.py"


rule evaluate:
    input:
        validation=f"{RUN}/predictions/val.parquet",
        test=f"{RUN}/predictions/test.parquet",
        params=f"{RUN}/params.yaml",
        provenance=f"{RUN}/provenance.json",
        history=f"{RUN}/history.parquet",
        importance=f"{RUN}/importance.parquet",
        dataset=INPUTS.dataset,
    output:
        metrics=f"{RUN}/metrics.json",
        daily=f"{RUN}/daily.parquet",
    log:
        f"results/logs/evaluate/{RUN_KEY}.log",
    benchmark:
        f"results/benchmarks/jobs/evaluate/{RUN_KEY}.tsv"
    group:
        "evaluate"
    conda:
        "../envs/workflow.yaml"
    params:
        evaluation=MEASURES,
        primary=INPUTS.primary,
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/evaluate.py"


# Pictures of one run, on request: `snakemake plots` draws those of all.
rule plot_run:
    input:
        test=f"{RUN}/predictions/test.parquet",
        importance=f"{RUN}/importance.parquet",
        params=f"{RUN}/params.yaml",
        provenance=f"{RUN}/provenance.json",
    output:
        confusion=report(
            f"{RUN}/plots/confusion_matrix.svg",
            caption="../docs/captions/confusion_matrix.rst",
            category="Single runs",
            subcategory="{task} h{horizon}",
            labels=run_labels("confusion matrix"),
        ),
        importance=report(
            f"{RUN}/plots/feature_importance.svg",
            caption="../docs/captions/feature_importance.rst",
            category="Single runs",
            subcategory="{task} h{horizon}",
            labels=run_labels("feature importance"),
        ),
    log:
        f"results/logs/plot_run/{RUN_KEY}.log",
    benchmark:
        f"results/benchmarks/jobs/plot_run/{RUN_KEY}.tsv"
    group:
        "plots"
    conda:
        "../envs/workflow.yaml"
    params:
        version=VERSIONS["reporting"],
    script:
        "../workflow_scripts/plot_run.py"


rule plots:
    input:
        INPUTS.of_runs("plots/confusion_matrix.svg"),
    localrule: True
