"""What is found before training: the batch size of a shape on this machine, and hyperparameters."""


rule discover_batch_size:
    output:
        "results/batch_sizes/{dataset}/{timescale}/{model}/{budget}.json",
    log:
        "results/logs/discover_batch_size/{dataset}/{timescale}/{model}/{budget}.log",
    benchmark:
        "results/benchmarks/jobs/discover_batch_size/{dataset}/{timescale}/{model}/{budget}.tsv"
    priority: 50
    conda:
        "../envs/workflow.yaml"
    threads: threads_of
    resources:
        gpu=1,
        mem_mb=memory_of,
        runtime=60,
    params:
        shape=lambda wildcards: PLAN.shape(
            wildcards.dataset, wildcards.timescale, wildcards.model, wildcards.budget
        ),
    script:
        "../workflow_scripts/discover_batch_size.py"


rule search_hyperparameters:
    input:
        dataset=lambda wildcards: DATASET.format(
            vintage=PLAN.vintage_of_variant(wildcards.variant), **dict(wildcards)
        ),
        samples=lambda wildcards: ancient(
            SAMPLES.format(
                vintage=PLAN.vintage_of_variant(wildcards.variant), **dict(wildcards)
            )
        ),
        batch_size=lambda wildcards: ancient(batch_size_for(wildcards)),
    output:
        best="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/best.json",
        trials="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/trials.parquet",
        importances="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/importances.json",
    log:
        "results/logs/search_hyperparameters/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}.log",
    benchmark:
        "results/benchmarks/jobs/search_hyperparameters/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}.tsv"
    priority: 40
    conda:
        "../envs/workflow.yaml"
    threads: threads_of
    resources:
        gpu=lambda wildcards: int(PLAN.uses_gpu(wildcards.model)),
        mem_mb=memory_of,
        runtime=search_minutes_of,
    params:
        search=lambda wildcards: PLAN.searches.declaration(
            {name: word for name, word in wildcards.items() if name != "worker"}
        ),
        state="results/state/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}",
        version=VERSIONS["training"],
    script:
        "../workflow_scripts/search_hyperparameters.py"


# The same work by more jobs at once (`search.workers`), each until the search has all its trials. The search
# itself does not wait for them, so their number re-makes nothing that is done.
use rule search_hyperparameters as search_worker with:
    input:
        dataset=lambda wildcards: DATASET.format(
            vintage=PLAN.vintage_of_variant(wildcards.variant), **dict(wildcards)
        ),
        samples=lambda wildcards: ancient(
            SAMPLES.format(
                vintage=PLAN.vintage_of_variant(wildcards.variant), **dict(wildcards)
            )
        ),
        batch_size=lambda wildcards: ancient(batch_size_for(wildcards)),
    output:
        worker="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/workers/{worker}.json",
    log:
        "results/logs/search_worker/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/{worker}.log",
    benchmark:
        "results/benchmarks/jobs/search_worker/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/{worker}.tsv"
