"""Which documents are worth training on: rules, perplexity, languages, learned classifiers."""
