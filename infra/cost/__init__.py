"""What a stack costs: a dated price book, one estimator a resource type, and usage written down."""
