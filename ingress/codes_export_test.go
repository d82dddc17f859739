package ingress

import (
	"maps"
	"slices"
)

// Codes are all that a refusal may have.
func Codes() []string { return slices.Sorted(maps.Keys(table)) }
