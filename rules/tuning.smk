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
        shape=lambda wildcards: PLAN.shapes.shape(
            wildcards.dataset, wildcards.timescale, wildcards.model, wildcards.budget
        ),
    script:
        "../workflow_scripts/discover_batch_size.py"


rule search_hyperparameters:
    input:
        dataset=lambda wildcards: searched_data(wildcards, DATASET),
        samples=lambda wildcards: ancient(searched_data(wildcards, SAMPLES)),
        batch_size=lambda wildcards: ancient(batch_size_for(wildcards)),
    output:
        best="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/search{search}/best.json",
        trials="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/search{search}/trials.parquet",
        importances="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/search{search}/importances.json",
    log:
        "results/logs/search_hyperparameters/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/search{search}.log",
    benchmark:
        "results/benchmarks/jobs/search_hyperparameters/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/search{search}.tsv"
    priority: 40
    conda:
        "../envs/workflow.yaml"
    threads: threads_of
    resources:
        gpu=lambda wildcards: int(PLAN.uses_gpu(wildcards.model)),
        mem_mb=memory_of,
        runtime=search_minutes_of,
    params:
        search=lambda wildcards: PLAN.searches.declaration(search_words(wildcards)),
        state="results/state/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/search{search}",
        version=VERSIONS["training"],
    script:
        "../workflow_scripts/search_hyperparameters.py"


# The same work by more jobs at once (`search.workers`), each until the search has all its trials. The search
# itself does not wait for them, so their number re-makes nothing.
use rule search_hyperparameters as search_worker with:
    input:
        dataset=lambda wildcards: searched_data(wildcards, DATASET),
        samples=lambda wildcards: ancient(searched_data(wildcards, SAMPLES)),
        batch_size=lambda wildcards: ancient(batch_size_for(wildcards)),
    output:
        worker="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/search{search}/workers/{worker}.json",
    log:
        "results/logs/search_worker/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/search{search}/{worker}.log",
    benchmark:
        "results/benchmarks/jobs/search_worker/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{budget}/search{search}/{worker}.tsv"


# Does a recipe found at one size hold at another? The rate itself and its neighbours, on the same years.
rule check_transfer:
    input:
        dataset=lambda wildcards: searched_data(wildcards, DATASET),
        best="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{searched}/search{search}/best.json",
        batch_size=lambda wildcards: ancient(batch_size_for(wildcards)),
    output:
        losses="results/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{searched}/search{search}/transfer_check/{budget}.parquet",
    log:
        "results/logs/check_transfer/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{searched}/search{search}/{budget}.log",
    benchmark:
        "results/benchmarks/jobs/check_transfer/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{searched}/search{search}/{budget}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: threads_of
    resources:
        gpu=lambda wildcards: int(PLAN.uses_gpu(wildcards.model)),
        mem_mb=memory_of,
        runtime=search_minutes_of,
    params:
        check=lambda wildcards: PLAN.searches.check_declaration(
            search_words(wildcards), wildcards.budget
        ),
        state="results/state/hpo/{variant}/{dataset}/{timescale}/{task}/h{horizon}/{model}/{searched}/search{search}/transfer_check/{budget}",
        version=VERSIONS["training"],
    script:
        "../workflow_scripts/check_transfer.py"
