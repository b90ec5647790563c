"""What is found before training: the batch size of a shape on this machine, and hyperparameters."""


rule discover_batch_size:
    output:
        PATHS.batch_size,
    log:
        f"results/logs/discover_batch_size/{BATCH_KEY}.log",
    benchmark:
        f"results/benchmarks/jobs/discover_batch_size/{BATCH_KEY}.tsv"
    priority: 50
    conda:
        "../envs/workflow.yaml"
    threads: RESOURCES.threads
    resources:
        gpu=1,
        mem_mb=RESOURCES.memory,
        runtime=60,
    params:
        shape=lambda wildcards: PLAN.shapes.shape(
            wildcards.dataset, wildcards.timescale, wildcards.model, wildcards.budget
        ),
    script:
        "../workflow_scripts/discover_batch_size.py"


rule search_hyperparameters:
    input:
        dataset=INPUTS.searched_data,
        samples=lambda wildcards: ancient(INPUTS.searched_data(wildcards, SAMPLES)),
        batch_size=lambda wildcards: ancient(INPUTS.batch_size(wildcards)),
    output:
        best=f"{SEARCH}/best.json",
        trials=f"{SEARCH}/trials.parquet",
        importances=f"{SEARCH}/importances.json",
    log:
        f"results/logs/search_hyperparameters/{SEARCH_KEY}.log",
    benchmark:
        f"results/benchmarks/jobs/search_hyperparameters/{SEARCH_KEY}.tsv"
    priority: 40
    conda:
        "../envs/workflow.yaml"
    threads: RESOURCES.threads
    resources:
        gpu=RESOURCES.gpus,
        mem_mb=RESOURCES.memory,
        runtime=RESOURCES.search_minutes,
    params:
        search=lambda wildcards: PLAN.searches.declaration(search_key(wildcards)),
        state=f"results/state/hpo/{SEARCH_KEY}",
        version=VERSIONS["training"],
    script:
        "../workflow_scripts/search_hyperparameters.py"


# The same work by more jobs at once (`search.workers`), each until the search has all its trials. The search
# itself does not wait for them, so their number re-makes nothing.
use rule search_hyperparameters as search_worker with:
    input:
        dataset=INPUTS.searched_data,
        samples=lambda wildcards: ancient(INPUTS.searched_data(wildcards, SAMPLES)),
        batch_size=lambda wildcards: ancient(INPUTS.batch_size(wildcards)),
    output:
        worker=f"{SEARCH}/workers/{{worker}}.json",
    log:
        f"results/logs/search_worker/{SEARCH_KEY}/{{worker}}.log",
    benchmark:
        f"results/benchmarks/jobs/search_worker/{SEARCH_KEY}/{{worker}}.tsv"


# Does a recipe found at one size hold at another? The rate itself and its neighbours, on the same years.
rule check_transfer:
    input:
        dataset=INPUTS.searched_data,
        best=f"{SEARCHED}/best.json",
        batch_size=lambda wildcards: ancient(INPUTS.batch_size(wildcards)),
    output:
        losses=f"{SEARCHED}/transfer_check/{{budget}}.parquet",
    log:
        f"results/logs/check_transfer/{SEARCHED_KEY}/{{budget}}.log",
    benchmark:
        f"results/benchmarks/jobs/check_transfer/{SEARCHED_KEY}/{{budget}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: RESOURCES.threads
    resources:
        gpu=RESOURCES.gpus,
        mem_mb=RESOURCES.memory,
        runtime=RESOURCES.search_minutes,
    params:
        check=lambda wildcards: PLAN.searches.check_declaration(
            search_key(wildcards), wildcards.budget
        ),
        state=f"results/state/hpo/{SEARCHED_KEY}/transfer_check/{{budget}}",
        version=VERSIONS["training"],
    script:
        "../workflow_scripts/check_transfer.py"
