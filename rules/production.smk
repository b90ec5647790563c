"""Forecasts with promoted models (`make promote`), on the data of the configuration at hand."""


rule forecast:
    input:
        dataset=INPUTS.production_dataset,
        current="results/production/{name}/current.json",
        version=INPUTS.production_version,
        calendar=ancient(CALENDAR),
        quality=ancient(INPUTS.production_quality),
    output:
        "results/forecasts/{name}.parquet",
    log:
        "results/logs/forecast/{name}.log",
    benchmark:
        "results/benchmarks/jobs/forecast/{name}.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        evaluation=PLAN.config.evaluation.model_dump_json(),
        offered=INPUTS.production_data,
        version=VERSIONS["production"],
    script:
        "../workflow_scripts/forecast.py"


# As of a past day, as if later bars were not there.
use rule forecast as forecast_past with:
    output:
        "results/forecasts/{name}/{day}.parquet",
    log:
        "results/logs/forecast/{name}/{day}.log",
    benchmark:
        "results/benchmarks/jobs/forecast/{name}/{day}.tsv"
