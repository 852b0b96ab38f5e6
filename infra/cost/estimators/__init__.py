"""One estimator a resource type: from planned inputs to charges."""
