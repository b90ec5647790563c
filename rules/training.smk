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
        lambda wildcards: [
            f"{RUN.format(** run.fields())}/predictions/test.parquet"
            for run in checked(PLAN.predictions.runs, wildcards.axis, wildcards.name)
        ],
    output:
        update("results/predicted/{axis}/{name}.json"),
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
        cells=lambda wildcards: PLAN.predictions.declaration(
            wildcards.axis, wildcards.name, RUN
        ),
        primary=PLAN.data.primary_symbol(PLAN.config.data.vintage),
        evaluation=MEASURES,
        looks="results/test_looks.txt",
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/predict_largest.py"


rule train:
    input:
        dataset=dataset_of,
        samples=lambda wildcards: ancient(samples_of(wildcards)),
        batch_size=lambda wildcards: ancient(batch_size_for(wildcards)),
        best=best_of,
        predicted=lambda wildcards: ancient(predictions_before(wildcards)),
        tracking=ancient("results/tracking/store.json"),
    output:
        model=directory(
            "results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/model"
        ),
        validation="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/predictions/val.parquet",
        test="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/predictions/test.parquet",
        history="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/history.parquet",
        importance="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/importance.parquet",
        params="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/params.yaml",
        provenance="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/provenance.json",
    log:
        "results/logs/train/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}.log",
    benchmark:
        "results/benchmarks/jobs/train/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}.tsv"
    group:
        submission_of
    conda:
        "../envs/workflow.yaml"
    threads: threads_of
    resources:
        gpu=lambda wildcards: int(PLAN.uses_gpu(wildcards.model)),
        mem_mb=memory_of,
        runtime=minutes_of,
    params:
        specification=specification,
        version=VERSIONS["training"],
    script:
        "../workflow_scripts/train.py"


rule evaluate:
    input:
        validation="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/predictions/val.parquet",
        test="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/predictions/test.parquet",
        params="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/params.yaml",
        provenance="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/provenance.json",
        history="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/history.parquet",
        dataset=dataset_of,
    output:
        metrics="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/metrics.json",
        daily="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/daily.parquet",
    log:
        "results/logs/evaluate/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}.log",
    benchmark:
        "results/benchmarks/jobs/evaluate/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}.tsv"
    group:
        "evaluate"
    conda:
        "../envs/workflow.yaml"
    params:
        evaluation=MEASURES,
        primary=lambda wildcards: PLAN.data.primary_symbol(
            PLAN.vintage(run_of(wildcards))
        ),
        version=VERSIONS["evaluation"],
    script:
        "../workflow_scripts/evaluate.py"


# Pictures of one run, on request: `snakemake plots` draws those of all.
rule plot_run:
    input:
        test="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/predictions/test.parquet",
        importance="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/importance.parquet",
        params="results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/params.yaml",
    output:
        confusion=report(
            "results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/plots/confusion_matrix.svg",
            caption="../docs/captions/confusion_matrix.rst",
            category="Single runs",
            subcategory="{task} h{horizon}",
            labels=run_labels("confusion matrix"),
        ),
        importance=report(
            "results/runs/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}/plots/feature_importance.svg",
            caption="../docs/captions/feature_importance.rst",
            category="Single runs",
            subcategory="{task} h{horizon}",
            labels=run_labels("feature importance"),
        ),
    log:
        "results/logs/plot_run/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}.log",
    benchmark:
        "results/benchmarks/jobs/plot_run/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/seed{seed}.tsv"
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
        lambda wildcards: [
            f"{run}/plots/confusion_matrix.svg" for run in run_folders(wildcards)
        ],
    localrule: True
