"""models: what training, scoring and sampling share - one encode function, one sampler, one way to resume."""
