module headroom/cluster/crds

go 1.25.11

// No package of these is compiled: `go mod download` brings their files, and `go mod tidy` would drop them.
require (
	istio.io/api v1.29.2
	sigs.k8s.io/karpenter v1.9.0
)
