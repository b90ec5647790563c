"""How the study is computed. Packages import only those before them in this order:

config, data, features, datasets, metrics, training, models, tuning, evaluation, reporting.
"""
