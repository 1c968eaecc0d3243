"""What Snakemake's rules and scripts need: configuration, recipes, jobs, archives."""
