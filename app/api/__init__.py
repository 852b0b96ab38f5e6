"""The product's HTTP API: posts, the rows of users, search and dashboards, all under `/api/v1`."""
